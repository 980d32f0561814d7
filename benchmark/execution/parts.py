"""Parts of a cell on disk: what ranges of its clips gave, until they are put together.

    RUN/parts/<cell_id>/<first>-<last>.json

A part is there completely or not at all, and holds all that the result needs, so that any process
that sees the folder can put the parts together. They are removed once the result is written.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from tvseg_bench.benchmark.results import result_file
from tvseg_bench.benchmark.results.result import Timing
from tvseg_bench.benchmark.results.text import FilePart, ResultError

R = TypeVar("R")

MAX_PART_BYTES = 2**31


class PartTiming(FilePart):
    """How long a range took."""

    extract_s: float = Field(ge=0)
    """Seconds that the protocol waited for features."""
    protocol_s: float
    frames: int = Field(ge=0)
    peak_gpu_mb: float | None = None
    gflops: float | None = None

    @staticmethod
    def total(parts: Sequence[PartTiming]) -> Timing:
        """Return the time of all ranges together, as if one process had done them."""
        extract, own = sum(p.extract_s for p in parts), sum(p.protocol_s for p in parts)
        frames = sum(p.frames for p in parts)
        peaks = [p.peak_gpu_mb for p in parts if p.peak_gpu_mb is not None]
        return Timing(
            extract_s=round(extract, 3),
            protocol_s=round(own, 3),
            fps=round(frames / (extract + own), 3) if frames else None,
            peak_gpu_mb=max(peaks, default=None),
            gflops=parts[0].gflops if parts else None,
        )


class CellPart(FilePart):
    """What a range of clips of a cell gave."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    schema_: Literal["tvseg-bench/part@1"] = Field(default="tvseg-bench/part@1", alias="schema")
    cell_id: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    clips: tuple[int, int]
    """First and one past the last clip."""
    rows: str
    """JSON of the rows, whose type the protocol knows."""
    recorded: bytes | None = None
    """What a recorder recorded."""
    timing: PartTiming
    started: datetime


def rows_text(row_type: type[R], rows: Sequence[R]) -> str:
    """Return the JSON of rows."""
    return _adapter(row_type).dump_json(tuple(rows)).decode()


def rows_of(part: CellPart, row_type: type[R]) -> Sequence[R]:
    """Return the rows of a part.

    Raises:
        ResultError: they are not of this type.
    """
    try:
        found: Sequence[R] = _adapter(row_type).validate_json(part.rows)
    except ValidationError as error:
        first, last = part.clips
        raise ResultError(
            f"the part {part.cell_id}/{first}-{last} holds no rows of this protocol "
            f"({error.error_count()} fields differ); remove it and run again"
        ) from None
    return found


_ADAPTERS: dict[type[Any], TypeAdapter[tuple[Any, ...]]] = {}


def _adapter(row_type: type[Any]) -> TypeAdapter[tuple[Any, ...]]:
    """Return what writes and reads rows of a type; to make it takes longer than to use it."""
    if row_type not in _ADAPTERS:
        _ADAPTERS[row_type] = TypeAdapter(tuple[row_type, ...])  # type: ignore[valid-type]
    return _ADAPTERS[row_type]


@dataclass(frozen=True)
class PartStore:
    """The parts of the cells of a run.

    Args:
        directory: that holds a folder for each cell; made when something is written.
    """

    directory: Path

    def path(self, cell_id: str, clips: tuple[int, int]) -> Path:
        """Return where a part stands."""
        return self.directory / cell_id / f"{clips[0]}-{clips[1]}.json"

    def holds(self, cell_id: str, clips: tuple[int, int]) -> bool:
        """Return whether a part is there, without reading it."""
        return self.path(cell_id, clips).is_file()

    def write(self, part: CellPart) -> None:
        """Write a part, completely or not at all.

        Raises:
            ResultError: the folder cannot be written.
        """
        text = part.model_dump_json(by_alias=True) + "\n"
        result_file.atomic_write(self.path(part.cell_id, part.clips), text.encode())

    def read(self, cell_id: str, clips: tuple[int, int]) -> CellPart | None:
        """Return a part; None where there is none, or none that can be trusted."""
        path = self.path(cell_id, clips)
        try:
            with result_file.open_regular_file(path, MAX_PART_BYTES) as file:
                part = CellPart.model_validate_json(file.read())
        except (ResultError, ValidationError):
            return None
        return part if (part.cell_id, part.clips) == (cell_id, clips) else None

    def remove(self, cell_id: str, ranges: Sequence[tuple[int, int]]) -> None:
        """Remove the parts of a cell whose result is written; what is not ours stays."""
        for clips in ranges:
            with contextlib.suppress(OSError):
                self.path(cell_id, clips).unlink()
        for folder in (self.directory / cell_id, self.directory):
            with contextlib.suppress(OSError):  # fails, as it should, where something is left
                folder.rmdir()
