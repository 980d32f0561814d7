"""Where a number comes from: suite, packages, machine, command and time, but no names of people.

Neither host names, user names nor absolute paths are ever recorded: results are made to be shared.
Importing this module and calling it import no heavy package; what is loaded already is asked.
"""

from __future__ import annotations

import getpass
import os
import platform
import re
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from functools import cache
from importlib import metadata
from pathlib import Path

from pydantic import Field

from tvseg_bench.benchmark.paths import PACKAGE
from tvseg_bench.benchmark.results.text import FilePart, Line
from tvseg_bench.benchmark.version import __version__

PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "scipy",
    "scikit-learn",
    "faiss-cpu",
    "faiss-gpu",
    "numba",
    "pandas",
    "decord",
    "av",
    "pillow",
)
"""Distributions whose version may move a number."""

_ABSOLUTE = re.compile(
    r"""(^-\w|^|[=,:;\s'"(\[{@])            # where a path may begin inside an argument
        (?:~[\w.-]*[\\/]|[A-Za-z]:[\\/]|[\\/])  # home, drive, root
        ([^=,:;'"()\[\]{}]*)""",
    re.VERBOSE,
)


class Git(FilePart):
    """State of the checkout that the suite was imported from."""

    commit: Line
    dirty: bool
    """Whether anything but results and documents differs from the commit."""


class Hardware(FilePart):
    """The machine, in words that do not identify it."""

    cpu: Line | None = None
    cores: int | None = Field(default=None, ge=1)
    """Logical cores of the machine."""
    ram_gb: float | None = Field(default=None, ge=0)
    """GiB."""
    gpu: Line | None = None
    driver: Line | None = None
    cuda: Line | None = None


class Provenance(FilePart):
    """What made a result; recorded, and no part of its identity."""

    suite: Line
    git: Git | None = None
    """None where the suite was installed from a wheel."""
    command: str | None = Field(default=None, max_length=100_000)
    """The command line, absolute paths reduced to file names."""
    config_sha256: Line | None = None
    seeds: tuple[int, ...] = ()
    started: Line | None = None
    ended: Line | None = None
    """ISO 8601, UTC."""
    python: Line | None = None
    os: Line | None = None
    packages: dict[Line, Line] = Field(default_factory=dict)
    hardware: Hardware = Hardware()
    threads: int | None = Field(default=None, ge=1)
    deterministic: bool | None = None
    """Whether torch was set to use deterministic algorithms only; None if it was not loaded."""
    world_size: int = Field(default=1, ge=1)


def collect(
    *,
    started: datetime,
    ended: datetime | None = None,
    command: Sequence[str] | None = None,
    seeds: Sequence[int] = (),
) -> Provenance:
    """Return the provenance of what is running now.

    Args:
        started: when the cell began, with a time zone.
        ended: when it ended; now if None.
        command: the arguments as typed, program name included; None from Python.
    """
    torch = sys.modules.get("torch")
    return Provenance(
        suite=__version__,
        git=_git(PACKAGE),
        command=None if command is None else sanitise(command),
        seeds=tuple(seeds),
        started=_utc(started),
        ended=_utc(ended or datetime.now(timezone.utc)),
        python=platform.python_version(),
        os=_system(),
        packages=dict(versions()),
        hardware=_hardware(),
        threads=torch.get_num_threads() if torch else os.cpu_count(),
        deterministic=torch.are_deterministic_algorithms_enabled() if torch else None,
    )


def sanitise(command: Sequence[str]) -> str:
    """Return a command line without absolute paths, user names and host names.

    Example:
        >>> sanitise(["/usr/bin/tvseg-bench", "run", "--model=file:/home/jo/m.py:build"])
        'tvseg-bench run --model=file:m.py:build'
        >>> sanitise(["run", "--data-root", "C:\\\\Users\\\\jo\\\\data", "-o/srv/jo/out dir"])
        "run --data-root data '-oout dir'"
    """
    return " ".join(_quoted(_nameless(_ABSOLUTE.sub(_shortened, part))) for part in command)


@cache
def versions() -> Mapping[str, str]:
    """Return the versions of the installed packages that may move a number; imports none."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _shortened(match: re.Match[str]) -> str:
    return match[1] + re.split(r"[\\/]", match[2].rstrip("\\/"))[-1]


def _quoted(part: str) -> str:
    line = re.sub(r"[\x00-\x1f\x7f]", " ", part)
    return f"'{line}'" if " " in line or not line else line


def _nameless(part: str) -> str:
    for name, word in _names():
        part = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", word, part)
    return part


@cache
def _names() -> tuple[tuple[str, str], ...]:
    """Return what identifies this user and machine, with the word that stands for it.

    `root` and `localhost` identify nobody.
    """
    hosts = {socket.gethostname(), platform.node()}
    hosts |= {host.partition(".")[0] for host in hosts}
    try:
        users = {getpass.getuser(), Path.home().name}
    except (KeyError, OSError, ImportError, RuntimeError):  # no such user in a container
        users = set()
    words = [(name, "host") for name in hosts] + [(name, "user") for name in users]
    return tuple(sorted(w for w in words if w[0] not in ("", "root", "localhost")))


def _utc(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


_NO_CODE = (":(exclude)leaderboards/results", ":(exclude)docs")


@cache
def _git(root: Path) -> Git | None:
    if not (root / ".git").exists():
        return None
    try:
        commit = _run_git(root, "rev-parse", "HEAD")
        changed = _run_git(root, "status", "--porcelain", "--", ".", *_NO_CODE)
        return Git(commit=commit, dirty=bool(changed))
    except (OSError, subprocess.SubprocessError):  # no git, not ours, or too slow
        return None


def _run_git(root: Path, *arguments: str) -> str:
    answer = subprocess.run(
        ["git", "-C", str(root), "--no-optional-locks", *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
    )
    return answer.stdout.strip()


def _system() -> str:
    """Return system, release and architecture, without the suffixes by which hosts are built."""
    release = re.match(r"[\d.]*\d", platform.release())
    return f"{platform.system()} {release[0] if release else ''} {platform.machine()}"


def _hardware() -> Hardware:
    torch = sys.modules.get("torch")
    static = _machine()
    if torch is None or not torch.cuda.is_available():
        return static
    return static.model_copy(
        update={
            "gpu": str(torch.cuda.get_device_name()),
            "driver": _driver(),
            "cuda": str(torch.version.cuda or torch.version.hip),
        }
    )


@cache
def _machine() -> Hardware:
    return Hardware(cpu=_cpu_model(), cores=os.cpu_count(), ram_gb=_ram_gb())


def _cpu_model() -> str | None:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        return platform.processor() or None
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, None) or platform.machine() or None


def _ram_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):  # Windows
        return None


def _driver() -> str | None:
    """Return the version of the NVIDIA kernel module, which torch does not report."""
    try:
        text = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    found = re.search(r"\b\d{3,}\.\d+(?:\.\d+)?\b", text)
    return found[0] if found else None
