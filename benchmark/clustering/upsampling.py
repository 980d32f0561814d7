"""Bilinear upsampling of patches to pixels: half-pixel centres, clamped borders.

The convention is that of `torch.nn.functional.interpolate(mode="bilinear",
align_corners=False)`, computed in float64. It is separable and linear: along one axis, output
pixel i is (1 - t_i) * x[lo_i] + t_i * x[hi_i].
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_FRAMES = 16
_DIGITS = 12


@dataclass(frozen=True, eq=False)
class Axis:
    """One axis of a bilinear upsampling, `n` patches to `size` pixels."""

    n: int
    size: int

    @cached_property
    def source(self) -> Floats:
        """[size] position of every pixel in patch coordinates, clamped to the first patch."""
        centres = (np.arange(self.size) + 0.5) * (self.n / self.size) - 0.5
        return np.asarray(np.maximum(centres, 0.0))

    @cached_property
    def lo(self) -> Ints:
        """[size] the patch at or before each pixel."""
        before: Ints = self.source.astype(np.int64)
        return np.minimum(before, self.n - 1)

    @cached_property
    def hi(self) -> Ints:
        """[size] the patch after each pixel; the last one again at the border."""
        return np.minimum(self.lo + 1, self.n - 1)

    @cached_property
    def t(self) -> Floats:
        """[size] weight of `hi`, 0..1; 0 where `hi` is `lo`."""
        return np.where(self.hi > self.lo, self.source - self.lo, 0.0)

    @cached_property
    def matrix(self) -> Floats:
        """[size, n] the upsampling itself; rows sum to 1.

        Example:
            >>> Axis(2, 4).matrix.tolist()
            [[1.0, 0.0], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]]
        """
        out = np.zeros((self.size, self.n))
        pixels = np.arange(self.size)
        np.add.at(out, (pixels, self.lo), 1.0 - self.t)
        np.add.at(out, (pixels, self.hi), self.t)
        return out

    @cached_property
    def owner(self) -> Ints:
        """[size] the nearest patch of every pixel."""
        return np.where(self.t > 0.5, self.hi, self.lo)

    @cached_property
    def owned(self) -> Floats:
        """[n] how many pixels have each patch as their nearest."""
        return np.bincount(self.owner, minlength=self.n).astype(np.float64)

    @cached_property
    def block(self) -> Floats:
        """[n, n] sum over the pixels that each patch owns, of the upsampled values."""
        out = np.zeros((self.n, self.n))
        np.add.at(out, self.owner, self.matrix)
        return out


@dataclass(frozen=True, eq=False)
class Grid:
    """The upsampling of patches [h, w] to pixels [H, W]."""

    y: Axis
    x: Axis

    @property
    def pixels(self) -> int:
        """Pixels of one frame."""
        return self.y.size * self.x.size

    @cached_property
    def owned(self) -> Floats:
        """[h, w] how many pixels have each patch as their nearest."""
        return np.outer(self.y.owned, self.x.owned)

    def block_means(self, features: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """Return the mean upsampled feature over the pixels that each patch owns.

        A clustering that gives one label to all pixels of a patch is a weighted clustering of
        these means with the weights `owned`, up to a constant.

        Args:
            features: [F, h, w, D].

        Returns:
            [F, h, w, D], 0 where a patch owns no pixel, in the dtype of `features`.
        """
        by, bx = (a.block / np.maximum(a.owned, 1.0)[:, None] for a in (self.y, self.x))
        return _along_both(by.astype(features.dtype), bx.astype(features.dtype), features)

    def upsample(self, features: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """Return features [F, h, w, D] at every pixel, [F, H, W, D]: for small sizes only."""
        uy, ux = self.y.matrix.astype(features.dtype), self.x.matrix.astype(features.dtype)
        return _along_both(uy, ux, features)

    def squared_norm(self, features: NDArray[np.floating[Any]]) -> float:
        """Return the sum of squares over all upsampled pixels of features [F, h, w, D]."""
        gy, gx = self.y.matrix.T @ self.y.matrix, self.x.matrix.T @ self.x.matrix
        total = 0.0
        for start in range(0, len(features), _FRAMES):
            part = features[start : start + _FRAMES].astype(np.float64)
            total += float(np.vdot(_along_both(gy, gx, part), part))
        return total


def _along_both(
    ay: NDArray[np.floating[Any]], ax: NDArray[np.floating[Any]], f: NDArray[np.floating[Any]]
) -> NDArray[np.floating[Any]]:
    """Apply ay [i, h] to the rows and ax [j, w] to the columns of f [F, h, w, D]."""
    count, h, w, depth = f.shape
    rows = ay @ f.reshape(count, h, w * depth)
    out: NDArray[np.floating[Any]] = ax @ rows.reshape(count, -1, w, depth)
    return out


@lru_cache(maxsize=64)
def grid(patches: tuple[int, int], size: tuple[int, int]) -> Grid:
    """Return the (cached) upsampling from `patches` (h, w) to `size` (H, W)."""
    return Grid(Axis(patches[0], size[0]), Axis(patches[1], size[1]))


# ------------------------------------------------------------------- tables of compiled code


@dataclass(frozen=True, eq=False)
class CellTables:
    """The cells between patches that hold a pixel, row by row, as compiled code reads them.

    The cell (r, c) holds the pixels whose upper left patch is (r, c). Cells with the same offsets
    share one pattern, so an integer factor needs nine patterns whatever the size.
    """

    corners: NDArray[np.int32]
    """[cells, 4] the patches around a cell: upper left, upper right, lower left, lower right."""
    pattern: NDArray[np.int32]
    """[cells]."""
    extent: NDArray[np.int32]
    """[cells, 4] first row, first column, rows and columns of its pixels."""
    first: NDArray[np.int32]
    """[patterns + 1] where a pattern's pixels begin in `tx`, `ty` and `txy`."""
    tx: NDArray[np.floating[Any]]
    """[n] weight of the right patches, 0..1."""
    ty: NDArray[np.floating[Any]]
    """[n] weight of the lower patches, 0..1."""
    txy: NDArray[np.floating[Any]]
    """[n] their product."""
    moments: NDArray[np.floating[Any]]
    """[patterns, 4] number of pixels, sums of tx, ty and txy."""


@dataclass(frozen=True, eq=False)
class _Strips:
    """One axis cut where the patch before a pixel changes."""

    patch: Ints
    start: Ints
    length: Ints
    pattern: Ints
    offsets: list[Floats]
    """Weights of the patch after, one array per pattern."""


def _strips(axis: Axis) -> _Strips:
    patch, start, length = np.unique(axis.lo, return_index=True, return_counts=True)
    known: dict[bytes, int] = {}
    offsets: list[Floats] = []
    patterns = []
    for begin, count in zip(start, length, strict=True):
        t = axis.t[begin : begin + count]
        key = t.round(_DIGITS).tobytes()
        if key not in known:
            known[key] = len(offsets)
            offsets.append(t)
        patterns.append(known[key])
    return _Strips(patch, start, length, np.asarray(patterns), offsets)


def _pairs(rows: Ints, cols: Ints) -> tuple[Ints, ...]:
    down, right = np.meshgrid(rows, cols, indexing="ij")
    return down.ravel(), right.ravel()


def _tables(shape: Grid, dtype: np.dtype[Any]) -> CellTables:
    ys, xs = _strips(shape.y), _strips(shape.x)
    width = shape.x.n
    top, left = _pairs(ys.patch, xs.patch)
    below, beyond = np.minimum(top + 1, shape.y.n - 1), np.minimum(left + 1, width - 1)
    corners = (top * width + left, top * width + beyond, below * width + left)
    pattern_y, pattern_x = _pairs(ys.pattern, xs.pattern)
    tx, ty, moments, first = [], [], [], [0]
    for y in ys.offsets:
        for x in xs.offsets:
            right, down = np.tile(x, len(y)), np.repeat(y, len(x))
            tx.append(right)
            ty.append(down)
            first.append(first[-1] + len(right))
            moments.append([len(right), right.sum(), down.sum(), (right * down).sum()])
    all_x, all_y = np.concatenate(tx), np.concatenate(ty)
    return CellTables(
        np.stack([*corners, below * width + beyond], 1).astype(np.int32),
        (pattern_y * len(xs.offsets) + pattern_x).astype(np.int32),
        np.stack([*_pairs(ys.start, xs.start), *_pairs(ys.length, xs.length)], 1).astype(np.int32),
        np.asarray(first, np.int32),
        all_x.astype(dtype),
        all_y.astype(dtype),
        (all_x * all_y).astype(dtype),
        np.asarray(moments, dtype),
    )


@lru_cache(maxsize=64)
def cell_tables(
    patches: tuple[int, int], size: tuple[int, int], dtype: np.dtype[Any]
) -> CellTables:
    """Return the (cached) tables of the upsampling from `patches` (h, w) to `size` (H, W)."""
    return _tables(grid(patches, size), dtype)
