"""A training as one job of Slurm over several nodes, through submitit.

    OUTPUT/slurm/job.json      which job trains into the folder
                 *.out, *.err  what it prints, a file for each process

The job goes on from the newest checkpoint whenever it starts, so that Slurm may stop it and queue
it again at any time. Jobs into one folder bear one name and wait for each other (`singleton`).
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationError

from tvseg_bench.benchmark.cli.heartbeat import INTERVAL_S
from tvseg_bench.benchmark.errors import TvsegError, UsageError
from tvseg_bench.benchmark.execution.executors import slurm_arrays, slurm_queue
from tvseg_bench.benchmark.execution.executors.options import ExecutorOptions, parse_options
from tvseg_bench.benchmark.execution.run_record import filled_registries, load_registries
from tvseg_bench.benchmark.execution.selection import EXECUTORS
from tvseg_bench.benchmark.results.result_file import atomic_write
from tvseg_bench.benchmark.results.text import FilePart
from tvseg_bench.models.trained import CARD
from tvseg_bench.models.training.checkpoints import TrainingError
from tvseg_bench.models.training.metrics_log import NAME as JOURNAL
from tvseg_bench.models.training.metrics_log import is_finished, rows
from tvseg_bench.models.training.settings import TrainingOutcome

if TYPE_CHECKING:
    import submitit

FOLDER, NAME = "slurm", "job.json"
POLL_S = 5.0
"""Between two looks at a job that is followed."""
PORTS = range(10_000, 20_000)
"""Ports at which the processes of a job meet: below those that systems give to connections."""
_ONLY_RUN = ("array_parallelism", "jobs", "range_frames")


@dataclass(frozen=True)
class JobOptions:
    """Where a training is done."""

    nodes: int
    resources: ExecutorOptions
    """GPUs are those of a node, processors those of a process."""

    @property
    def processes(self) -> int:
        """Processes of a node: one for each GPU."""
        return max(1, int(self.resources.gpus or 1))


def parse_job_options(executor: str, given: Mapping[str, Any]) -> JobOptions | None:
    """Return where a training is done by its options; None = in this process.

    Example:
        >>> parse_job_options("slurm", {"nodes": 2, "gpus": 8, "time": "12h"}).processes
        8
        >>> parse_job_options("local", {}) is None
        True

    Raises:
        UsageError: no executor that trains, or a value that does not fit.
    """
    if executor not in ("local", "slurm"):
        known = " does not train" if executor in EXECUTORS else " is not known"
        raise UsageError(
            f"--executor {executor}{known}; for training there are local and slurm, and torchrun "
            "on each node"
        )
    if executor == "local":
        if given:
            option = next(iter(given)).replace("_", "-")
            raise UsageError(
                f"--{option} is for --executor slurm; add that, or leave it out: torchrun starts "
                "a training on nodes without it"
            )
        return None
    options = dict(given)
    for name in _ONLY_RUN:
        if name in options:
            raise UsageError(f"executor_options.{name} is for tvseg-bench run; leave it out")
    nodes = options.pop("nodes", 1)
    if not isinstance(nodes, int) or isinstance(nodes, bool) or nodes < 1:
        raise UsageError(f"--nodes {nodes!r} must be a whole number from 1 on")
    resources = parse_options("slurm", options)
    if resources.gpus is not None and resources.gpus % 1:
        raise UsageError(f"--gpus {resources.gpus} must be a whole number: each has a process")
    return JobOptions(nodes, resources)


@dataclass(frozen=True)
class TrainingJob:
    """What each process of a job does; can be queued again at any time."""

    method: str
    values: Mapping[str, Any]
    """Of the command line and its config, merged."""
    folder: str
    """Where the training was typed: what paths in it are relative to."""
    registries: tuple[str, ...]
    """Modules that register what is built in."""

    def __call__(self) -> None:
        """Train, or go on; a mistake of the user ends the process with one sentence."""
        from tvseg_bench.models.training.command import train_here

        load_registries(self.registries)
        try:
            try:
                os.chdir(self.folder)
            except OSError:
                raise UsageError(
                    f"the folder {self.folder}, where the training was typed, cannot be seen on "
                    "this machine; start it from a folder that all machines share"
                ) from None
            export_job_environment()
            train_here(self.method, {**self.values, "resume": "auto"}, "lines")
        except TvsegError as error:
            sys.stderr.write(f"{_SENTENCE}{error}\n")
            sys.exit(1)

    def checkpoint(self) -> submitit.helpers.DelayedSubmission:
        """Return what is queued again: the same, since all state is in the folder's checkpoint."""
        import submitit

        return submitit.helpers.DelayedSubmission(self)


def export_job_environment() -> None:
    """Set the variables by which the processes of a job of submitit find each other."""
    import submitit

    job = submitit.JobEnvironment()
    number = int(hashlib.sha256(job.job_id.encode()).hexdigest(), 16)
    wanted = {
        "MASTER_ADDR": os.environ.get("MASTER_ADDR") or _address(job.hostnames[0]),
        "MASTER_PORT": os.environ.get("MASTER_PORT") or str(PORTS[number % len(PORTS)]),
        "RANK": str(job.global_rank),
        "WORLD_SIZE": str(job.num_tasks),
        "LOCAL_RANK": str(job.local_rank),
        "LOCAL_WORLD_SIZE": str(job.num_tasks // job.num_nodes),
    }
    os.environ.update(wanted)


def _address(first: str) -> str:
    """Return the first node's name where it is known here, else the address Slurm has of it."""
    try:
        socket.getaddrinfo(first, None)
    except OSError:
        return os.environ.get("SLURM_LAUNCH_NODE_IPADDR", first)
    return first


class TrainingJobFile(FilePart):
    """The content of job.json."""

    schema_: Literal["tvseg-bench/training-job@1"] = Field(
        default="tvseg-bench/training-job@1", alias="schema"
    )
    job: str
    """Slurm's id."""
    submitted: str
    """ISO 8601, UTC."""
    typed: dict[str, Any]
    """Method and settings."""


def read_job(output: Path) -> TrainingJobFile | None:
    """Return the last job that was submitted to train into a folder, None where there was none.

    Raises:
        UsageError: the file cannot be read.
    """
    path = output / FOLDER / NAME
    try:
        return TrainingJobFile.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"{path} cannot be read as a job ({reason}); move it away") from None


def going_on(output: Path) -> TrainingJobFile | None:
    """Return the job that waits or runs to train into a folder, None where there is none.

    Raises:
        UsageError: Slurm cannot be asked.
    """
    job = read_job(output)
    if job is None:
        return None
    states = slurm_queue.job_states()  # asked first: what ends now is seen below
    if has_ended(output):
        return None
    if states is None:
        raise UsageError(
            f"the Slurm job {job.job} may be training into {output}, and Slurm cannot be asked "
            f"from here; type it where squeue works, or remove {output / FOLDER / NAME} if you "
            "know that the job has ended"
        )
    state = states.get((job.job, 0))
    return None if state is None or state.ended else job


def has_ended(output: Path) -> bool:
    """Return whether a training has written all that it leaves behind."""
    return (output / CARD).exists() and is_finished(output)


def refuse_second(output: Path) -> None:
    """Refuse to train into a folder while a job does, or is waiting to.

    Raises:
        UsageError: naming the job.
    """
    job = going_on(output)
    if job is not None:
        raise _second(output, job)


def _second(output: Path, job: TrainingJobFile) -> UsageError:
    return UsageError(
        f"the Slurm job {job.job} is training into {output} or waiting to; follow it with the "
        f"command that began it and --wait, end it with scancel {job.job}, or choose another "
        "folder with -o"
    )


def submit(
    method: str, values: Mapping[str, Any], output: Path, options: JobOptions
) -> tuple[str, bool]:
    """Submit a training, or find its job where it was submitted and is to be followed.

    Args:
        values: of the command line and its config, merged.
        output: the folder to train into.

    Returns:
        The id of the job, and whether it was submitted now.

    Raises:
        MissingExtraError: submitit is not installed.
        UsageError: there is no Slurm here, it refuses the job, or the folder is in use.
        ResultError: the folder cannot be written.
    """
    from tvseg_bench.models.training.loop import refuse_used

    slurm_arrays.check(options.resources)
    typed = _typed(method, values)
    is_slurm = slurm_arrays.cluster_of(options.resources) == "slurm"
    running = going_on(output) if is_slurm else None
    if running is not None:
        if options.resources.wait and running.typed == typed:
            return running.job, False
        raise _second(output, running)
    refuse_used(output, values["resume"] == "auto")
    if options.resources.gpus and values["device"] == "auto":
        values = {**values, "device": "cuda"}  # many processes on the CPU are never meant
    work = TrainingJob(method, values, str(Path.cwd()), filled_registries())
    folder = output.absolute() / FOLDER
    gpus = options.resources.gpus
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror}") from None
    try:
        executor = slurm_arrays.job_executor(
            folder,
            options.resources,
            dependency="singleton",
            name=f"tvseg-train-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}",
            nodes=options.nodes,
            tasks_per_node=options.processes,
            gpus_per_node=None if gpus is None else int(gpus),
            # a process that fails takes the others with it: they would wait for it
            slurm_srun_args=["--kill-on-bad-exit=1"],
        )
        job = executor.submit(work)
    except Exception as error:
        raise UsageError(f"Slurm refuses the training: {slurm_arrays.refusal(error)}") from None
    if is_slurm:
        _record(folder / NAME, job.job_id, typed)
    else:
        job.wait()
    return str(job.job_id), True


def _typed(method: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what says whether two commands mean the same training, as JSON holds it."""
    left_out = ("resume", "executor", "executor_options")
    kept = {"method": method, **{k: v for k, v in values.items() if k not in left_out}}
    found: dict[str, Any] = json.loads(json.dumps(kept, default=str))
    return found


def _record(path: Path, job: str, typed: dict[str, Any]) -> None:
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    content = TrainingJobFile(job=job, submitted=now, typed=typed)
    atomic_write(path, (content.model_dump_json(by_alias=True, indent=1) + "\n").encode())


def follow(
    output: Path, job: str, on_slurm: bool, say: Callable[[str], None], pause_s: float = POLL_S
) -> TrainingOutcome:
    """Stay until a job has trained.

    Args:
        say: takes a line where something has changed, and every half minute.

    Raises:
        TrainingError: the job ended before the training did.
    """
    said, at = "", -INTERVAL_S
    while True:
        states = slurm_queue.job_states() if on_slurm else {}  # first: what ends now is seen below
        if has_ended(output):
            return read_outcome(output)
        state = None if states is None else states.get((job, 0))
        if states is not None and (state is None or state.ended):
            raise TrainingError(_why_ended(output, job, state))
        if state is not None:
            waits = state.reason if state.state == "PENDING" else state.node
            line = f"job {job}: {state.state.lower()} {waits}"
            if line != said or time.monotonic() - at >= INTERVAL_S:
                say(f"{line}; {_progress(output)}")
                said, at = line, time.monotonic()
        time.sleep(pause_s)


def _progress(output: Path) -> str:
    """Return the last step that was taken."""
    taken = [row for row in _rows(output) if "step" in row]
    if not taken:
        return "no step yet"
    last = taken[-1]
    return f"step {last['step'] + 1}, epoch {last['epoch']}, loss {last['loss']:.4g}"


def followed_outcome(
    method: str, values: Mapping[str, Any], output: Path, options: JobOptions
) -> TrainingOutcome | None:
    """Return the outcome of a training that has ended, where its job is to be followed."""
    job = read_job(output)
    is_same = job is not None and job.typed == _typed(method, values)
    return read_outcome(output) if options.resources.wait and is_same else None


def read_outcome(output: Path) -> TrainingOutcome:
    """Return the outcome of a training that has ended, as its journal says it."""
    skipped, steps = {}, 0
    for row in _rows(output):
        if "clip" in row:
            skipped[row["clip"]] = row["reason"]
        steps = row.get("finished", steps)
    return TrainingOutcome(folder=output, steps=steps, skipped=skipped)


def _rows(output: Path) -> list[dict[str, Any]]:
    return list(rows(output)) if (output / JOURNAL).is_file() else []


_SENTENCE = "tvseg-bench: "
"""What the reason of a failed process begins with in its log."""


def _why_ended(output: Path, job: str, state: slurm_queue.JobState | None) -> str:
    """Return why a job ended too early, by its logs and Slurm's word."""
    if state is not None and state.reason == "JobLaunchFailure":
        return (
            f"the Slurm job {job} could not be started: a node cannot see {output / FOLDER}; "
            "choose a folder that all nodes share with -o"
        )
    logs = sorted((output / FOLDER).glob(f"{job}_*_log.err"))
    lines = [line for log in logs for line in log.read_text(errors="replace").splitlines() if line]
    told = [line.removeprefix(_SENTENCE) for line in lines if line.startswith(_SENTENCE)]
    word = "" if state is None else f" ({state.state})"
    reason = told[-1] if told else (lines[-1] if lines else "it left no log")
    return (
        f"the Slurm job {job} ended{word} before the training did: {reason}; its logs are in "
        f"{output / FOLDER}; the same command with --resume auto goes on from the last checkpoint"
    )
