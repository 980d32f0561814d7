"""VPQ: panoptic quality of tubes over windows of consecutive frames."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.metrics.contingency import (
    Contingency,
    Counts,
    contingency,
    stacked,
)

NOTHING = 0
"""The id of a pixel that belongs to no segment."""
_CELLS = 1 << 20
"""Cells of the tables of windows that are looked at together."""


@dataclass(frozen=True)
class ClassQuality:
    """Matched and missed tubes of one class; the windows and clips of a data set add up."""

    iou: float = 0.0
    """Sum of the IoUs of the matched tubes."""
    tp: int = 0
    fp: int = 0
    fn: int = 0

    def __add__(self, other: ClassQuality) -> ClassQuality:
        return ClassQuality(
            self.iou + other.iou, self.tp + other.tp, self.fp + other.fp, self.fn + other.fn
        )

    @property
    def pq(self) -> float:
        """Panoptic quality, within 0..1; 0 for a class without a tube."""
        return self.sq * self.rq

    @property
    def sq(self) -> float:
        """Segmentation quality: mean IoU of the matched tubes."""
        return self.iou / self.tp if self.tp else 0.0

    @property
    def rq(self) -> float:
        """Recognition quality: F1 of the matching."""
        tubes = self.tp + 0.5 * (self.fp + self.fn)
        return self.tp / tubes if tubes else 0.0


@dataclass(frozen=True)
class Quality:
    """Means over the classes that have tubes, within 0..1; None where none has."""

    pq: float | None
    sq: float | None
    rq: float | None
    n: int
    """Classes in the mean."""


def tube_quality(
    truth: ArrayLike,
    predicted: ArrayLike,
    category: Mapping[int, int],
    predicted_category: Mapping[int, int],
    length: int,
    crowd: Collection[int] = (),
) -> dict[int, ClassQuality]:
    """Match tubes in every window of a clip; a match has the same class and an IoU above 1/2.

    Args:
        truth: [T, H, W] segment ids; 0 is void, which counts against no prediction.
        predicted: [T, H, W] segment ids; 0 is no segment.
        category: Class of each true id.
        predicted_category: Class of each predicted id.
        length: Frames of a window; every window of consecutive frames counts.
        crowd: True ids that are no single object: never missed, and a prediction that lies
            mostly on them or on void is no false alarm.

    Returns:
        Sums by class, for the classes of both mappings.

    Raises:
        UsageError: The shapes differ, an id has no class, or the window does not fit.

    Source: mcahny/vps tools/eval_vpq.py; Kim et al. 2020.

    Example:
        >>> clip = np.array([[[1, 1, 0]], [[1, 1, 0]]])
        >>> tube_quality(clip, clip * 7, {1: 3}, {7: 3}, length=2)
        {3: ClassQuality(iou=1.0, tp=1, fp=0, fn=0)}
    """
    true, pred = np.asarray(truth), np.asarray(predicted)
    if true.ndim != 3 or true.shape != pred.shape or not 1 <= length <= len(true):
        raise UsageError(
            f"truth has the shape {true.shape}, predicted {pred.shape} and a window {length} "
            "frames; expected one [T, H, W] for both and a window of 1..T frames"
        )
    frames = [contingency(t, p, void=None) for t, p in zip(true, pred, strict=True)]
    return counted_quality(frames, category, predicted_category, length, crowd)


def counted_quality(
    frames: Sequence[Contingency],
    category: Mapping[int, int],
    predicted_category: Mapping[int, int],
    length: int,
    crowd: Collection[int] = (),
) -> dict[int, ClassQuality]:
    """Do what `tube_quality` does, given the pixels of each frame by true and predicted id.

    Raises:
        UsageError: An id has no class, or the window does not fit.

    Example:
        >>> frame = Contingency(np.array([1]), np.array([7]), np.array([[4]]))
        >>> counted_quality([frame, frame], {1: 3}, {7: 3}, length=2)
        {3: ClassQuality(iou=1.0, tp=1, fp=0, fn=0)}
    """
    if not 1 <= length <= len(frames):
        raise UsageError(
            f"a window of {length} frames does not fit in {len(frames)}; expected 1..T frames"
        )
    nothing = Contingency(np.array([NOTHING]), np.array([NOTHING]), np.zeros((1, 1), np.int64))
    labels, clusters, counts = stacked([nothing, *frames])
    sums = counts.cumsum(axis=0)  # of all frames before
    classes = _classes("true", labels, category)
    classes_p = _classes("predicted", clusters, predicted_category)
    kinds = sorted({*category.values(), *predicted_category.values()})
    quality = {kind: ClassQuality() for kind in kinds}
    many = max(1, _CELLS // (len(labels) * len(clusters)))
    for start in range(0, len(frames) - length + 1, many):
        part = sums[start : start + many + length]
        windows = _Windows(part[length:] - part[:-length], labels, classes, classes_p, crowd)
        for kind in kinds:
            quality[kind] = windows.added(quality[kind], kind)
    return quality


class _Windows:
    """Tubes in some windows; row and column of NOTHING are no segment.

    Args:
        shared: [W, R, C] pixels of each window by true and predicted id.
        labels: [R] true ids.
        classes: [R] their classes.
        classes_p: [C] classes of the predicted ids.
    """

    def __init__(
        self,
        shared: Counts,
        labels: Counts,
        classes: Counts,
        classes_p: Counts,
        crowd: Collection[int],
    ) -> None:
        self.classes, self.classes_p = classes, classes_p
        area, area_p = shared.sum(axis=2), shared.sum(axis=1)
        on_void = shared[:, labels == NOTHING][:, 0]
        union = area[:, :, None] + area_p[:, None] - shared - on_void[:, None]
        self.iou = shared / np.maximum(union, 1)
        is_crowd = np.isin(labels, list(crowd))
        same = classes[:, None] == classes_p
        self.matched = (self.iou > 0.5) & same & ((classes != _NONE) & ~is_crowd)[:, None]
        known = (classes != _NONE) & ~is_crowd
        self.missed = (area > 0) & known & ~self.matched.any(axis=2)
        excused = on_void + (shared * (same & is_crowd[:, None])).sum(axis=1)
        known_p = (area_p > 0) & (classes_p != _NONE)
        self.invented = known_p & ~self.matched.any(axis=1) & (2 * excused <= area_p)

    def added(self, before: ClassQuality, kind: int) -> ClassQuality:
        """Return the sums of one class with those of every window, window by window."""
        mine, mine_p = self.classes == kind, self.classes_p == kind
        iou, matched = self.iou[:, mine][:, :, mine_p], self.matched[:, mine][:, :, mine_p]
        total = before.iou
        for window in np.flatnonzero(matched.any(axis=(1, 2))):
            total += float(iou[window][matched[window]].sum())
        return ClassQuality(
            total,
            before.tp + int(matched.sum()),
            before.fp + int(self.invented[:, mine_p].sum()),
            before.fn + int(self.missed[:, mine].sum()),
        )


def mean_quality(quality: Mapping[int, ClassQuality], classes: Collection[int]) -> Quality:
    """Average over those of the classes that have tubes.

    Example:
        >>> mean_quality({1: ClassQuality(0.75, 1, 0, 0), 2: ClassQuality()}, classes=[1, 2])
        Quality(pq=0.75, sq=0.75, rq=1.0, n=1)
    """
    seen = [q for k in classes if (q := quality[k]).tp + q.fp + q.fn]
    if not seen:
        return Quality(None, None, None, 0)
    pq, sq, rq = np.mean([(q.pq, q.sq, q.rq) for q in seen], axis=0).tolist()
    return Quality(pq, sq, rq, len(seen))


_NONE = -1


def _classes(kind: str, ids: Counts, category: Mapping[int, int]) -> Counts:
    """Return the class of each id; _NONE for the id 0."""
    unknown = [i for i in ids.tolist() if i != NOTHING and i not in category]
    if unknown:
        raise UsageError(f"the {kind} segment {unknown[0]} has no class; name it in the mapping")
    return np.array([_NONE if i == NOTHING else category[i] for i in ids.tolist()], np.int64)
