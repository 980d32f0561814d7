"""VPQ: panoptic quality of tubes over windows of consecutive frames."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.metrics.contingency import Contingency, Counts, contingency

NOTHING = 0
"""The id of a pixel that belongs to no segment."""


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
    kinds = sorted({*category.values(), *predicted_category.values()})
    quality = {kind: ClassQuality() for kind in kinds}
    for start in range(len(true) - length + 1):
        window = slice(start, start + length)
        table = contingency(true[window], pred[window], void=None)
        table = table.select(
            labels=np.union1d(table.labels, NOTHING), clusters=np.union1d(table.clusters, NOTHING)
        )
        classes = _classes("true", table.labels, category)
        classes_p = _classes("predicted", table.clusters, predicted_category)
        for kind, sums in _window(table, classes, classes_p, crowd, kinds):
            quality[kind] += sums
    return quality


def _window(
    table: Contingency,
    classes: Counts,
    classes_p: Counts,
    crowd: Collection[int],
    kinds: list[int],
) -> Iterator[tuple[int, ClassQuality]]:
    """Yield the sums by class of one window; row and column 0 of the table are no segment."""
    shared = table.table
    area, area_p = shared.sum(axis=1), shared.sum(axis=0)
    on_void = shared[table.labels == NOTHING][0]
    iou = shared / np.maximum(area[:, None] + area_p - shared - on_void, 1)
    is_crowd = np.isin(table.labels, list(crowd))
    same = classes[:, None] == classes_p
    matched = (iou > 0.5) & same & ((classes != _NONE) & ~is_crowd)[:, None]
    missed = (classes != _NONE) & ~is_crowd & ~matched.any(axis=1)
    excused = on_void + (shared * (same & is_crowd[:, None])).sum(axis=0)
    invented = (classes_p != _NONE) & ~matched.any(axis=0) & (2 * excused <= area_p)
    for kind in kinds:
        mine = matched & (classes == kind)[:, None]
        yield (
            kind,
            ClassQuality(
                float(iou[mine].sum()),
                int(mine.sum()),
                int((invented & (classes_p == kind)).sum()),
                int((missed & (classes == kind)).sum()),
            ),
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
