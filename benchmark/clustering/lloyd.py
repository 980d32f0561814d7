"""Lloyd's iteration over the pixels of prepared frames, in any number of pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.clustering.cells import Cells, cells
from tvseg_bench.benchmark.clustering.inputs_outputs import Floating, precision_of, shape_of
from tvseg_bench.benchmark.clustering.threads import Workers

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
FRAMES = 4
"""Frames of a piece. A constant, so that sums are grouped alike whatever the threads."""
_NO_LABELS = np.empty((0, 0, 0), np.int32)


@dataclass(frozen=True, eq=False)
class Piece:
    """A few frames as the compiled step reads them."""

    features: Floating
    """[f, h * w, D + 1] less a common shift; the last column is one."""
    cells: Cells

    def ready(self) -> Piece:
        """Return itself."""
        return self


@dataclass(frozen=True, eq=False)
class Step:
    """What one pass over the pixels gives."""

    best: float
    """Sum over the pixels of max_k <x, c_k> - |c_k|^2 / 2."""
    sums: Floats
    """[K, D] sum of the pixels of each cluster."""
    counts: Counts
    """[K] pixels of each cluster."""


@dataclass(frozen=True, eq=False)
class LloydFit:
    """Where Lloyd's iteration ended."""

    centers: Floats
    inertia: float
    n_iter: int
    converged: bool
    empty: int


@dataclass(frozen=True, eq=False)
class Raw:
    """A few frames that become a piece when a thread gets to them, once per pass."""

    frames: Floating
    """[f, h, w, D]."""
    size: tuple[int, int]
    shift: Floats
    """[D]."""

    def ready(self) -> Piece:
        """Return the piece."""
        count, rows, cols, depth = self.frames.shape
        precision = precision_of(self.frames)
        augmented = np.ones((count, rows * cols, depth + 1), precision)
        flat = self.frames.reshape(count, rows * cols, depth)
        np.subtract(flat, self.shift.astype(precision), out=augmented[:, :, :depth])
        return Piece(augmented, cells(shape_of(self.frames), self.size, precision))


def cut(frames: Floating, size: tuple[int, int], shift: Floats) -> list[Raw]:
    """Return frames [F, h, w, D], to be taken less the shift [D], a few at a time."""
    starts = range(0, len(frames), FRAMES)
    return [Raw(frames[start : start + FRAMES], size, shift) for start in starts]


def columns(centers: Floating, dtype: np.dtype[Any]) -> Floating:
    """Return centers [K, D] as the columns [D + 1, P] that the compiled step reads."""
    from tvseg_bench.benchmark.clustering.kernels import BLOCK, NEVER

    k, depth = centers.shape
    out = np.zeros((depth + 1, -(-k // BLOCK) * BLOCK), dtype)
    out[:depth, :k] = centers.T
    out[depth] = NEVER
    out[depth, :k] = -0.5 * np.einsum("kd,kd->k", centers, centers)
    return out


def _pass(
    piece: Piece, centers: Floating, sums: Floats, counts: Counts, labels: NDArray[np.int32]
) -> float:
    from tvseg_bench.benchmark.clustering import passes

    c, by_column = piece.cells, columns(centers, piece.features.dtype)
    pixels = (c.tx, c.ty, c.txy, c.moments)
    return float(
        passes.step(
            piece.features,
            by_column,
            c.corners,
            c.kind,
            c.place,
            c.first,
            *pixels,
            sums,
            counts,
            labels,
        )
    )


def step_piece(piece: Piece | Raw, centers: Floats) -> Step:
    """Assign the pixels of a piece to the best of centers [K, D] and add them up."""
    from tvseg_bench.benchmark.clustering.kernels import BLOCK

    k, depth = centers.shape
    padded = -(-k // BLOCK) * BLOCK
    sums, counts = np.zeros((padded, depth)), np.zeros(padded, np.int64)
    best = _pass(piece.ready(), centers, sums, counts, _NO_LABELS)
    return Step(best, sums[:k], counts[:k])


def step(chunks: Iterable[Sequence[Piece | Raw]], pool: Workers, centers: Floats) -> Step:
    """Make the step over all pieces; they are added up in their order."""
    best, sums = 0.0, np.zeros(centers.shape)
    counts = np.zeros(len(centers), np.int64)
    for pieces in chunks:
        for part in pool.map(partial(step_piece, centers=centers), pieces):
            best += part.best
            sums += part.sums
            counts += part.counts
    return Step(best, sums, counts)


def lloyd(
    make_step: Callable[[Floats], Step],
    centers: Floats,
    squared_norm: float,
    max_iter: int,
    tol: float,
    stride: float = 1.0,
) -> LloydFit:
    """Alternate assignment and update until the inertia falls by no more than tol of itself.

    A cluster that loses all its pixels stays where it is. The inertia returned is that of the
    centres returned. With stride 1 this is Lloyd's iteration; a longer one steps past the means
    by that factor, which takes fewer iterations, and goes back to them where it overshoots.
    """
    means, reached = centers, None
    for n_iter in range(max_iter + 1):
        now = make_step(centers)
        inertia = max(squared_norm - 2.0 * now.best, 0.0)
        empty = int((now.counts == 0).sum())
        if reached is not None and stride > 1 and inertia > reached.inertia:
            centers = means
            continue
        before = reached.inertia if reached else np.inf
        converged = reached is not None and before - inertia <= tol * before
        reached = LloydFit(centers, inertia, n_iter, converged, empty)
        if converged:
            break
        owned = now.counts[:, None] > 0
        means = np.where(owned, now.sums / np.maximum(now.counts, 1)[:, None], centers)
        centers = means if stride == 1 else centers + stride * (means - centers)
    assert reached is not None  # max_iter is at least 1
    return reached


def label_piece(piece: Piece | Raw, centers: Floating, labels: NDArray[np.int32]) -> None:
    """Write the best of centers [K, D] for the pixels of a piece to labels [f, H, W]."""
    _pass(piece.ready(), centers, np.zeros((0, 0)), np.zeros(0, np.int64), labels)
