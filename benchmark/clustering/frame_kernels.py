"""Compiled loops over frames: scores of the patches, visits of the cells, sums of the clusters.

Sums are made frame by frame, in order, in float64: results depend on no thread count.
"""

from __future__ import annotations

import numpy as np

from tvseg_bench.benchmark.clustering.cell_kernels import (
    BLOCK,
    Array,
    Scores,
    add_labelled_pixels,
    add_pixels,
    compact,
    contenders,
    floors,
    label_pixels,
    larger,
    split_between_two,
    winners,
)
from tvseg_bench.benchmark.compiled import FINITE, compiled


@compiled(**FINITE)
def add_sums(weights: Scores, width: int, columns: Array, features: Scores, sums: Array) -> None:
    """Add weights [n, width] transposed times features [n, D + 1] to rows of sums [P, D]."""
    zero = weights.dtype.type(0)
    depth = sums.shape[1]
    for q in range(len(weights)):
        for start in range(0, width, BLOCK):
            high = weights[q, start]
            for j in range(start, start + BLOCK):
                high = larger(high, weights[q, j])
            if high > zero:
                for j in range(start, start + BLOCK):
                    w = weights[q, j]
                    if w > zero:
                        to = columns[j]
                        for i in range(depth):
                            sums[to, i] += w * features[q, i]


@compiled(**FINITE)
def write_labels(
    labels: Array, extent: Array, cell: int, found: Array, columns: Array, label: Array
) -> None:
    """Write the columns found[label] of a cell's pixels to their place in labels [H, W]."""
    top, left, rows, cols = extent[cell, 0], extent[cell, 1], extent[cell, 2], extent[cell, 3]
    p = 0
    for y in range(top, top + rows):
        for x in range(left, left + cols):
            labels[y, x] = columns[found[label[p]]]
            p += 1


@compiled(**FINITE)
def fill_cell(labels: Array, extent: Array, cell: int, column: int) -> None:
    """Write one column to all pixels of a cell in labels [H, W]."""
    top, left, rows, cols = extent[cell, 0], extent[cell, 1], extent[cell, 2], extent[cell, 3]
    for y in range(top, top + rows):
        for x in range(left, left + cols):
            labels[y, x] = column


@compiled(**FINITE)
def visit_cells(
    scores: Scores, width: int, won: Array, columns: Array, corners: Array, pattern: Array,
    extent: Array, first: Array, tx: Scores, ty: Scores, txy: Scores, moments: Scores,
    weights: Scores, tally: Array, found: Array, value: Scores, label: Array, labels: Array,
) -> float:  # fmt: skip
    """Visit the cells of a frame: write labels [H, W], or fill weights and tally if it is empty.

    Returns the sum of the best scores (0 where labels are written).
    """
    best = 0.0
    for cell in range(len(pattern)):
        a, b, c, d = corners[cell, 0], corners[cell, 1], corners[cell, 2], corners[cell, 3]
        at = pattern[cell]
        lo, hi = first[at], first[at + 1]
        m, mx, my = moments[at, 0], moments[at, 1], moments[at, 2]
        mxy = moments[at, 3]
        winner = won[a]
        n = 1
        found[0] = winner
        if winner != won[b] or winner != won[c] or winner != won[d]:
            n = contenders(scores, width, a, b, c, d, won, found)
        if n == 1 and len(labels):
            fill_cell(labels, extent, cell, columns[found[0]])
        elif n == 1:
            best += add_pixels(scores, weights, tally, a, b, c, d, winner, m, mx, my, mxy)
        elif n == 2 and not len(labels):
            best += split_between_two(
                scores, weights, tally, a, b, c, d, found[0], found[1], tx, ty, txy, lo, hi,
                m, mx, my, mxy,
            )  # fmt: skip
        else:
            label_pixels(scores, a, b, c, d, found, n, tx, ty, txy, lo, hi, value, label)
            if len(labels):
                write_labels(labels, extent, cell, found, columns, label)
            else:
                best += add_labelled_pixels(
                    scores, weights, tally, a, b, c, d, found, n, tx, ty, txy, lo, hi,
                    m, mx, my, mxy, label,
                )  # fmt: skip
    return best


@compiled(**FINITE)
def assign_frames(
    features: Scores, centers: Scores, corners: Array, pattern: Array, extent: Array, first: Array,
    tx: Scores, ty: Scores, txy: Scores, moments: Scores, sums: Array, counts: Array,
    labels: Array,
) -> float:  # fmt: skip
    """Assign the pixels of all frames; return the sum of the best scores.

    features [F, n, D + 1] have a column of ones; centers [D + 1, P] are columns with
    -|c|^2 / 2 below, padded with columns that never win. The arguments from corners to moments
    are those of `upsampling.CellTables`.

    Either labels [F, H, W] are written, or, where F = 0, the pixels of each cluster are added
    up in sums [P, D] and counts [P].
    """
    frames, n, _ = features.shape
    padded = centers.shape[1]
    wide = np.empty((n, padded), features.dtype)
    small = np.empty((n, padded), features.dtype)
    weights = np.empty((n, padded), features.dtype)
    floor = np.empty(n, features.dtype)
    won = np.empty(n, np.int32)
    alive = np.empty(padded, np.int32)
    found = np.empty(padded + 1, np.int32)
    columns = np.arange(padded + 1).astype(np.int32)
    tally = np.zeros(padded, np.int64)
    most = 0
    for i in range(len(first) - 1):
        most = max(most, first[i + 1] - first[i])
    value = np.empty(most, features.dtype)
    label = np.zeros(most, np.int32)
    nothing = np.empty((0, 0), labels.dtype)
    best = 0.0
    width = padded
    scores = wide
    for frame in range(frames):
        np.dot(features[frame], centers, wide)
        winners(wide, padded, won)
        if padded > BLOCK:
            floors(wide, won, corners, floor)
            width = compact(wide, floor, alive, columns, small)
            scores = small
            winners(small, width, won)
        for q in range(n):
            for j in range(width):
                weights[q, j] = 0
        best += visit_cells(
            scores, width, won, columns, corners, pattern, extent, first, tx, ty, txy, moments,
            weights, tally, found, value, label, labels[frame] if len(labels) else nothing,
        )  # fmt: skip
        if not len(labels):
            add_sums(weights, width, columns, features[frame], sums)
            for j in range(width):
                counts[columns[j]] += tally[j]
                tally[j] = 0
    return best
