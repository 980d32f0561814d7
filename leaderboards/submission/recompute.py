"""Numbers of a result, made once more from its rows: frames -> clips -> data set.

`leaderboards.check` compares metrics and intervals with the rows of the clips; here is what it
leaves: clips against their frames, classes against their counts, and the numbers of units.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tvseg_bench.benchmark.metrics.iou import mean_over_classes
from tvseg_bench.benchmark.results.result_file import Problem
from tvseg_bench.benchmark.results.samples import read_samples
from tvseg_bench.benchmark.results.text import ResultError
from tvseg_bench.benchmark.statistics.clip_tables import ClipTable, CountTable, point, table

if TYPE_CHECKING:
    from tvseg_bench.benchmark.results.schema import Metric, Result
    from tvseg_bench.benchmark.types import UnitScore

SAME = 1e-6


def rows_of(result: Result, folder: Path) -> tuple[list[UnitScore], list[UnitScore]]:
    """Return the rows of clips and frames, none where they cannot be read (`check` says why)."""
    path = folder / "samples" / f"{result.cell_id}.jsonl"
    try:
        return read_samples(path, result.cell_id, frames=True, metrics=result.metrics)
    except ResultError:
        return [], []


def recomputed(result: Result, folder: Path) -> dict[str, float | None]:
    """Return every metric as its clip rows give it, by the convention that the result names."""
    return _recomputed(result, rows_of(result, folder)[0])


def _recomputed(result: Result, clips: Sequence[UnitScore]) -> dict[str, float | None]:
    return {name: _value(result, clips, name) for name in result.metrics}


def _value(result: Result, clips: Sequence[UnitScore], name: str) -> float | None:
    params, rows = result.protocol.params, _table(result, clips, name)
    if isinstance(rows, CountTable):
        if params.get("absent_class") == "zero":
            return _with_absent_classes(result, rows, result.metrics[name])
        return point(rows)
    step = params.get("batch_clips")
    if params.get("average") == "batches" and isinstance(step, int):
        return _mean_of_batches([clip.metrics.get(name) for clip in clips], step)
    return point(rows)


def _mean_of_batches(values: Sequence[float | None], step: int) -> float | None:
    """Return the mean of the means of batches, what says nothing left out.

    Example:
        >>> _mean_of_batches([0.5, None, 0.25, 0.75], 2)
        0.5
    """
    batches = [_mean(values[i : i + step]) for i in range(0, len(values), max(step, 1))]
    return _mean(batches)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return math.fsum(known) / len(known) if known else None


def _with_absent_classes(result: Result, rows: CountTable, metric: Metric) -> float | None:
    """Return the mean over all classes of the data set, absent ones as 0.

    None where the data set names no classes: then no row says which are absent.
    """
    if result.dataset.n_classes is None:
        return None
    left_out = {result.dataset.background} if metric.background == "left-out" else set()
    classes = {*range(result.dataset.n_classes), *rows.labels} - left_out
    counts = np.zeros((3, len(classes)))
    counts[:, : len(rows.labels)] = rows.counts.sum(axis=1)
    mean = float(mean_over_classes(counts, "zero"))
    return None if math.isnan(mean) else mean


def check_rows(result: Result, folder: Path) -> Iterator[Problem]:
    """Yield where the rows of a result contradict it or each other."""
    clips, frames = rows_of(result, folder)
    if result.status != "ok" or result.samples is None or not clips:
        return
    file, rows = f"results/{result.cell_id}.json", f"samples/{result.cell_id}.jsonl"
    yield from (Problem(file, message) for message in _metrics(result, clips))
    yield from (Problem(file, message) for message in _totals(result, clips))
    yield from (Problem(rows, message) for message in _names(clips, frames))
    means = [n for n, metric in result.metrics.items() if metric.clip_score == "mean-of-frames"]
    if means:
        yield from (Problem(rows, message) for message in _means(clips, frames, means))
    if result.samples.resample == "counts":
        yield from (Problem(file, message) for message in _classes(result, clips))


def _metrics(result: Result, clips: Sequence[UnitScore]) -> Iterator[str]:
    """Yield metrics that no row determines, or that claim to differ from their rows."""
    own = _recomputed(result, clips)
    for name, metric in result.metrics.items():
        if metric.value is None:
            continue
        if metric.seeds != (metric.value,):
            yield f"metrics.{name}.seeds is not the one value; restore the file"
        value = own[name]
        if not _clips_with_value(result, clips, name):
            yield f"metrics.{name}.value is {metric.value:.6f}, but no row says anything about it"
        elif value is not None and metric.rows != "value" and abs(value - metric.value) > SAME:
            yield (
                f"metrics.{name}.value is {metric.value:.6f}, but the rows give {value:.6f} by "
                "the protocol's own average; one of the two was edited"
            )


def _totals(result: Result, clips: Sequence[UnitScore]) -> Iterator[str]:
    for name, told, found in (
        ("n_clips", result.dataset.n_clips, len(clips)),
        ("n_frames", result.dataset.n_frames, sum(clip.n_frames for clip in clips)),
    ):
        if told is not None and told != found:
            yield f"dataset.{name} is {told}, but its rows hold {found}; restore the file"
    for name, metric in result.metrics.items():
        found = _clips_with_value(result, clips, name)
        if metric.value is not None and metric.n != found:
            yield f"metrics.{name}.n is {metric.n}, but {found} clips say something"


def _clips_with_value(result: Result, clips: Sequence[UnitScore], name: str) -> int:
    return len(_table(result, clips, name).clips)


def _table(result: Result, clips: Sequence[UnitScore], name: str) -> ClipTable:
    """Return the rows of the clips that have a value of a metric."""
    resample = result.samples.resample if result.samples else "mean"
    return table(clips, name, result.metrics[name], resample, result.dataset.background)


def _names(clips: Sequence[UnitScore], frames: Sequence[UnitScore]) -> Iterator[str]:
    known = [clip.clip for clip in clips]
    for name in sorted({n for n in known if known.count(n) > 1})[:3]:
        yield f"the clip {name!r} has two rows; restore the file"
    for name in sorted({frame.clip for frame in frames} - set(known))[:3]:
        yield f"frames of the clip {name!r} have no row of their clip; restore the file"
    units = [(frame.clip, frame.frame) for frame in frames]
    if len(set(units)) < len(units):
        yield "a frame has two rows; restore the file"


def _means(
    clips: Sequence[UnitScore], frames: Sequence[UnitScore], names: Sequence[str]
) -> Iterator[str]:
    """Yield clips that are not the mean of those of their frames that have a value."""
    by_clip: dict[str, list[UnitScore]] = {}
    for frame in frames:
        by_clip.setdefault(frame.clip, []).append(frame)
    for clip in clips:
        own = by_clip.get(clip.clip, [])
        if len(own) != clip.n_frames:
            yield f"clip {clip.clip!r} has {clip.n_frames} frames, but {len(own)} rows of frames"
            continue
        for name in names:
            value = clip.metrics.get(name)
            mean = _mean([frame.metrics.get(name) for frame in own])
            if mean is None or value is None:
                agree = mean is None and value is None
            else:
                agree = abs(mean - value) <= SAME
            if not agree:
                yield (
                    f"clip {clip.clip!r}: {name} is {_shown(value)}, but its frames give "
                    f"{_shown(mean)}; one of the rows was edited"
                )


def _classes(result: Result, clips: Sequence[UnitScore]) -> Iterator[str]:
    """Yield classes whose IoU is not that of the summed counts."""
    summed: dict[int, list[int]] = {}
    for clip in clips:
        counts = clip.counts
        for row in zip(*(counts[k] for k in ("labels", "tp", "fp", "fn")), strict=True):
            total = summed.setdefault(row[0], [0, 0, 0])
            for i, value in enumerate(row[1:]):
                total[i] += value
    stated = result.per_class
    for label, iou in zip(stated.labels, stated.iou, strict=False):
        tp, fp, fn = summed.get(label, (0, 0, 0))
        if iou is None or tp + fn == 0:
            continue
        if abs(iou - tp / (tp + fp + fn)) > SAME:
            yield (
                f"per_class.iou of label {label} is {iou:.6f}, but the rows give "
                f"{tp / (tp + fp + fn):.6f}; one of the two was edited"
            )


def _shown(value: float | None) -> str:
    return "null" if value is None else f"{value:.6f}"
