"""The rows behind a result: one JSON object a line; a header, then the clips, then the frames.

Clips come first, so that a board that needs them alone stops reading before the frames.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationError, model_validator

from tvseg_bench.benchmark.results.result import format_validation_error
from tvseg_bench.benchmark.results.result_file import open_regular_file
from tvseg_bench.benchmark.results.schema import Count, Metric, Value
from tvseg_bench.benchmark.results.text import FilePart, Line, ResultError, to_jsonable
from tvseg_bench.benchmark.types import Score, UnitScore

SAMPLES_SCHEMA: Final = "tvseg-bench/samples@1"
MAX_SAMPLES_BYTES = 2**30
MAX_LINE_BYTES = 4 * 2**20


class _Header(FilePart):
    schema_: Literal["tvseg-bench/samples@1"] = Field(default=SAMPLES_SCHEMA, alias="schema")
    cell_id: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


class _Counts(FilePart):
    labels: list[int]
    tp: list[Count]
    fp: list[Count]
    fn: list[Count]

    @model_validator(mode="after")
    def _parallel(self) -> _Counts:
        if len({len(self.labels), len(self.tp), len(self.fp), len(self.fn)}) > 1:
            raise ValueError("labels, tp, fp and fn must be equally long")
        return self


class _Row(FilePart):
    clip: Line
    frame: Count | None = None
    n_frames: Count = 1
    metrics: dict[Line, Value | None]
    counts: _Counts | None = None
    note: str = Field(default="", max_length=20_000)

    def unit(self) -> UnitScore:
        return UnitScore(
            clip=self.clip,
            frame=self.frame,
            n_frames=self.n_frames,
            metrics=self.metrics,
            counts={} if self.counts is None else self.counts.model_dump(),
            note=self.note,
        )


def samples_text(cell_id: str, score: Score) -> str:
    """Return the text of the samples file of a score."""
    lines = [_dumps({"schema": SAMPLES_SCHEMA, "cell_id": cell_id})]
    lines += [_dumps(_as_dict(unit)) for unit in (*score.clips, *score.frames)]
    return "".join(f"{line}\n" for line in lines)


def read_samples(
    path: Path,
    cell_id: str,
    *,
    frames: bool = False,
    metrics: Mapping[str, Metric] | None = None,
) -> tuple[list[UnitScore], list[UnitScore]]:
    """Return the rows of clips and, if asked for, of frames.

    Args:
        frames: whether to read on after the clips.
        metrics: those of the result; a value out of its metric's range is refused.

    Raises:
        ResultError: naming file and line.
    """
    clips: list[UnitScore] = []
    units: list[UnitScore] = []
    for unit in _rows(path, cell_id, metrics or {}):
        if unit.frame is None:
            clips.append(unit)
        elif frames:
            units.append(unit)
        else:
            break
    return clips, units


def is_samples_of(path: Path, cell_id: str) -> bool:
    """Return whether a file is the samples file of this cell, written by this suite."""
    try:
        next(_rows(path, cell_id, {}), None)
    except ResultError:
        return False
    return True


def _rows(path: Path, cell_id: str, metrics: Mapping[str, Metric]) -> Iterator[UnitScore]:
    number = 0
    try:
        with open_regular_file(path, MAX_SAMPLES_BYTES) as file:
            while line := file.readline(MAX_LINE_BYTES):
                number += 1
                if number > 1:
                    unit = _Row.model_validate_json(line).unit()
                    if wrong := _out_of_range(unit, metrics):
                        raise ResultError(
                            f"{path}, line {number}: {wrong}; run the cell again with --force"
                        )
                    yield unit
                elif _Header.model_validate_json(line).cell_id != cell_id:
                    raise ResultError(f"{path}, line 1: these are rows of another cell")
    except ValidationError as error:
        raise ResultError(
            f"{path}, line {number}: {format_validation_error(error)}; "
            "run the cell again with --force"
        ) from None
    if number == 0:
        raise ResultError(f"{path} is empty; run the cell again with --force")


def _out_of_range(unit: UnitScore, metrics: Mapping[str, Metric]) -> str:
    """Return which value of a row its metric cannot take, empty where all are in range."""
    for name, value in unit.metrics.items():
        metric = metrics.get(name)
        if metric is not None and (wrong := metric.out_of_range(value)):
            return f"metrics.{name} is {value}: input {wrong}"
    return ""


def _as_dict(unit: UnitScore) -> dict[str, object]:
    """Return a row without the fields that hold their defaults."""
    row: dict[str, object] = {"clip": unit.clip}
    if unit.frame is not None:
        row["frame"] = unit.frame
    if unit.n_frames != 1:
        row["n_frames"] = unit.n_frames
    row["metrics"] = unit.metrics
    if unit.counts:
        row["counts"] = unit.counts
    if unit.note:
        row["note"] = unit.note
    return row


def _dumps(row: object) -> str:
    return json.dumps(to_jsonable(row, "samples"), separators=(",", ":"), allow_nan=False)
