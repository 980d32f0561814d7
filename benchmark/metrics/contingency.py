"""Contingency tables: how many pixels of each true label each cluster holds.

Everything that is scored by matching clusters to labels is a function of this small table, so
pixels are read exactly once and tables of frames and clips add up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.types import VOID

Ids: TypeAlias = NDArray[np.integer[Any]]
Counts: TypeAlias = NDArray[np.int64]

_CHUNK = 1 << 16
"""Pixels counted at a time, so that the codes stay in the processor's cache."""
_DENSE = 1 << 20
"""Cells of a table that is counted without renumbering the ids first."""
_LOOKUP = 1 << 24
"""Range of ids that is renumbered by a lookup table and not by sorting."""
_MOST = int(np.iinfo(np.int64).max)


@dataclass(frozen=True, eq=False)
class Contingency:
    """Pixels by true label and cluster; void pixels are left out of it.

    Example:
        >>> table = contingency(np.array([0, 0, 7, 255]), np.array([3, 1, 1, 1]))
        >>> table.labels.tolist(), table.clusters.tolist(), table.table.tolist()
        ([0, 7], [1, 3], [[1, 1], [1, 0]])
    """

    labels: Counts
    """[C] true labels, ascending: the rows."""
    clusters: Counts
    """[K] cluster ids, ascending: the columns."""
    table: Counts
    """[C, K] pixels."""

    def select(
        self, labels: ArrayLike | None = None, clusters: ArrayLike | None = None
    ) -> Contingency:
        """Keep exactly these rows and columns; pixels of all others are dropped.

        A label or cluster that the table does not hold becomes a row or column of zeros; None
        keeps all.

        Example:
            >>> table = contingency(np.array([-1, 0, 1]), np.array([0, 0, 5]), void=None)
            >>> table.select(labels=[0, 1], clusters=[0, 1]).table.tolist()
            [[1, 0], [0, 0]]
        """
        rows = self.labels if labels is None else _ascending(labels)
        columns = self.clusters if clusters is None else _ascending(clusters)
        r, r_known = _positions(self.labels, rows)
        c, c_known = _positions(self.clusters, columns)
        table = np.zeros((len(rows), len(columns)), np.int64)
        table[r[r_known][:, None], c[c_known]] = self.table[r_known][:, c_known]
        return Contingency(rows, columns, table)


def contingency(
    truth: ArrayLike,
    predicted: ArrayLike,
    *,
    void: int | None = VOID,
    labels: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
) -> Contingency:
    """Count the pixels of every pair of true label and cluster in one pass.

    Args:
        truth: True labels, integers of any shape.
        predicted: Cluster ids, integers of the same shape; ids may be sparse.
        void: True label whose pixels are not counted, whatever is predicted there; None counts
            every pixel.
        labels: The rows, in any order; None = the labels that occur.
        clusters: The columns, in any order; None = the clusters that occur outside void.

    Raises:
        UsageError: The arrays differ in shape or hold no integers, or an id occurs that is not
            in `labels` or `clusters`.

    Example:
        >>> truth = np.array([[0, 0, 1], [1, 1, 255]])
        >>> contingency(truth, np.array([[4, 4, 4], [9, 9, 2]])).table.tolist()
        [[2, 0], [1, 2]]
    """
    true, pred = _integers("truth", truth), _integers("predicted", predicted)
    if true.shape != pred.shape:
        raise UsageError(
            f"truth has the shape {true.shape} and predicted {pred.shape}; they must be equal"
        )
    rows, columns, table = _count(true.reshape(-1), pred.reshape(-1))
    if void is not None:
        table, rows = table[rows != void], rows[rows != void]
    seen = table.any(axis=0)
    found = Contingency(rows, columns[seen], table[:, seen])
    if labels is None and clusters is None:
        return found
    _refuse_outsiders("label", found.labels, labels)
    _refuse_outsiders("cluster", found.clusters, clusters)
    return found.select(labels, clusters)


def merge(tables: Iterable[Contingency]) -> Contingency:
    """Add tables up by label and cluster; no table at all gives the empty one.

    Example:
        >>> first = contingency(np.array([0, 1]), np.array([0, 0]))
        >>> merged = merge([first, contingency(np.array([1, 2]), np.array([0, 5]))])
        >>> merged.labels.tolist(), merged.clusters.tolist(), merged.table.tolist()
        ([0, 1, 2], [0, 5], [[1, 0], [2, 0], [0, 1]])
    """
    parts = list(tables)
    if len(parts) == 1:
        return parts[0]
    labels = _ascending(np.concatenate([_NONE, *(p.labels for p in parts)]))
    clusters = _ascending(np.concatenate([_NONE, *(p.clusters for p in parts)]))
    table = np.zeros((len(labels), len(clusters)), np.int64)
    for part in parts:
        rows = np.searchsorted(labels, part.labels)
        table[rows[:, None], np.searchsorted(clusters, part.clusters)] += part.table
    return Contingency(labels, clusters, table)


def stacked(tables: Sequence[Contingency]) -> tuple[Counts, Counts, Counts]:
    """Return labels [C], clusters [K] and pixels [T, C, K] of tables with common rows and columns.

    Example:
        >>> parts = [contingency(np.array([0]), np.array([4])), contingency([1, 1], [2, 4])]
        >>> labels, clusters, counts = stacked(parts)
        >>> labels.tolist(), clusters.tolist(), counts.tolist()
        ([0, 1], [2, 4], [[[0, 1], [0, 0]], [[0, 0], [1, 1]]])
    """
    labels = _ascending(np.concatenate([_NONE, *(t.labels for t in tables)]))
    clusters = _ascending(np.concatenate([_NONE, *(t.clusters for t in tables)]))
    counts = np.zeros((len(tables), len(labels), len(clusters)), np.int64)
    for t, table in enumerate(tables):
        rows = np.searchsorted(labels, table.labels)
        counts[t, rows[:, None], np.searchsorted(clusters, table.clusters)] = table.table
    return labels, clusters, counts


_NONE: Counts = np.zeros(0, np.int64)


def _integers(name: str, values: ArrayLike) -> Ids:
    array = np.asarray(values)
    if array.dtype.kind == "b":
        return array.view(np.uint8)
    if array.dtype.kind not in "iu":
        raise UsageError(f"{name} holds {array.dtype}; label maps must hold integers")
    if array.dtype == np.uint64:
        if array.size and array.max() > _MOST:
            raise UsageError(f"{name} holds {array.max()}; ids go up to {_MOST}")
        return array.astype(np.int64)
    return array


def _count(truth: Ids, predicted: Ids) -> tuple[Counts, Counts, Counts]:
    """Return the labels that occur, the clusters in range, and the table [C, K] of two [N]."""
    if truth.size == 0:
        return _NONE, _NONE, np.zeros((0, 0), np.int64)
    low, span = _range(truth)
    low_p, span_p = _range(predicted)
    if span * span_p > _DENSE:
        labels, truth = _renumber(truth, low, span)
        clusters, predicted = _renumber(predicted, low_p, span_p)
        low = low_p = 0
    else:
        labels, clusters = low + np.arange(span), low_p + np.arange(span_p)
    table = _histogram(truth, low, len(labels), predicted, low_p, len(clusters))
    present = table.any(axis=1)
    return labels[present], clusters, table[present]


def _range(ids: Ids) -> tuple[int, int]:
    low = int(ids.min())
    return low, int(ids.max()) - low + 1


def _renumber(ids: Ids, low: int, span: int) -> tuple[Counts, Ids]:
    """Return the ids that occur, ascending, and for each pixel the position of its id."""
    if span > _LOOKUP:
        values, inverse = np.unique(ids, return_inverse=True)
        return values.astype(np.int64), inverse.reshape(-1)
    present = np.zeros(span, bool)
    for start in range(0, len(ids), _CHUNK):
        present[np.subtract(ids[start : start + _CHUNK], low, dtype=np.int64)] = True
    position = np.cumsum(present, dtype=np.int32) - np.int32(1)
    renumbered = np.empty(len(ids), np.int32)
    for start in range(0, len(ids), _CHUNK):
        part = slice(start, start + _CHUNK)
        renumbered[part] = position[np.subtract(ids[part], low, dtype=np.int64)]
    return low + np.flatnonzero(present), renumbered


def _histogram(truth: Ids, low: int, rows: int, predicted: Ids, low_p: int, cols: int) -> Counts:
    """Count the pairs (truth - low, predicted - low_p) in a table [rows, cols]."""
    from tvseg_bench.benchmark.metrics import counting

    if truth.dtype == predicted.dtype == np.uint8:
        true, pred = counting.flat(truth), counting.flat(predicted)
        table: Counts = np.zeros(rows * cols, np.int64)
        counting.count_spans(
            *(true, counting.words(true), low, pred, counting.words(pred), low_p),
            *(cols, counting.repeated_one(true), table),
        )
        return table.reshape(rows, cols)
    lanes: Counts = np.zeros((counting.LANES, rows * cols), np.int64)
    counting.count_pairs(truth, low, predicted, low_p, cols, lanes)
    summed: Counts = lanes.sum(0).reshape(rows, cols)
    return summed


def _ascending(ids: ArrayLike) -> Counts:
    return np.unique(np.asarray(ids, np.int64))


def _positions(ids: Counts, among: Counts) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return where each id stands in `among`, and which of them do."""
    at = np.searchsorted(among, ids)
    if not among.size:
        return at, np.zeros(len(ids), np.bool_)
    return at, among[np.minimum(at, among.size - 1)] == ids


def _refuse_outsiders(kind: str, found: Counts, allowed: ArrayLike | None) -> None:
    if allowed is None:
        return
    outside = np.setdiff1d(found, np.asarray(allowed, np.int64))
    if outside.size:
        raise UsageError(
            f"{kind} {outside[0]} occurs but is none of the {np.size(allowed)} that were given "
            f"({outside.size} such in all); give it, or drop its pixels with select()"
        )
