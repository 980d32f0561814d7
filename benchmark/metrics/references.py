"""Scores without a model: what the ground truth alone determines of every other number.

Both references are label maps (or tables) that go through the same contingency, match and mean
as a model's clusters, for a frame, a clip or a data set.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.metrics.contingency import Contingency, contingency
from tvseg_bench.benchmark.types import VOID

Counted = Literal["labels", "all"]


def patch_grid_oracle(
    truth: ArrayLike, grid: tuple[int, int], void: int = VOID
) -> NDArray[np.integer]:
    """Pool the truth by majority to a patch grid and bring it back to full size.

    The best that one label per patch can do: a bound of every model that decides patch by patch.
    A pixel belongs to the cell that holds its centre when the grid is stretched over the frame,
    row floor((y + 1/2) * rows / H), so grid and frame need not divide. A cell takes the label of
    most of its pixels, void not counted, ties to the smallest label; a cell of void alone is
    void, which no score sees.

    Args:
        truth: [H, W] true labels.

    Returns:
        [H, W] labels, constant within each cell.

    Raises:
        UsageError: truth is not [H, W], or the grid has no cells.

    Example:
        >>> truth = np.array([[1, 1, 2, 255], [1, 2, 2, 255]])
        >>> patch_grid_oracle(truth, (1, 2)).tolist()
        [[1, 1, 2, 2], [1, 1, 2, 2]]
    """
    true = np.asarray(truth)
    pixels = _pooled(true, grid, void)
    labels = np.full(grid[0] * grid[1], void, np.int64)
    labels[pixels.clusters] = _majority(pixels)
    narrow = np.uint8 if true.dtype == np.uint8 and 0 <= void < 256 else np.int64
    down, across = _cells(true.shape[0], grid[0]), _cells(true.shape[1], grid[1])
    pooled: NDArray[Any] = labels.astype(narrow).reshape(grid)
    return pooled.take(across, axis=1).take(down, axis=0)


def oracle_table(
    truth: ArrayLike, grid: tuple[int, int], void: int = VOID, counted: Counted = "labels"
) -> Contingency:
    """Return the table of the patch-grid oracle, without making its map.

    Args:
        truth: [H, W] true labels.
        counted: `labels` leaves void out of the rows; `all` keeps it, as a class of its own.

    Raises:
        UsageError: truth is not [H, W], or the grid has no cells.

    Example:
        >>> oracle_table(np.array([[1, 1, 2, 255], [1, 2, 2, 255]]), (1, 2)).table.tolist()
        [[3, 0], [1, 2]]
    """
    pixels = _pooled(np.asarray(truth), grid, None)
    known = pixels.select(labels=pixels.labels[pixels.labels != void])
    chosen = np.full(len(pixels.clusters), void, np.int64)
    covered = known.table.any(axis=0)
    if known.labels.size:
        chosen[covered] = _majority(known)[covered]
    rows = pixels if counted == "all" else known
    clusters = np.unique(chosen)
    table = np.zeros((len(rows.labels), len(clusters)), np.int64)
    np.add.at(table.T, np.searchsorted(clusters, chosen), rows.table.T)
    seen = table.any(axis=0)
    return Contingency(rows.labels, clusters[seen], table[:, seen])


def _pooled(labels: NDArray[np.integer], grid: tuple[int, int], void: int | None) -> Contingency:
    """Return how many pixels of each label, `void` left out, each cell of the grid holds."""
    if labels.ndim != 2:
        raise UsageError(f"truth has the shape {labels.shape}; expected one frame [H, W]")
    if min(grid) < 1:
        raise UsageError(f"the patch grid is {grid[0]} x {grid[1]}; it needs at least one cell")
    down, across = _cells(labels.shape[0], grid[0]) * grid[1], _cells(labels.shape[1], grid[1])
    if labels.dtype != np.uint8:  # ids may be of any size
        return contingency(labels, down[:, None] + across, void=void)
    from tvseg_bench.benchmark.metrics.counting import count_cells, present

    occurs = present(labels)
    ids, cells = np.flatnonzero(occurs), np.arange(grid[0] * grid[1])
    table = np.zeros((len(ids), len(cells)), np.int64)
    if labels.size:
        rows = np.cumsum(occurs) - 1
        count_cells(np.ascontiguousarray(labels), rows, down, across, table)
    table = table[ids != void]
    seen = table.any(axis=0)
    return Contingency(ids[ids != void], cells[seen], table[:, seen])


def _majority(pixels: Contingency) -> NDArray[np.int64]:
    """Return the most frequent label of each cell, ties to the smallest; none if none is known."""
    if not pixels.labels.size:
        return pixels.clusters[:0]
    chosen: NDArray[np.int64] = pixels.labels[pixels.table.argmax(axis=0)]
    return chosen


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
