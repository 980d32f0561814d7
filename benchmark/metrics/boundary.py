"""F, the boundary measure of DAVIS: do two contours lie within a tolerance of each other?

Exact without dilating anything, and for all objects of a frame at the price of one: their
contours are found in one pass over the ids.
"""

from __future__ import annotations

import math
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tvseg_bench.benchmark.errors import UsageError

Mask: TypeAlias = NDArray[np.bool_]
Pairs = Literal["all", "same"]
"""Which objects are compared: every predicted one with every true one, or those of one id."""

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
    return float(contour_f(FrameObjects(true, 1), FrameObjects(pred, 1), radius)[0, 0])


class FrameObjects:
    """The objects of one frame, ready to be compared with those of many others.

    Args:
        ids: [H, W] integers or booleans; 1..n are objects, all others background.
        n: how many there may be, there or not.
    """

    def __init__(self, ids: ArrayLike, n: int) -> None:
        given = np.asarray(ids)
        self.n = n
        self.ids: NDArray[Any] = given.astype(np.min_scalar_type(n))
        self.ids[(given < 0) | (given > n)] = 0

    @cached_property
    def contours(self) -> list[NDArray[np.int64]]:
        """N flat positions, ascending: the contour of each object."""
        from tvseg_bench.benchmark.metrics.contours import by_object

        pixels, starts = by_object(self.ids, np.flatnonzero(boundary_map(self.ids)), self.n)
        return [pixels[a:b] for a, b in pairwise(starts)]


def contour_f(
    truth: FrameObjects, predicted: FrameObjects, radius: int, pairs: Pairs = "all"
) -> NDArray[np.float64]:
    """Return the F-measure [P, N] of predicted and true objects at a radius in pixels.

    Within 0..1; 0 for the pairs that are not compared.
    """
    halves = np.array([math.isqrt(radius**2 - dy**2) for dy in range(radius + 1)], np.int64)
    scores = np.zeros((predicted.n, truth.n))
    for p, given in enumerate(predicted.contours):
        for n in range(truth.n) if pairs == "all" else [p]:
            scores[p, n] = _f(truth.contours[n], given, truth.ids.shape[1], halves)
    return scores


def _f(
    contour: NDArray[np.int64],
    predicted: NDArray[np.int64],
    width: int,
    halves: NDArray[np.int64],
) -> float:
    from tvseg_bench.benchmark.metrics.contours import count_near

    if not contour.size or not predicted.size:
        return float(contour.size == predicted.size)
    precision = count_near(predicted, contour, width, halves) / predicted.size
    recall = count_near(contour, predicted, width, halves) / contour.size
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def boundary_map(mask: ArrayLike) -> Mask:
    """Return the contour [H, W]: pixels unlike their right, lower or diagonal neighbour.

    Of ids instead of a mask: the contours of all objects, each of which outlines some of them.

    Source: davisvideochallenge/davis2017-evaluation davis2017/metrics.py (_seg2bmap).

    Example:
        >>> boundary_map([[0, 0, 0], [0, 1, 0], [0, 0, 0]]).astype(int).tolist()
        [[1, 1, 0], [1, 1, 0], [0, 0, 0]]
    """
    m = np.asarray(mask)
    contour = np.zeros(m.shape, bool)
    np.not_equal(m[:, :-1], m[:, 1:], out=contour[:, :-1])
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
