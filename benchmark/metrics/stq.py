"""STQ: segmentation and tracking quality, sqrt(AQ x IoU), of panoptic maps over time."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tvseg_bench.benchmark.errors import UsageError, did_you_mean
from tvseg_bench.benchmark.metrics.contingency import Contingency, contingency, merge
from tvseg_bench.benchmark.metrics.iou import class_counts, mean_iou
from tvseg_bench.benchmark.metrics.matching import match
from tvseg_bench.benchmark.types import VOID

Summation = Literal["float64", "float32-compat"]
"""How the association of tubes is added up. float64: exactly enough. float32-compat: in single
precision and in the order in which tubes appear, as published (1e-7 apart)."""

Maps: TypeAlias = NDArray[np.integer[Any]]
_NO_TUBE = -1


@dataclass(frozen=True, eq=False)
class SequenceTracks:
    """What one sequence contributes; the sequences of a data set add up."""

    association: float
    """Sum over the true tubes g of 1/|g| sum_p TPA(p, g) IoU(p, g)."""
    n_tubes: int
    """True tubes."""
    classes: Contingency
    """Pixels by true and predicted class."""


@dataclass(frozen=True)
class STQ:
    """Segmentation and tracking quality, within 0..1."""

    stq: float
    aq: float
    """Association; 0 where the truth has no tube."""
    iou: float
    """Mean over the classes that occur in truth or prediction."""


def tracks(
    truth: ArrayLike,
    predicted: ArrayLike,
    things: Collection[int],
    n_classes: int,
    *,
    ignore: int = VOID,
    shift: int = 8,
    summation: Summation = "float64",
) -> SequenceTracks:
    """Compare the tubes and the classes of one sequence.

    Args:
        truth: [T, H, W] ids (class << shift) + instance; instance 0 of a thing is a crowd, where
            neither true nor predicted tubes count.
        predicted: [T, H, W] ids in the same code.
        things: Classes that have instances.
        n_classes: Number of classes; others are predicted in vain.
        ignore: True class whose pixels count for no class.

    Raises:
        UsageError: The shapes differ, or summation is unknown.

    Source: google-research/deeplab2 evaluation/numpy/segmentation_and_tracking_quality.py;
    Weber et al. 2021.
    """
    if summation not in get_args(Summation):
        raise UsageError(did_you_mean("summation", str(summation), get_args(Summation)))
    true, pred = np.asarray(truth, np.int64), np.asarray(predicted, np.int64)
    if true.ndim != 3 or true.shape != pred.shape:
        raise UsageError(
            f"truth has the shape {true.shape} and predicted {pred.shape}; "
            "expected one [T, H, W] for both"
        )
    kinds = list(things)
    thing = np.isin(true >> shift, kinds)
    crowd = thing & (true & ((1 << shift) - 1) == 0)
    tubes = np.where(thing & ~crowd, true, _NO_TUBE)
    tubes_p = np.where(np.isin(pred >> shift, kinds) & ~crowd, pred, _NO_TUBE)
    table = contingency(tubes, tubes_p, void=None)
    classes = contingency(true >> shift, pred >> shift, void=ignore).select(
        labels=range(n_classes)
    )
    if summation == "float64":
        association = float(_association(table).sum())
    else:
        association = _published_sum(table, _appearance(tubes), _appearance(tubes_p))
    return SequenceTracks(association, int((table.labels != _NO_TUBE).sum()), classes)


def stq(sequences: Iterable[SequenceTracks]) -> STQ:
    """Return STQ over sequences: tubes of all with equal weight, classes from summed pixels.

    Example:
        >>> truth = np.array([[[257, 257, 0]], [[257, 257, 0]]])
        >>> switched = np.array([[[257, 257, 0]], [[258, 258, 0]]])
        >>> stq([tracks(truth, switched, things=[1], n_classes=2)])
        STQ(stq=0.7071067811865476, aq=0.5, iou=1.0)
    """
    parts = list(sequences)
    n_tubes = sum(part.n_tubes for part in parts)
    aq = sum(part.association for part in parts) / n_tubes if n_tubes else 0.0
    classes = merge(part.classes for part in parts)
    counts = class_counts(classes, match(classes, "identity"))
    iou = mean_iou(counts, absent_class="skip-unpredicted") or 0.0
    return STQ(math.sqrt(aq * iou), aq, iou)


def _association(table: Contingency) -> NDArray[np.float64]:
    """Return TPA x IoU / |g| [G, P] of every true with every predicted tube."""
    shared, size = table.table, table.table.sum(axis=1, keepdims=True)
    iou = shared / (size + table.table.sum(axis=0) - shared)
    tubes = np.ix_(table.labels != _NO_TUBE, table.clusters != _NO_TUBE)
    association: NDArray[np.float64] = (shared * iou / size)[tubes]
    return association


def _published_sum(table: Contingency, order: list[int], order_p: list[int]) -> float:
    terms = _association(table).astype(np.float32)
    labels = table.labels[table.labels != _NO_TUBE].tolist()
    clusters = table.clusters[table.clusters != _NO_TUBE].tolist()
    total = np.float32(0)
    for label in order:
        row = terms[labels.index(label)]
        of_tube = np.float32(0)
        for cluster in order_p:
            of_tube += row[clusters.index(cluster)]
        total += of_tube
    return float(total)


def _appearance(tubes: Maps) -> list[int]:
    """Return the tubes in the order of the frames in which they appear, then by id."""
    seen = dict.fromkeys(int(i) for frame in tubes for i in np.unique(frame))
    return [tube for tube in seen if tube != _NO_TUBE]
