"""A metric as a function of which clips there were.

A table holds one row per clip and gives the metric without each of them, and how much of
the data each one is: all that intervals and comparisons need.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.metrics.iou import counted_classes, mean_over_classes
from tvseg_bench.benchmark.types import UnitScore

Floats = NDArray[np.float64]


class MetricFacts(Protocol):
    """What a table has to know of its metric: a `MetricCard`, or the `Metric` of a result file."""

    @property
    def lowest(self) -> float:
        """The least value that the metric can take."""

    @property
    def highest(self) -> float:
        """The largest value that the metric can take."""

    @property
    def background(self) -> Literal["counted", "left-out"]:
        """Whether the data set's background counts as a class."""


@dataclass(frozen=True, eq=False)
class MeanTable:
    """The metric is the mean of the clips' values."""

    clips: tuple[str, ...]
    values: Floats
    """[n]"""
    lowest: float = 0.0
    highest: float = 1.0

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
    labels: tuple[int, ...] = ()
    """[C] classes; empty where they have no names."""
    lowest: float = 0.0
    highest: float = 1.0

    def value(self) -> float:
        """Return the mean IoU of all clips together."""
        return float(mean_over_classes(self.counts.sum(axis=1)))

    def without_each(self) -> Floats:
        """Return the mean IoU [n] of the other clips together."""
        # integers below 2**53: what is left after taking one away is exact
        return mean_over_classes(self.counts.sum(axis=1)[:, None] - self.counts)

    def weights(self) -> Floats:
        """Return each clip's share of the pixels of a class, averaged over the classes held."""
        pixels = self.counts.sum(axis=0)[:, counted_classes(self.counts.sum(axis=1))]
        shares: Floats = pixels / pixels.sum(axis=0)
        return shares.mean(axis=1) if pixels.shape[1] else np.full(len(pixels), np.nan)


ClipTable: TypeAlias = MeanTable | CountTable
"""Rows of clips from which a metric is made."""


def table(
    clips: Sequence[UnitScore],
    metric: str,
    facts: MetricFacts,
    resample: Literal["mean", "counts"] = "mean",
    background: int | None = None,
) -> ClipTable:
    """Return the rows of the clips that have a value of a metric.

    Args:
        facts: its range, and whether the background counts.
        resample: of the Score: how the metric is made of the rows. With `counts`, a metric that
            the rows have values of is their mean all the same.
        background: label that belongs to no object, None where every class counts.
    """
    scored = [(c.clip, c.metrics[metric]) for c in clips if c.metrics.get(metric) is not None]
    if resample == "counts" and not scored:
        left_out = background if facts.background == "left-out" else None
        return replace(count_table(clips, left_out), lowest=facts.lowest, highest=facts.highest)
    values = np.array([v for _, v in scored], np.float64)
    return MeanTable(tuple(name for name, _ in scored), values, facts.lowest, facts.highest)


def count_table(clips: Sequence[UnitScore], left_out: int | None = None) -> CountTable:
    """Return the counts of the clips that have some, by class.

    Args:
        left_out: a label that is no column.
    """
    clips = [clip for clip in clips if clip.counts]
    labels = sorted({label for c in clips for label in c.counts["labels"]} - {left_out})
    column = {label: i for i, label in enumerate(labels)}
    counts = np.zeros((3, len(clips), len(labels)))
    for row, clip in enumerate(clips):
        at = [(i, column[x]) for i, x in enumerate(clip.counts["labels"]) if x in column]
        source, target = [i for i, _ in at], [j for _, j in at]
        for kind, name in enumerate(("tp", "fp", "fn")):
            counts[kind, row, target] = np.asarray(clip.counts[name], np.float64)[source]
    return CountTable(tuple(c.clip for c in clips), counts, tuple(labels))


def point(rows: ClipTable) -> float | None:
    """Return the metric of the rows as they are, None where none has a value."""
    value = rows.value() if rows.clips else float("nan")
    return None if np.isnan(value) else value
