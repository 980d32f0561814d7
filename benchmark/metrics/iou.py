"""Intersection over union per class, and its mean under the field's conventions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.errors import UsageError, did_you_mean
from tvseg_bench.benchmark.metrics.contingency import Contingency, Counts
from tvseg_bench.benchmark.metrics.matching import Match

AbsentClass = Literal["skip", "skip-unpredicted", "zero"]
"""What a class without a single true pixel does to the mean. skip: it is left out (TimeT).
skip-unpredicted: it is left out unless something is predicted as it, then it counts 0 (STEGO,
DINOv3, mmseg: the 0/0 is dropped). zero: it counts 0 (Leopart, NeCo, hummingbird)."""


@dataclass(frozen=True, eq=False)
class ClassCounts:
    """True positives, false positives and false negatives, in pixels, per class.

    Example:
        >>> ClassCounts(np.arange(2), np.array([3, 0]), np.array([1, 0]), np.array([0, 0])).iou
        array([0.75,  nan])
    """

    labels: Counts
    """[C] labels, ascending."""
    tp: Counts
    """[C] pixels of the class that are predicted as it."""
    fp: Counts
    """[C] pixels of other classes that are predicted as it."""
    fn: Counts
    """[C] pixels of the class that are predicted as something else."""

    @property
    def iou(self) -> NDArray[np.float64]:
        """[C] tp / (tp + fp + fn), within 0..1; NaN for 0/0."""
        union = self.tp + self.fp + self.fn
        iou: NDArray[np.float64] = np.full(union.shape, np.nan)
        np.divide(self.tp, union, out=iou, where=union > 0)
        return iou

    @property
    def support(self) -> Counts:
        """[C] true pixels."""
        return self.tp + self.fn

    def select(self, labels: Collection[int]) -> ClassCounts:
        """Keep exactly these labels; one that is not there gets counts of 0."""
        wanted = np.unique(np.asarray(list(labels), np.int64))
        known, at, source = np.intersect1d(wanted, self.labels, return_indices=True)
        rows = np.zeros((3, wanted.size), np.int64)
        if known.size:
            rows[:, at] = np.stack([self.tp, self.fp, self.fn])[:, source]
        return ClassCounts(wanted, *rows)


def class_counts(c: Contingency, m: Match) -> ClassCounts:
    """Count hits and misses of every label of a table under a match.

    What is assigned to no label, or to one that is not in the table, is a miss of its true
    class and a false alarm of none.

    Example:
        >>> c = Contingency(np.array([0, 4]), np.arange(3), np.array([[9, 1, 6], [0, 5, 2]]))
        >>> counts = class_counts(c, Match(c.clusters, np.array([0, 4, -1])))
        >>> counts.tp.tolist(), counts.fp.tolist(), counts.fn.tolist()
        ([9, 5], [0, 1], [7, 2])
    """
    assigned = m.assigned
    if not np.array_equal(m.clusters, c.clusters):
        known, source = np.intersect1d(m.clusters, c.clusters, return_indices=True)[:2]
        if known.size != c.clusters.size:
            raise UsageError("the match was made for another table: it lacks clusters of this one")
        assigned = m.assigned[source]
    is_label = assigned[None, :] == c.labels[:, None]
    tp = np.where(is_label, c.table, 0).sum(axis=1)
    predicted = np.where(is_label, c.table.sum(axis=0), 0).sum(axis=1)
    return ClassCounts(c.labels, tp, predicted - tp, c.table.sum(axis=1) - tp)


def merge_counts(counts: Iterable[ClassCounts]) -> ClassCounts:
    """Add the counts of units (frames, clips) up by label; no unit at all gives no label.

    Example:
        >>> one = ClassCounts(np.array([3]), np.array([1]), np.array([2]), np.array([4]))
        >>> both = merge_counts([one, ClassCounts(np.array([0]), *np.ones((3, 1), int)), one])
        >>> both.labels.tolist(), both.tp.tolist()
        ([0, 3], [1, 2])
    """
    parts = list(counts)
    labels = np.unique(np.concatenate([np.zeros(0, np.int64), *(p.labels for p in parts)]))
    total = np.zeros((3, labels.size), np.int64)
    for part in parts:
        total[:, np.searchsorted(labels, part.labels)] += np.stack([part.tp, part.fp, part.fn])
    return ClassCounts(labels, *total)


def counted_classes(counts: NDArray[Any], absent_class: AbsentClass = "skip") -> NDArray[np.bool_]:
    """Return which classes [..., C] count in a mean of IoUs.

    Args:
        counts: [3, ..., C] true positives, false positives, false negatives.

    Raises:
        UsageError: The convention is unknown.
    """
    tp, fp, fn = counts
    if absent_class == "skip":
        return np.asarray(tp + fn > 0)
    if absent_class == "skip-unpredicted":
        return np.asarray(tp + fp + fn > 0)
    if absent_class == "zero":
        return np.ones(np.shape(tp), np.bool_)
    raise UsageError(did_you_mean("absent_class", str(absent_class), get_args(AbsentClass)))


def mean_over_classes(
    counts: NDArray[Any], absent_class: AbsentClass = "skip"
) -> NDArray[np.float64]:
    """Return the unweighted mean [...] of the IoUs of counts [3, ..., C], within 0..1.

    The one definition of mean IoU: scores (`mean_iou`) and their intervals
    (`statistics.clip_tables`) are both made of it. NaN where no class counts.

    Example:
        >>> float(mean_over_classes(np.array([[3, 1, 0], [1, 0, 2], [0, 1, 0]])))
        0.625
    """
    counted, union = counted_classes(counts, absent_class), counts.sum(axis=0)
    iou = np.divide(counts[0], union, out=np.zeros(union.shape), where=counted & (union > 0))
    classes = counted.sum(axis=-1)
    means: NDArray[np.float64] = np.full(classes.shape, np.nan)
    np.divide(iou.sum(axis=-1), classes, out=means, where=classes > 0)
    return means


def mean_iou(
    counts: ClassCounts,
    absent_class: AbsentClass = "skip",
    exclude: Collection[int] = (),
    classes: Sequence[int] | None = None,
) -> float | None:
    """Return the unweighted mean of the IoUs, within 0..1; None when no class is left.

    Args:
        exclude: Labels that are left out, such as the background.
        classes: The labels that are averaged, there or not; None = those of `counts`.

    Example:
        >>> counts = ClassCounts(np.arange(3), *np.array([[3, 1, 0], [1, 0, 2], [0, 1, 0]]))
        >>> mean_iou(counts), mean_iou(counts, absent_class="zero"), mean_iou(counts, exclude=[0])
        (0.625, 0.4166666666666667, 0.5)
        >>> mean_iou(counts, classes=[7]) is None
        True
    """
    if classes is None:
        kept = np.ones(len(counts.labels), np.bool_)
        for label in exclude:
            kept &= counts.labels != label
        rows = np.stack([counts.tp, counts.fp, counts.fn])[:, kept]
    else:
        chosen = counts.select(set(classes) - set(exclude))
        rows = np.stack([chosen.tp, chosen.fp, chosen.fn])
    # without the others, so that no zero between them moves the rounding of the sum
    rows = rows[:, counted_classes(rows, absent_class)]
    mean = float(mean_over_classes(rows, absent_class))
    return None if np.isnan(mean) else mean


def accuracy(counts: ClassCounts) -> float | None:
    """Return the share of true pixels that are right, within 0..1; None without a pixel.

    Example:
        >>> accuracy(ClassCounts(np.arange(2), *np.array([[3, 0], [1, 0], [0, 1]])))
        0.75
    """
    total = int(counts.support.sum())
    return int(counts.tp.sum()) / total if total else None
