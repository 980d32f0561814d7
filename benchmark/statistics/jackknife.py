"""How far a score would move with other clips: the delete-one-clip jackknife.

For a mean of clips this is the textbook standard error and Student's t with n - 1 degrees of
freedom. For a ratio of sums (IoU of summed counts) the jackknife follows the sums
(Efron & Tibshirani, An Introduction to the Bootstrap, ch. 11), and clips of unequal size leave
fewer degrees of freedom than their number suggests (Bell & McCaffrey, Bias Reduction in Standard
Errors for Linear Regression with Multi-Stage Samples, Survey Methodology 28, 2002).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tvseg_bench.benchmark.statistics.clip_tables import ClipTable, Floats

_EQUAL = 1e-12
"""Shares of clips that differ by less are equal."""
_MOST = 0.999
"""A larger share leaves one degree of freedom all the same, and nothing of the sums' digits."""


def deviations(seeds: Sequence[ClipTable]) -> Floats:
    """Return what each clip adds to the error of a mean over seeds: squares sum to its variance.

    Args:
        seeds: tables of the same n >= 2 clips in the same order.

    Returns:
        [n], NaN where the metric needs one of the clips to be anything at all.

    Example:
        >>> from tvseg_bench.benchmark.statistics.clip_tables import MeanTable
        >>> values = np.array([0.1, 0.4, 0.7])
        >>> found = deviations([MeanTable(("a", "b", "c"), values)])
        >>> np.allclose((found**2).sum(), values.var(ddof=1) / 3)
        True
    """
    without = np.mean([rows.without_each() for rows in seeds], axis=0)
    n = len(without)
    scaled: Floats = np.sqrt((n - 1) / n) * (without.mean() - without)
    return scaled


def shares(seeds: Sequence[ClipTable]) -> Floats:
    """Return the share [n] of each clip in the data, averaged over seeds."""
    found: Floats = np.mean([rows.weights() for rows in seeds], axis=0)
    return found


def standard_error(deviation: Floats) -> Floats:
    """Return the standard error [...] that `deviations` [..., n] make."""
    found: Floats = np.sqrt((deviation**2).sum(axis=-1))
    return found


def skewness(deviation: Floats) -> Floats:
    """Return the skewness [...] of the sum of `deviations` [..., n], 0 where nothing moves.

    Of a mean of n clips it is theirs over the square root of n.

    Example:
        >>> float(skewness(np.array([-0.1, -0.1, 0.2]))) > 0
        True
    """
    scaled = _near_one(deviation)
    error = standard_error(scaled)
    cubed = (scaled**3).sum(axis=-1)
    found: Floats = np.divide(cubed, error**3, out=np.zeros_like(error), where=error > 0)
    return found


def degrees_of_freedom(deviation: Floats, weights: Floats) -> Floats:
    """Return the degrees of freedom of a standard error, by Satterthwaite's rule.

    They are 2 / r for the relative variance r of the estimated variance. Clips of equal weight
    leave n - 1. Else r is the mean of what the weights alone imply, which cannot know how scores
    are spread, and of what the clips show, which few clips show badly.

    Args:
        deviation: [..., n] `deviations`.
        weights: [n] or [..., n] shares of the clips.

    Returns:
        [...], between 1 and n - 1.

    Example:
        >>> even, odd = np.full(4, 0.25), np.array([0.7, 0.1, 0.1, 0.1])
        >>> steps = np.array([0.1, -0.2, 0.2, -0.1])
        >>> float(degrees_of_freedom(steps, even)), float(degrees_of_freedom(steps, odd)) < 3
        (3.0, True)
    """
    n = deviation.shape[-1]
    if np.ptp(weights, axis=-1).max(initial=0) <= _EQUAL:
        return np.full(deviation.shape[:-1], n - 1.0)
    expected, seen = 2 / _by_weights(weights), 2 / _by_deviations(deviation)
    found: Floats = 2 / ((expected + seen) / 2)
    return found.clip(1, n - 1)


def _by_weights(weights: Floats) -> Floats:
    """Return the degrees of freedom if clips' scores were normal and independent of their weights.

    The jackknife's variance is then a quadratic form with matrix B, B_ij = sqrt(d_i d_j)
    ((i = j) - w_i - w_j + s), d = (w / (1 - w))**2, s = the sum of w**2, whose degrees of freedom
    are trace(B)**2 / trace(B @ B). The sums below are these traces in O(n).
    """
    w = np.minimum(weights, _MOST)
    d, s = (w / (1 - w)) ** 2, (w**2).sum(axis=-1)
    trace = (d * (1 - 2 * w)).sum(axis=-1) + s * d.sum(axis=-1)
    own = (d**2 * (1 + 2 * (s[..., None] - 2 * w))).sum(axis=-1)
    d0, d1, d2 = ((d * w**k).sum(axis=-1) for k in range(3))
    cross = s**2 * d0**2 - 4 * s * d0 * d1 + 2 * d0 * d2 + 2 * d1**2
    found: Floats = trace**2 / (own + cross)
    return found


def _by_deviations(deviation: Floats) -> Floats:
    """Return the degrees of freedom [...] that the spread of squared deviations [..., n] shows."""
    n = deviation.shape[-1]
    squares = _near_one(deviation) ** 2
    total = squares.sum(axis=-1)
    fourth = (squares**2).sum(axis=-1)
    least = 1 / n + 2 / (n - 1)  # that of n - 1 degrees of freedom
    ratio = np.divide(fourth, total**2, out=np.full_like(total, least), where=total > 0)
    found: Floats = 2 / (np.maximum(ratio, least) - 1 / n)
    return found


def _near_one(deviation: Floats) -> Floats:
    """Return `deviation` [..., n] times a power of two [...] that brings the largest near 1.

    Powers of tiny values vanish (1e-96 to the fourth is 0), and their ratio with them. A power of
    two changes no digit of a ratio.
    """
    largest = np.abs(deviation).max(axis=-1, keepdims=True)
    scaled: Floats = np.ldexp(deviation, -np.frexp(largest)[1])
    return scaled
