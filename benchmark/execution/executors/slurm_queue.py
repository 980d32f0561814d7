"""What Slurm says of jobs. Importing this module loads nothing heavy."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_ENDED = {
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL"),
    *("OUT_OF_MEMORY", "TIMEOUT"),
}


@dataclass(frozen=True)
class JobState:
    """What Slurm says of a member of an array."""

    state: str
    """PENDING, RUNNING, COMPLETING, COMPLETED, FAILED, ..."""
    reason: str
    node: str

    @property
    def ended(self) -> bool:
        """Whether Slurm does nothing more with it by itself."""
        return self.state in _ENDED


def job_states() -> Mapping[tuple[str, int], JobState] | None:
    """Return what Slurm says of the user's jobs, those that ended some minutes ago included.

    Returns:
        (job, member) -> state; None where Slurm cannot be asked, which says nothing of the jobs.
    """
    shown = slurm_prints(["squeue", "-h", "-r", "--me", "-t", "all", "-o", "%i|%T|%r|%N"])
    if shown is None:
        return None
    found = {}
    for line in shown.splitlines():
        name, state, reason, node = (*line.split("|"), "", "", "")[:4]
        job, _, member = name.partition("_")
        found[job, int(member) if member.isdecimal() else 0] = JobState(state, reason, node)
    return found


def explained(state: JobState) -> str:
    """Return why a job waits or has ended: Slurm's word, with what it means where it is odd."""
    if state.reason == "JobLaunchFailure":
        return "JobLaunchFailure: the node may not see the folder of the run; choose a shared one"
    return state.reason or "no reason given"


def most_members() -> int:
    """Return how many members an array of this cluster may have."""
    shown = slurm_prints(["scontrol", "show", "config"]) or ""
    found = re.search(r"MaxArraySize\s*=\s*(\d+)", shown)
    return int(found[1]) if found else 1000


def slurm_prints(command: Sequence[str]) -> str | None:
    """Return what a command of Slurm prints; None where it is not there or fails."""
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout if found.returncode == 0 else None
