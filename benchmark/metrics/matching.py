"""Which true label each cluster stands for: the field's conventions as named values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tvseg_bench.benchmark.errors import UsageError, did_you_mean
from tvseg_bench.benchmark.metrics.contingency import Contingency, Counts

Matching = Literal[
    "hungarian-iou", "hungarian-count", "majority-precision", "majority-iou", "identity"
]
"""hungarian-iou: one to one, the largest sum of IoUs (TimeT and Leopart, K = classes).
hungarian-count: one to one, the most pixels right (STEGO).
majority-precision: each cluster on its own takes the label that most of its pixels have
(Leopart, TimeT and NeCo, K > classes).
majority-iou: each cluster on its own takes the label with the largest IoU (TimeT).
identity: a cluster id is a label (probes, retrieval, propagation)."""

Unmatched = Literal["background", "void"]
"""What a cluster becomes that a one-to-one matching leaves over. background: the background
label, right where the truth says so too (as published). void: no label, wrong everywhere."""

UNMATCHED = -1
"""The label of a cluster that stands for nothing."""

Scores: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Match:
    """The label that each cluster was given.

    Example:
        >>> Match(np.array([2, 9]), np.array([5, UNMATCHED])).apply(np.array([[9, 2, 2]]))
        array([[-1,  5,  5]])
    """

    clusters: Counts
    """[K] cluster ids, ascending."""
    assigned: Counts
    """[K] the true label of each, or UNMATCHED."""

    def apply(self, predicted: ArrayLike) -> Counts:
        """Replace the ids of a cluster map of any shape by labels.

        A cluster that the match does not know (one that lies on void pixels only) becomes
        UNMATCHED.
        """
        ids = np.asarray(predicted)
        if not self.clusters.size:
            return np.full(ids.shape, UNMATCHED, np.int64)
        at = np.searchsorted(self.clusters, ids).clip(max=self.clusters.size - 1)
        return np.where(self.clusters[at] == ids, self.assigned[at], np.int64(UNMATCHED))


def match(
    c: Contingency,
    matching: Matching,
    unmatched: Unmatched = "void",
    background: int = 0,
    candidates: Sequence[int] | None = None,
) -> Match:
    """Give each cluster of a table the label that it stands for.

    Ties fall as in the published code: to the smallest label for the majorities, as
    `scipy.optimize.linear_sum_assignment` resolves them for the one-to-one matchings (cost
    1 - IoU with labels as rows; pixel counts with clusters as rows).

    Args:
        unmatched: What a left-over cluster of a one-to-one matching becomes.
        background: The label that it becomes for `background`, even if it is not in the truth.
        candidates: The labels of the table that a cluster may be given; None = all. The pixels
            of the others still count against a cluster.

    Raises:
        UsageError: Unknown matching or unmatched, a negative label, or a candidate that the
            table does not hold.

    Sources: SMSD75/Timetuning metrics.py (PredsmIoU), MkuuWaUjinga/leopart
    experiments/utils.py (PredsmIoU), mhamilton723/STEGO src/utils.py (UnsupervisedMetrics).

    Example:
        >>> c = Contingency(np.array([0, 4]), np.arange(3), np.array([[9, 1, 6], [0, 5, 2]]))
        >>> match(c, "hungarian-iou").assigned.tolist()
        [0, 4, -1]
        >>> match(c, "hungarian-iou", unmatched="background").assigned.tolist()
        [0, 4, 0]
        >>> match(c, "majority-precision").assigned.tolist()
        [0, 4, 0]
    """
    if matching not in get_args(Matching):
        raise UsageError(did_you_mean("matching", str(matching), get_args(Matching)))
    if unmatched not in get_args(Unmatched):
        raise UsageError(did_you_mean("unmatched", str(unmatched), get_args(Unmatched)))
    if c.labels.size and c.labels[0] < 0:
        raise UsageError(
            f"the label {c.labels[0]} is negative and cannot be matched; "
            "drop its pixels with select() or name it as void"
        )
    if matching == "identity":
        return Match(c.clusters, c.clusters)
    rows = _rows(c, candidates)
    left_over = background if unmatched == "background" else UNMATCHED
    assigned = np.full(c.clusters.size, left_over, np.int64)
    if rows.size:
        label, cluster = _RULES[matching](c, rows)
        assigned[cluster] = c.labels[rows[label]]
    return Match(c.clusters, assigned)


def iou_matrix(c: Contingency) -> Scores:
    """Return the IoU [C, K] of every label with every cluster; 0 where both are empty.

    Example:
        >>> iou_matrix(Contingency(np.arange(1), np.arange(2), np.array([[3, 1]]))).tolist()
        [[0.75, 0.25]]
    """
    union = c.table.sum(axis=1)[:, None] + c.table.sum(axis=0)[None, :] - c.table
    iou: Scores = c.table / np.maximum(union, 1)
    return iou


def precision_matrix(c: Contingency) -> Scores:
    """Return the share [C, K] of every cluster that has every label; 0 for an empty cluster.

    Example:
        >>> c = Contingency(np.arange(2), np.arange(2), np.array([[3, 0], [1, 0]]))
        >>> precision_matrix(c).tolist()
        [[0.75, 0.0], [0.25, 0.0]]
    """
    precision: Scores = c.table / np.maximum(c.table.sum(axis=0), 1)
    return precision


_Pairs: TypeAlias = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Matched positions: in the candidate rows, and among the clusters."""


def _hungarian_iou(c: Contingency, rows: NDArray[np.intp]) -> _Pairs:
    from scipy.optimize import linear_sum_assignment

    label, cluster = linear_sum_assignment(1 - iou_matrix(c)[rows])
    return label, cluster


def _hungarian_count(c: Contingency, rows: NDArray[np.intp]) -> _Pairs:
    from scipy.optimize import linear_sum_assignment

    cluster, label = linear_sum_assignment(c.table[rows].T, maximize=True)
    return label, cluster


def _majority_precision(c: Contingency, rows: NDArray[np.intp]) -> _Pairs:
    return precision_matrix(c)[rows].argmax(axis=0), np.arange(c.clusters.size)


def _majority_iou(c: Contingency, rows: NDArray[np.intp]) -> _Pairs:
    return iou_matrix(c)[rows].argmax(axis=0), np.arange(c.clusters.size)


_RULES: dict[str, Callable[[Contingency, NDArray[np.intp]], _Pairs]] = {
    "hungarian-iou": _hungarian_iou,
    "hungarian-count": _hungarian_count,
    "majority-precision": _majority_precision,
    "majority-iou": _majority_iou,
}


def _rows(c: Contingency, candidates: Sequence[int] | None) -> NDArray[np.intp]:
    """Return the ascending positions of the labels that may be given."""
    if candidates is None:
        return np.arange(c.labels.size)
    wanted: NDArray[np.integer[Any]] = np.unique(np.asarray(candidates, np.int64))
    missing = np.setdiff1d(wanted, c.labels)
    if missing.size:
        raise UsageError(
            f"the candidate label {missing[0]} is not a row of the table; "
            "pass it to contingency(labels=...) or leave it out"
        )
    return np.searchsorted(c.labels, wanted)
