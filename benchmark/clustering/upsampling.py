"""Where an upsampled pixel comes from: bilinear, half-pixel centres, clamped borders.

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
        these means with the weights `owned`, up to a constant: the coarse problem.

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
