"""`metrics.jsonl`: one line a step, flushed as it is written; TensorBoard beside it on request."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tvseg_bench.benchmark.errors import MissingExtraError
from tvseg_bench.benchmark.results.result_file import atomic_write
from tvseg_bench.models.training.checkpoints import TrainingError

NAME = "metrics.jsonl"


class MetricsLog:
    """The rows of `metrics.jsonl` while a run goes.

    Args:
        start: rows of this step and later ones, which a killed run left, are taken again.

    Raises:
        ResultError: the folder cannot be written.
        MissingExtraError: TensorBoard is asked for and not installed.
    """

    def __init__(self, folder: Path, start: int, tensorboard: bool = False) -> None:
        self._path = folder / NAME
        self.validated: list[Mapping[str, Any]] = []
        """Rows of validations, those of an interrupted run included."""
        self.skipped: dict[str, str] = {}
        """Clips that cannot be read -> why."""
        earlier = _rows_before(self._path, start)
        atomic_write(self._path, earlier)
        for row in map(json.loads, earlier.splitlines()):
            if "validated" in row:
                self.validated.append(row)
            elif "clip" in row:
                self.skipped[row["clip"]] = row["reason"]
        self._file = self._path.open("a", encoding="utf-8")
        self._events = _event_writer(folder) if tensorboard else None

    def __enter__(self) -> MetricsLog:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self._events:
            self._events.close()

    def write_skipped(self, step: int, skipped: Mapping[str, str]) -> None:
        """Add a row for each clip that was found damaged since the last call."""
        for name, reason in list(skipped.items()):
            if name not in self.skipped:
                self.skipped[name] = reason
                self.write({"clip": name, "reason": reason, "before": step})

    def write(self, row: Mapping[str, Any]) -> None:
        """Add a row.

        Raises:
            TrainingError: the disk is full.
        """
        try:
            self._file.write(json.dumps(row, allow_nan=False) + "\n")
            self._file.flush()
        except OSError as error:
            raise TrainingError(
                f"{self._path} cannot be written: {error.strerror}; the last checkpoint stays: "
                "make room, then type the same command with --resume auto"
            ) from None
        if self._events and "step" in row:
            for name, value in row.items():
                if name not in ("step", "epoch") and value is not None:
                    self._events.add_scalar(name, value, int(row["step"]))


def _rows_before(path: Path, start: int) -> bytes:
    """Return the rows of the steps before `start`."""
    if not path.is_file():
        return b""
    earlier = []
    for line in path.read_bytes().splitlines(keepends=True):
        try:
            row = json.loads(line)
        except ValueError:
            break  # torn by a kill
        if _step_of(row, start) >= start:
            break
        earlier.append(line)
    return b"".join(earlier)


def _step_of(row: Mapping[str, Any], start: int) -> int:
    """Return the step that a row is about; `start` for the last row of a finished run."""
    if "validated" in row:
        return int(row["validated"]) - 1
    return int(row.get("step", row.get("before", start)))


def is_finished(folder: Path) -> bool:
    """Return whether the run of a folder wrote its last row."""
    return (folder / NAME).is_file() and any("finished" in row for row in rows(folder))


def _event_writer(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise MissingExtraError("tensorboard", "tensorboard", "--tensorboard") from None
    return SummaryWriter(str(folder / "events"))


def rows(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a run's `metrics.jsonl`; one that was torn by a kill ends them."""
    with (folder / NAME).open(encoding="utf-8") as file:
        for line in file:
            try:
                yield json.loads(line)
            except ValueError:
                return
