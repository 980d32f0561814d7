"""A metric as a function of which clips there were.

A table holds one row per clip and tells what the metric is without each of them, and how much of
the data each one is: all that intervals and comparisons need.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.metrics.bounds import metric_minimum

if TYPE_CHECKING:
    from tvseg_bench.benchmark.types import UnitScore

Floats = NDArray[np.float64]


class ClipTable(Protocol):
    """Rows of clips from which a metric is made."""

    @property
    def clips(self) -> tuple[str, ...]:
        """Names of the clips, in the order of the rows."""
        ...

    @property
    def metric_minimum(self) -> float:
        """The least value that the metric can take, 0 or -1; the largest is 1."""
        ...

    def value(self) -> float:
        """Return the metric, NaN where the rows say nothing."""
        ...

    def without_each(self) -> Floats:
        """Return the metric [n] without each of the clips, NaN where the others say nothing."""
        ...

    def weights(self) -> Floats:
        """Return the share [n] of each clip in the data behind the metric; they sum to 1."""
        ...


@dataclass(frozen=True, eq=False)
class MeanTable:
    """The metric is the mean of the clips' values."""

    clips: tuple[str, ...]
    values: Floats
    """[n]"""
    metric_minimum: float = 0.0

    def value(self) -> float:
        """Return the mean."""
        return float(self.values.mean()) if len(self.values) else float("nan")

    def without_each(self) -> Floats:
        """Return the means [n] of the other clips."""
        n = len(self.values)
        if n < 2:
            return np.full(n, np.nan)
        others: Floats = (self.values.sum() - self.values) / (n - 1)
        return others

    def weights(self) -> Floats:
        """Return 1 / n for each clip."""
        n = len(self.values)
        return np.full(n, 1 / max(n, 1))


@dataclass(frozen=True, eq=False)
class CountTable:
    """The metric is the mean IoU of summed counts, over the classes that the clips hold."""

    clips: tuple[str, ...]
    counts: Floats
    """[3, n, C] true positives, false positives, false negatives."""
    metric_minimum: float = 0.0

    def value(self) -> float:
        """Return the mean IoU of all clips together."""
        return float(mean_iou(self.counts.sum(axis=1)))

    def without_each(self) -> Floats:
        """Return the mean IoU [n] of the other clips together."""
        # integers below 2**53: what is left after taking one away is exact
        return mean_iou(self.counts.sum(axis=1)[:, None] - self.counts)

    def weights(self) -> Floats:
        """Return each clip's share of the pixels of a class, averaged over the classes held."""
        tp, _, fn = self.counts.sum(axis=1)
        pixels = self.counts.sum(axis=0)[:, tp + fn > 0]
        shares: Floats = pixels / pixels.sum(axis=0)
        return shares.mean(axis=1) if pixels.shape[1] else np.full(len(pixels), np.nan)


def mean_iou(counts: Floats) -> Floats:
    """Map summed counts [3, ..., C] to mean IoU [...], NaN where no class is held."""
    tp, fp, fn = counts
    present = tp + fn > 0
    iou = np.divide(tp, tp + fp + fn, out=np.zeros_like(tp), where=present)
    held = present.sum(axis=-1)
    means: Floats = np.full(held.shape, np.nan)
    np.divide(iou.sum(axis=-1), held, out=means, where=held > 0)
    return means


def table(
    clips: Sequence[UnitScore],
    metric: str,
    resample: Literal["mean", "counts"] = "mean",
    background: int | None = None,
) -> ClipTable:
    """Return the rows of the clips that say something about a metric.

    Args:
        clips: one row per clip.
        metric: its name; with `counts`, names ending in `_fg` leave out `background`.
        resample: of the Score: how the metric is made of the rows.
        background: label that belongs to no object, None where every class counts.
    """
    if resample == "counts":
        left_out = background if metric.endswith("_fg") else None
        return _count_table([c for c in clips if c.counts], left_out)
    said = [(c.clip, c.metrics[metric]) for c in clips if c.metrics.get(metric) is not None]
    values = np.array([v for _, v in said], np.float64)
    return MeanTable(tuple(name for name, _ in said), values, metric_minimum(metric))


def _count_table(clips: Sequence[UnitScore], left_out: int | None) -> CountTable:
    labels = sorted({label for c in clips for label in c.counts["labels"]} - {left_out})
    column = {label: i for i, label in enumerate(labels)}
    counts = np.zeros((3, len(clips), len(labels)))
    for row, clip in enumerate(clips):
        at = [(i, column[x]) for i, x in enumerate(clip.counts["labels"]) if x in column]
        source, target = [i for i, _ in at], [j for _, j in at]
        for kind, name in enumerate(("tp", "fp", "fn")):
            counts[kind, row, target] = np.asarray(clip.counts[name], np.float64)[source]
    return CountTable(tuple(c.clip for c in clips), counts)


def point(rows: ClipTable) -> float | None:
    """Return the metric of the rows as they are, None where they say nothing."""
    value = rows.value() if rows.clips else float("nan")
    return None if np.isnan(value) else value
