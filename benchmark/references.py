"""Scores without a model: what the truth alone says about every other number.

Both references are label maps (or tables) that go through the same contingency, match and mean
as a model's clusters, for a frame, a clip or a data set.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.metrics.contingency import Contingency, contingency
from tvseg_bench.benchmark.types import VOID


def patch_grid_oracle(
    truth: ArrayLike, grid: tuple[int, int], void: int = VOID
) -> NDArray[np.int64]:
    """Pool the truth by majority to a patch grid and bring it back to full size.

    The best that one label per patch can do: a bound of every model that decides patch by patch.
    A pixel belongs to the cell that holds its centre when the grid is stretched over the frame,
    row floor((y + 1/2) * rows / H), so grid and frame need not divide. A cell takes the label of
    most of its pixels, void not counted, ties to the smallest label; a cell of void alone is
    void, which no score sees.

    Args:
        truth: [H, W] true labels.
        grid: (rows, cols) of the patch grid.
        void: The label that does not count.

    Returns:
        [H, W] labels, constant within each cell.

    Raises:
        UsageError: truth is no [H, W], or the grid has no cells.

    Example:
        >>> truth = np.array([[1, 1, 2, 255], [1, 2, 2, 255]])
        >>> patch_grid_oracle(truth, (1, 2)).tolist()
        [[1, 1, 2, 2], [1, 1, 2, 2]]
    """
    labels = np.asarray(truth)
    if labels.ndim != 2:
        raise UsageError(f"truth has the shape {labels.shape}; expected one frame [H, W]")
    if min(grid) < 1:
        raise UsageError(f"the patch grid is {grid[0]} x {grid[1]}; it needs at least one cell")
    cells = _cells(labels.shape[0], grid[0])[:, None] * grid[1] + _cells(labels.shape[1], grid[1])
    pixels = contingency(labels, cells, void=void)
    pooled = np.full(grid[0] * grid[1], void, np.int64)
    if pixels.labels.size:
        pooled[pixels.clusters] = pixels.labels[pixels.table.argmax(axis=0)]
    return pooled.take(cells)


def constant_map(truth: ArrayLike) -> NDArray[np.uint8]:
    """Return the map that holds one cluster everywhere, in the shape of the truth.

    Matched like any other cluster, it becomes the label that scores best.

    Example:
        >>> constant_map([[1, 2], [3, 4]]).tolist()
        [[0, 0], [0, 0]]
    """
    return np.zeros(np.shape(truth), np.uint8)


def constant_table(table: Contingency) -> Contingency:
    """Return the table that the constant map would have, without looking at a pixel.

    Example:
        >>> c = Contingency(np.arange(2), np.arange(3), np.array([[1, 2, 3], [4, 5, 6]]))
        >>> constant_table(c).table.tolist()
        [[6], [15]]
    """
    pixels = table.table.sum(axis=1, keepdims=True)
    return Contingency(table.labels, np.zeros(1, np.int64), pixels)


def _cells(pixels: int, cells: int) -> NDArray[np.int64]:
    """Return the cell [pixels] along one side that holds each pixel's centre."""
    return (2 * np.arange(pixels) + 1) * cells // (2 * pixels)
