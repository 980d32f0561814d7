"""What a patch holds: pixels of each label in every cell of a patch grid."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.protocols.common.resize import nearest_index

Counts = NDArray[np.int64]
Ids = NDArray[np.integer[Any]]


def patch_counts(
    truth: ArrayLike, grid: tuple[int, int], labels: ArrayLike
) -> tuple[Counts, Counts]:
    """Count the pixels of each label in each patch.

    A pixel belongs to the patch that holds its centre when the grid is stretched over the frame,
    so grid and frame need not divide.

    Args:
        truth: [H, W] true labels.
        grid: (rows, cols).
        labels: [C] the labels that count, ascending; pixels of all others count for none.

    Returns:
        Pixels [rows, cols, C] of each label, and all pixels [rows, cols] of each patch.

    Raises:
        UsageError: truth is no [H, W], or the grid has no cells.

    Example:
        >>> held, pixels = patch_counts([[0, 0, 7, 255], [0, 7, 7, 7]], (1, 2), [0, 7])
        >>> held.tolist(), pixels.tolist()
        ([[[3, 1], [0, 3]]], [[4, 4]])
    """
    maps = np.asarray(truth)
    rows, cols = grid
    if maps.ndim != 2:
        raise UsageError(f"truth has the shape {maps.shape}; expected one frame [H, W]")
    if rows < 1 or cols < 1:
        raise UsageError(f"the patch grid is {rows} x {cols}; it needs at least one cell")
    positions = label_positions(maps, labels)
    width = np.size(labels) + 1
    down, across = (
        nearest_index(cells, pixels, "centre")
        for cells, pixels in zip(grid, maps.shape, strict=True)
    )
    cells = down[:, None] * cols + across
    codes = cells * width + positions
    held = np.bincount(codes.ravel(), minlength=rows * cols * width).reshape(rows, cols, width)
    return held[..., :-1], held.sum(axis=-1)


def label_positions(truth: ArrayLike, labels: ArrayLike) -> NDArray[np.int64]:
    """Replace labels by their positions among `labels` [C] (ascending), all others by C.

    Example:
        >>> label_positions([[3, 9], [255, 3]], [3, 9]).tolist()
        [[0, 1], [2, 0]]
    """
    maps, known = np.asarray(truth), np.asarray(labels, np.int64)
    top = int(known[-1]) + 1 if known.size else 0
    table = np.full(top + 1, known.size, np.int64)
    table[known] = np.arange(known.size)
    return table[np.where((maps < 0) | (maps > top), top, maps)]
