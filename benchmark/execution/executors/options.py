"""How much a task may use and how it is started: the same words for every engine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from pydantic import ByteSize, ConfigDict, TypeAdapter, ValidationError

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.execution.tasks import RANGE_FRAMES


@dataclass(frozen=True, kw_only=True)
class ExecutorOptions:
    """Resources and limits; what an engine calls otherwise is translated by its executor."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    partition: str | None = None
    """Queue of the cluster; None = its default."""
    gpus: float | None = None
    """Of a task; None = one where the engine has any and the device is not the CPU."""
    cpus: int | None = None
    """Of a task, which also bounds its threads; None = the engine's default."""
    memory: str | None = None
    """Of a task, such as `32G`; None = the engine's default."""
    time: str = "4:00:00"
    """A job may take so long before it is stopped and queued again: `HOURS:MINUTES:SECONDS`, or
    a number with m, h or d."""
    array_parallelism: int | None = None
    """Jobs that run at once at most; None = as many as the engine gives."""
    retries: int = 5
    """How often a task whose worker died, or a job that ran out of time, is started again."""
    jobs: int = 1000
    """Jobs of a stage at most; one job does several tasks, one after the other."""
    range_frames: int = RANGE_FRAMES
    """Frames from which on a range of clips is full."""
    wait: bool = False
    """Whether to stay and follow until everything is done."""
    engine: Mapping[str, Any] = field(default_factory=dict)
    """Everything else, handed to the engine as it is: options of `sbatch`, of `ray.init`."""

    @property
    def minutes(self) -> int:
        """The time limit in whole minutes, rounded up."""
        return parse_minutes(self.time)

    @property
    def memory_bytes(self) -> int | None:
        """The memory of a task in bytes."""
        return None if self.memory is None else _bytes(self.memory)


def parse_options(executor: str, given: Mapping[str, Any]) -> ExecutorOptions:
    """Return the options of a mapping; keys that are not ours go to the engine.

    Example:
        >>> found = parse_options("slurm", {"partition": "gpu", "time": "90m", "qos": "high"})
        >>> found.minutes, dict(found.engine)
        (90, {'qos': 'high'})

    Raises:
        UsageError: a value that does not fit, or options of an engine where there is none.
    """
    if executor == "local" and given:
        option = next(iter(given)).replace("_", "-")
        raise UsageError(
            f"--{option} is for --executor ray or slurm; add --executor, or leave it out"
        )
    known = {f.name for f in fields(ExecutorOptions)} - {"engine"}
    ours = {key: value for key, value in given.items() if key in known and value is not None}
    rest = {key: value for key, value in given.items() if key not in known}
    if isinstance(ours.get("time"), (int, float)):
        ours["time"] = f"{ours['time']}m"
    try:
        found = TypeAdapter(ExecutorOptions).validate_python({**ours, "engine": rest})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "?"
        raise UsageError(
            f"--{name.replace('_', '-')} {given.get(name)!r} does not fit: {first['msg'].lower()}"
        ) from None
    for name in ("cpus", "array_parallelism", "jobs", "range_frames"):
        value = ours.get(name)
        if value is not None and value < 1:
            raise UsageError(f"--{name.replace('_', '-')} {value} must be 1 or more")
    if found.retries < 0 or (found.gpus is not None and found.gpus < 0):
        raise UsageError("--retries and --gpus must be 0 or more")
    _ = found.minutes, found.memory_bytes
    return found


_TIME = re.compile(r"(?:(\d+)-)?(\d+):(\d\d)(?::(\d\d))?|(\d+(?:\.\d+)?)([smhd])")
_MINUTES = {"s": 1 / 60, "m": 1.0, "h": 60.0, "d": 1440.0}


def parse_minutes(text: str) -> int:
    """Return whole minutes, rounded up, of a time limit.

    Example:
        >>> [parse_minutes(t) for t in ("4:00:00", "1-12:00", "90m", "1.5h", "30s")]
        [240, 2160, 90, 90, 1]

    Raises:
        UsageError: it is not a time.
    """
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"--time {text!r} is not a time; type for example 4:00:00, 90m or 2d")
    days, hours, minutes, seconds, number, unit = found.groups()
    if number is not None:
        whole = float(number) * _MINUTES[unit]
    else:
        whole = int(days or 0) * 1440 + int(hours) * 60 + int(minutes) + int(seconds or 0) / 60
    return max(1, -int(-whole // 1))


def _bytes(text: str) -> int:
    try:
        return int(TypeAdapter(ByteSize).validate_python(text))
    except ValidationError:
        raise UsageError(f"--memory {text!r} is not a size; type for example 32G") from None
