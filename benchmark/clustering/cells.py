"""The cells between patches, as the tables that the compiled step reads.

The cell (r, c) holds the pixels whose upper left patch is (r, c). Cells with the same offsets
share one pattern, so an integer factor needs nine of them whatever the size.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.clustering.upsampling import Axis, Grid, grid

_DIGITS = 12


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells that hold a pixel, row by row; see `passes.step` for the arrays."""

    corners: NDArray[np.int32]
    kind: NDArray[np.int32]
    place: NDArray[np.int32]
    first: NDArray[np.int32]
    tx: NDArray[np.floating[Any]]
    ty: NDArray[np.floating[Any]]
    txy: NDArray[np.floating[Any]]
    moments: NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class _Strips:
    """One axis cut where the patch before a pixel changes."""

    patch: NDArray[np.int64]
    start: NDArray[np.int64]
    length: NDArray[np.int64]
    kind: NDArray[np.int64]
    offsets: list[NDArray[np.float64]]
    """Weights of the patch after, one array per kind."""


def _strips(axis: Axis) -> _Strips:
    patch, start, length = np.unique(axis.lo, return_index=True, return_counts=True)
    known: dict[bytes, int] = {}
    offsets: list[NDArray[np.float64]] = []
    kinds = []
    for begin, count in zip(start, length, strict=True):
        t = axis.t[begin : begin + count]
        key = t.round(_DIGITS).tobytes()
        if key not in known:
            known[key] = len(offsets)
            offsets.append(t)
        kinds.append(known[key])
    return _Strips(patch, start, length, np.asarray(kinds), offsets)


def _pairs(rows: NDArray[np.int64], cols: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
    down, right = np.meshgrid(rows, cols, indexing="ij")
    return down.ravel(), right.ravel()


def _build(shape: Grid, dtype: np.dtype[Any]) -> Cells:
    ys, xs = _strips(shape.y), _strips(shape.x)
    width = shape.x.n
    top, left = _pairs(ys.patch, xs.patch)
    below, beyond = np.minimum(top + 1, shape.y.n - 1), np.minimum(left + 1, width - 1)
    corners = (top * width + left, top * width + beyond, below * width + left)
    kind_y, kind_x = _pairs(ys.kind, xs.kind)
    tx, ty, moments, first = [], [], [], [0]
    for y in ys.offsets:
        for x in xs.offsets:
            right, down = np.tile(x, len(y)), np.repeat(y, len(x))
            tx.append(right)
            ty.append(down)
            first.append(first[-1] + len(right))
            moments.append([len(right), right.sum(), down.sum(), (right * down).sum()])
    all_x, all_y = np.concatenate(tx), np.concatenate(ty)
    return Cells(
        np.stack([*corners, below * width + beyond], 1).astype(np.int32),
        (kind_y * len(xs.offsets) + kind_x).astype(np.int32),
        np.stack([*_pairs(ys.start, xs.start), *_pairs(ys.length, xs.length)], 1).astype(np.int32),
        np.asarray(first, np.int32),
        all_x.astype(dtype),
        all_y.astype(dtype),
        (all_x * all_y).astype(dtype),
        np.asarray(moments, dtype),
    )


@lru_cache(maxsize=64)
def cells(patches: tuple[int, int], size: tuple[int, int], dtype: np.dtype[Any]) -> Cells:
    """Return the (cached) tables of the upsampling from `patches` (h, w) to `size` (H, W)."""
    return _build(grid(patches, size), dtype)
