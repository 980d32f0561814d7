"""Metrics of a result, computed again from the rows of its clips as the protocol averages them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tvseg_bench.benchmark.metrics.iou import mean_over_classes
from tvseg_bench.benchmark.results.schema import Metric, Result
from tvseg_bench.benchmark.statistics.clip_tables import ClipTable, CountTable, point, table
from tvseg_bench.benchmark.types import UnitScore


def recomputed(result: Result, clips: Sequence[UnitScore]) -> dict[str, float | None]:
    """Return every metric as its clip rows give it, None where they do not determine it."""
    return {name: _value(result, clips, name) for name in result.metrics}


def clip_table(result: Result, clips: Sequence[UnitScore], name: str) -> ClipTable:
    """Return the rows of the clips that have a value of a metric."""
    resample = result.samples.resample if result.samples else "mean"
    return table(clips, name, result.metrics[name], resample, result.dataset.background)


def _value(result: Result, clips: Sequence[UnitScore], name: str) -> float | None:
    params, rows = result.protocol.params, clip_table(result, clips, name)
    if isinstance(rows, CountTable):
        if params.get("absent_class") == "zero":
            return _with_absent_classes(result, rows, result.metrics[name])
        return point(rows)
    step = params.get("batch_clips")
    if params.get("average") == "batches" and isinstance(step, int):
        return _mean_of_batches([clip.metrics.get(name) for clip in clips], step)
    return point(rows)


def _mean_of_batches(values: Sequence[float | None], step: int) -> float | None:
    """Return the mean of the means of batches, those without a value left out.

    Example:
        >>> _mean_of_batches([0.5, None, 0.25, 0.75], 2)
        0.5
    """
    batches = [mean(values[i : i + step]) for i in range(0, len(values), max(step, 1))]
    return mean(batches)


def mean(values: Sequence[float | None]) -> float | None:
    """Return the mean of the values that are known, None where none is."""
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
    value = float(mean_over_classes(counts, "zero"))
    return None if math.isnan(value) else value
