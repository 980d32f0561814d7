"""Checks of one result against its rows: frames -> clips -> data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tvseg_bench.benchmark.results.result_file import Problem
from tvseg_bench.benchmark.statistics.clip_tables import count_table
from tvseg_bench.benchmark.statistics.intervals import interval_of
from tvseg_bench.leaderboards.recompute import clip_table, mean, recomputed
from tvseg_bench.leaderboards.rows import MetricTables, metric_tables, run_folder

if TYPE_CHECKING:
    from tvseg_bench.benchmark.results.schema import Result
    from tvseg_bench.benchmark.types import UnitScore
    from tvseg_bench.leaderboards.load import Measurement

SAME = 1e-6
"""How near the rows must come to a number to make it."""
AGAIN = "run the cell again with --force"


@dataclass(frozen=True)
class ResultWithRows:
    """A result and its rows of clips and frames, read once for all checks."""

    measured: Measurement
    result: Result
    clips: Sequence[UnitScore]
    frames: Sequence[UnitScore]

    @cached_property
    def tables(self) -> tuple[MetricTables | None, list[Problem]]:
        """Return the clip rows per metric, or what contradicts the result; see `metric_tables`."""
        return metric_tables(self.measured, self.clips)

    def problem(self, message: str) -> Problem:
        """Return what is wrong with the result file."""
        return Problem(self.measured.file, message)

    def problem_of_rows(self, message: str) -> Problem:
        """Return what is wrong with the samples file."""
        run = run_folder(Path(self.measured.file)).as_posix()
        return Problem(f"{run}/samples/{self.result.cell_id}.jsonl", message)


def check_rows(found: ResultWithRows) -> Iterator[Problem]:
    """Yield where the rows of a result contradict it or each other."""
    yield from found.tables[1]
    for check in ROW_CHECKS:
        yield from check(found)


def intervals(found: ResultWithRows) -> Iterator[Problem]:
    """Yield the intervals that the rows of the clips do not make."""
    tables, _ = found.tables
    for name, rows in (tables or {}).items():
        metric = found.result.metrics[name]
        made = interval_of(metric.value, [rows])
        if metric.ci95 is None or _near(metric.ci95, (made.lo, made.hi)):
            continue
        wrong = f"is {list(metric.ci95)}, but the rows give {[made.lo, made.hi]}"
        if metric.ci_method != made.method:
            wrong += f" by {made.method!r}; ci_method is {metric.ci_method!r}"
        yield found.problem(f"metrics.{name}.ci95 {wrong}; {AGAIN}")


def _near(found: tuple[float, float], made: tuple[float | None, float | None]) -> bool:
    return all(b is not None and abs(a - b) <= SAME for a, b in zip(found, made, strict=True))


def values(found: ResultWithRows) -> Iterator[Problem]:
    """Yield metrics without rows, and those that differ from their rows and should not."""
    own = recomputed(found.result, found.clips)
    for name, metric in found.result.metrics.items():
        if metric.value is None:
            continue
        value, stated = own[name], f"metrics.{name}.value is {metric.value:.6f}"
        differs = value is not None and abs(value - metric.value) > SAME
        named = differs and metric.rows == "value"  # by `metric_tables`
        if metric.seeds != (metric.value,) and not named:
            yield found.problem(f"metrics.{name}.seeds is not the one value; restore the file")
        if not clip_table(found.result, found.clips, name).clips:
            yield found.problem(f"{stated}, but no row has a value of it")
        elif differs and not named:
            yield found.problem(
                f"{stated}, but the rows give {value:.6f} by the protocol's own average; one of "
                "the two was edited"
            )


def totals(found: ResultWithRows) -> Iterator[Problem]:
    """Yield numbers of clips and frames that are not those of the rows."""
    result, clips = found.result, found.clips
    for name, stated, counted in (
        ("n_clips", result.dataset.n_clips, len(clips)),
        ("n_frames", result.dataset.n_frames, sum(clip.n_frames for clip in clips)),
    ):
        if stated is not None and stated != counted:
            yield found.problem(
                f"dataset.{name} is {stated}, but its rows hold {counted}; restore the file"
            )
    for name, metric in result.metrics.items():
        n = len(clip_table(result, clips, name).clips)
        if metric.value is not None and metric.n != n:
            yield found.problem(f"metrics.{name}.n is {metric.n}, but {n} clips have a value")


def names(found: ResultWithRows) -> Iterator[Problem]:
    """Yield clips and frames that have two rows, and frames without a row of their clip."""
    known, frames = Counter(clip.clip for clip in found.clips), found.frames
    for name in sorted(name for name, rows in known.items() if rows > 1)[:3]:
        yield found.problem_of_rows(f"the clip {name!r} has two rows; restore the file")
    for name in sorted({frame.clip for frame in frames} - set(known))[:3]:
        yield found.problem_of_rows(
            f"frames of the clip {name!r} have no row of their clip; restore the file"
        )
    units = [(frame.clip, frame.frame) for frame in frames]
    if len(set(units)) < len(units):
        yield found.problem_of_rows("a frame has two rows; restore the file")


def means_of_frames(found: ResultWithRows) -> Iterator[Problem]:
    """Yield clips that should be the mean of their frames and are not."""
    metrics = found.result.metrics.items()
    averaged = [name for name, metric in metrics if metric.clip_score == "mean-of-frames"]
    if not averaged:
        return
    by_clip: dict[str, list[UnitScore]] = {}
    for frame in found.frames:
        by_clip.setdefault(frame.clip, []).append(frame)
    for clip in found.clips:
        own = by_clip.get(clip.clip, [])
        if len(own) != clip.n_frames:
            yield found.problem_of_rows(
                f"clip {clip.clip!r} has {clip.n_frames} frames, but {len(own)} rows of frames"
            )
            continue
        for name in averaged:
            value = clip.metrics.get(name)
            made = mean([frame.metrics.get(name) for frame in own])
            if made is None or value is None:
                agree = made is None and value is None
            else:
                agree = abs(made - value) <= SAME
            if not agree:
                yield found.problem_of_rows(
                    f"clip {clip.clip!r}: {name} is {_shown(value)}, but its frames give "
                    f"{_shown(made)}; one of the rows was edited"
                )


def classes(found: ResultWithRows) -> Iterator[Problem]:
    """Yield classes whose IoU is not that of the summed counts."""
    if found.result.samples is None or found.result.samples.resample != "counts":
        return
    rows = count_table(found.clips)
    summed = dict(zip(rows.labels, rows.counts.sum(axis=1).T.tolist(), strict=True))
    stated = found.result.per_class
    for label, iou in zip(stated.labels, stated.iou, strict=False):
        tp, fp, fn = summed.get(label, (0, 0, 0))
        if iou is None or tp + fn == 0:
            continue
        made = tp / (tp + fp + fn)
        if abs(iou - made) > SAME:
            yield found.problem(
                f"per_class.iou of label {label} is {iou:.6f}, but the rows give {made:.6f}; one "
                "of the two was edited"
            )


def _shown(value: float | None) -> str:
    return "null" if value is None else f"{value:.6f}"


ROW_CHECKS: tuple[Callable[[ResultWithRows], Iterator[Problem]], ...] = (
    intervals,
    values,
    totals,
    names,
    means_of_frames,
    classes,
)
