"""F, the boundary measure of DAVIS: do two contours lie within a tolerance of each other?

Exact without dilating anything: whether a contour pixel has another contour within a disk is
asked for the contour pixels only, through running sums along the rows.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tvseg_bench.benchmark.errors import UsageError

Mask: TypeAlias = NDArray[np.bool_]

TOLERANCE = 0.008
"""Share of the frame's diagonal, as published."""


def boundary_f(
    truth: ArrayLike,
    predicted: ArrayLike,
    void: ArrayLike | None = None,
    tolerance: float = TOLERANCE,
) -> float:
    """Return the F-measure of two contours, within 0..1.

    F = 2 P R / (P + R), where P is the share of predicted contour pixels that have a true one
    within the radius, and R the reverse. Two masks without a contour agree (1); where only one
    has a contour, F is 0. A mask has no contour where it touches the border.

    Args:
        truth: [H, W] mask of the object.
        predicted: [H, W] mask of the prediction.
        void: [H, W] mask of pixels that count as background in both.
        tolerance: Below 1 a share of the diagonal, otherwise pixels.

    Source: davisvideochallenge/davis2017-evaluation davis2017/metrics.py (f_measure).

    Example:
        >>> truth = np.zeros((20, 20), bool)
        >>> truth[5:10, 5:10] = True
        >>> boundary_f(truth, np.roll(truth, 1, axis=1)), boundary_f(truth, ~truth)
        (1.0, 1.0)
        >>> boundary_f(truth, np.zeros_like(truth))
        0.0
    """
    true, pred = masks(truth, predicted, void)
    radius = tolerance_radius(tolerance, true.shape)
    return contour_f(Contour(true), Contour(pred), radius)


class Contour:
    """The contour pixels of one mask [H, W], ready to be compared with many others."""

    def __init__(self, mask: ArrayLike) -> None:
        m = np.asarray(mask, bool)
        rows, columns = np.flatnonzero(m.any(axis=1)), np.flatnonzero(m.any(axis=0))
        if rows.size:
            # beyond one pixel around the mask there is no contour
            top, left = max(int(rows[0]) - 1, 0), max(int(columns[0]) - 1, 0)
            y, x = boundary_map(m[top : rows[-1] + 2, left : columns[-1] + 2]).nonzero()
            self.y, self.x = y + top, x + left
        else:
            self.y, self.x = rows, columns
        self._sums: dict[int, NDArray[np.int32]] = {}

    def __len__(self) -> int:
        return int(self.y.size)

    def share_near(self, other: Contour, radius: int) -> float:
        """Return the share of these pixels with one of the other's within a disk."""
        if not len(self) or not len(other):
            return 0.0
        sums = other._running_sums(radius)
        y, x = self.y - other.y.min() + 2 * radius, self.x - other.x.min() + 2 * radius
        last_row, last_column = sums.shape[0] - 1 - radius, sums.shape[1] - 2 - radius
        reachable = (y >= radius) & (y <= last_row) & (x >= radius) & (x <= last_column)
        y, x = y[reachable], x[reachable]
        near = np.zeros(y.size, bool)
        for dy in range(-radius, radius + 1):
            half = math.isqrt(radius * radius - dy * dy)
            near |= sums[y + dy, x + half + 1] > sums[y + dy, x - half]
        return int(near.sum()) / len(self)

    def _running_sums(self, radius: int) -> NDArray[np.int32]:
        """Count, in a box of 2 radii around the contour, its pixels left of each column."""
        if radius not in self._sums:
            y, x = self.y - self.y.min() + 2 * radius, self.x - self.x.min() + 2 * radius
            sums = np.zeros((y.max() + 2 * radius + 1, x.max() + 2 * radius + 2), np.int32)
            sums[y, x + 1] = 1
            self._sums[radius] = np.cumsum(sums, axis=1, dtype=np.int32)
        return self._sums[radius]


def contour_f(contour: Contour, predicted: Contour, radius: int) -> float:
    """Return the F-measure of two contours at a radius in pixels, within 0..1."""
    if not len(contour) and not len(predicted):
        return 1.0
    precision = predicted.share_near(contour, radius)
    recall = contour.share_near(predicted, radius)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def boundary_map(mask: ArrayLike) -> Mask:
    """Return the contour [H, W]: pixels unlike their right, lower or diagonal neighbour.

    Source: davisvideochallenge/davis2017-evaluation davis2017/metrics.py (_seg2bmap).

    Example:
        >>> boundary_map([[0, 0, 0], [0, 1, 0], [0, 0, 0]]).astype(int).tolist()
        [[1, 1, 0], [1, 1, 0], [0, 0, 0]]
    """
    m = np.asarray(mask, bool)
    contour = np.zeros_like(m)
    contour[:, :-1] |= m[:, :-1] != m[:, 1:]
    contour[:-1] |= m[:-1] != m[1:]
    contour[:-1, :-1] |= m[:-1, :-1] != m[1:, 1:]
    return contour


def tolerance_radius(tolerance: float, shape: tuple[int, ...]) -> int:
    """Return the radius in pixels: the tolerance itself from 1 on, else a share of the diagonal.

    Raises:
        UsageError: The tolerance is not positive, or a fraction above 1.

    Example:
        >>> tolerance_radius(0.008, (480, 854)), tolerance_radius(3, (480, 854))
        (8, 3)
    """
    if tolerance <= 0 or (tolerance >= 1 and tolerance != int(tolerance)):
        raise UsageError(
            f"the boundary tolerance is {tolerance}; expected a share of the diagonal below 1 "
            "or a whole number of pixels"
        )
    if tolerance >= 1:
        return int(tolerance)
    return math.ceil(tolerance * math.sqrt(shape[0] ** 2 + shape[1] ** 2))


def masks(truth: ArrayLike, predicted: ArrayLike, void: ArrayLike | None) -> tuple[Mask, Mask]:
    """Return both masks as booleans [H, W], background where void.

    Raises:
        UsageError: The shapes differ, or are not [H, W].
    """
    true, pred = np.asarray(truth, bool), np.asarray(predicted, bool)
    ignored = np.zeros_like(true) if void is None else np.asarray(void, bool)
    if true.ndim != 2 or not true.shape == pred.shape == ignored.shape:
        raise UsageError(
            f"the masks have the shapes {true.shape} (truth), {pred.shape} (predicted) and "
            f"{ignored.shape} (void); expected one [H, W] for all"
        )
    return true & ~ignored, pred & ~ignored
