"""Lloyd's iteration over the pixels of frames, a block of frames at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.clustering.interface import (
    Floating,
    KMeansResult,
    precision_of,
    shape_of,
)
from tvseg_bench.benchmark.clustering.threads import Workers
from tvseg_bench.benchmark.clustering.upsampling import CellTables, cell_tables

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Labels = NDArray[np.integer[Any]]
FRAMES = 4
"""Frames of a block. A constant, so that sums are grouped alike whatever the threads."""
_NO_LABELS = np.empty((0, 0, 0), np.int32)


@dataclass(frozen=True, eq=False)
class FrameBlock:
    """A few frames as compiled code reads them."""

    features: Floating
    """[f, h * w, D + 1] less a common shift; the last column is one."""
    cells: CellTables

    def prepared(self) -> FrameBlock:
        """Return itself."""
        return self


@dataclass(frozen=True, eq=False)
class ClusterSums:
    """Sums over the pixels of each cluster, from one pass."""

    best: float
    """Sum over the pixels of max_k <x, c_k> - |c_k|^2 / 2."""
    sums: Floats
    """[K, D] sum of the pixels of each cluster."""
    counts: Counts
    """[K] pixels of each cluster."""


@dataclass(frozen=True, eq=False)
class UnpreparedBlock:
    """A few frames that are prepared when a thread gets to them, once per pass."""

    frames: Floating
    """[f, h, w, D]."""
    size: tuple[int, int]
    shift: Floats
    """[D]."""

    def prepared(self) -> FrameBlock:
        """Return the frames as compiled code reads them."""
        count, rows, cols, depth = self.frames.shape
        precision = precision_of(self.frames)
        augmented = np.ones((count, rows * cols, depth + 1), precision)
        flat = self.frames.reshape(count, rows * cols, depth)
        np.subtract(flat, self.shift.astype(precision), out=augmented[:, :, :depth])
        return FrameBlock(augmented, cell_tables(shape_of(self.frames), self.size, precision))


def blocks_of(frames: Floating, size: tuple[int, int], shift: Floats) -> list[UnpreparedBlock]:
    """Cut frames [F, h, w, D] into blocks, from which the shift [D] will be subtracted."""
    starts = range(0, len(frames), FRAMES)
    return [UnpreparedBlock(frames[start : start + FRAMES], size, shift) for start in starts]


def columns(centers: Floating, dtype: np.dtype[Any]) -> Floating:
    """Return centers [K, D] as the columns [D + 1, P] that compiled code reads."""
    from tvseg_bench.benchmark.clustering.cell_kernels import BLOCK, NEVER

    k, depth = centers.shape
    out = np.zeros((depth + 1, -(-k // BLOCK) * BLOCK), dtype)
    out[:depth, :k] = centers.T
    out[depth] = NEVER
    out[depth, :k] = -0.5 * np.einsum("kd,kd->k", centers, centers)
    return out


def _pass(
    block: FrameBlock, centers: Floating, sums: Floats, counts: Counts, labels: Labels
) -> float:
    """Fill labels, or sums and counts; see `frame_kernels.assign_frames`."""
    from tvseg_bench.benchmark.clustering.frame_kernels import assign_frames

    c, by_column = block.cells, columns(centers, block.features.dtype)
    tables = (c.corners, c.pattern, c.extent, c.first, c.tx, c.ty, c.txy, c.moments)
    return float(assign_frames(block.features, by_column, *tables, sums, counts, labels))


def sums_of_block(block: FrameBlock | UnpreparedBlock, centers: Floating) -> ClusterSums:
    """Assign the pixels of a block to the best of centers [K, D] and add them up."""
    from tvseg_bench.benchmark.clustering.cell_kernels import BLOCK

    k, depth = centers.shape
    padded = -(-k // BLOCK) * BLOCK
    sums, counts = np.zeros((padded, depth)), np.zeros(padded, np.int64)
    best = _pass(block.prepared(), centers, sums, counts, _NO_LABELS)
    return ClusterSums(best, sums[:k], counts[:k])


def cluster_sums(
    chunks: Iterable[Sequence[FrameBlock | UnpreparedBlock]], pool: Workers, centers: Floating
) -> ClusterSums:
    """Assign the pixels of all blocks and add them up, in the order of the blocks."""
    best, sums = 0.0, np.zeros(centers.shape)
    counts = np.zeros(len(centers), np.int64)
    for blocks in chunks:
        for part in pool.map(partial(sums_of_block, centers=centers), blocks):
            best += part.best
            sums += part.sums
            counts += part.counts
    return ClusterSums(best, sums, counts)


def lloyd(
    assign: Callable[[Floating], ClusterSums],
    centers: Floating,
    squared_norm: float,
    max_iter: int,
    tol: float,
    stride: float = 1.0,
) -> KMeansResult:
    """Alternate assignment and update until the inertia falls by no more than tol of itself.

    A cluster that loses all its pixels stays where it is. The inertia returned is that of the
    centres returned. With stride 1 this is Lloyd's iteration; a longer one steps past the means
    by that factor, which takes fewer iterations, and goes back to them where it overshoots.
    """
    means, reached = centers, None
    for n_iter in range(max_iter + 1):
        now = assign(centers)
        inertia = max(squared_norm - 2.0 * now.best, 0.0)
        empty = int((now.counts == 0).sum())
        if reached is not None and stride > 1 and inertia > reached.inertia:
            centers = means
            continue
        before = reached.inertia if reached else np.inf
        converged = reached is not None and before - inertia <= tol * before
        reached = KMeansResult(centers, inertia, n_iter, converged, empty)
        if converged:
            break
        owned = now.counts[:, None] > 0
        means = np.where(owned, now.sums / np.maximum(now.counts, 1)[:, None], centers)
        centers = means if stride == 1 else centers + stride * (means - centers)
    assert reached is not None  # max_iter is at least 1
    return reached


def label_block(block: FrameBlock | UnpreparedBlock, centers: Floating, labels: Labels) -> None:
    """Write the best of centers [K, D] for the pixels of a block to labels [f, H, W]."""
    _pass(block.prepared(), centers, np.zeros((0, 0)), np.zeros(0, np.int64), labels)
