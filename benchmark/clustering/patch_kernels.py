"""Compiled k-means on one weighted point per patch, in search of good starting centres.

A patch stands for the pixels that it owns. Greedy k-means++ seeds (Arthur & Vassilvitskii 2007,
the variant with several trials per centre) are refined by weighted Lloyd iterations; a restart
costs about one hundredth of what it would cost on the pixels.
"""

from __future__ import annotations

import numpy as np

from tvseg_bench.benchmark.clustering.cell_kernels import (
    BLOCK,
    NEVER,
    Array,
    Scores,
    larger,
    winners,
)
from tvseg_bench.benchmark.compiled import FINITE, compiled

ROWS = 256
"""Points whose scores are held at a time."""


@compiled(**FINITE)
def write_columns(centers: Scores, augmented: Scores) -> None:
    """Write centers [K, D] to augmented [D + 1, P]: columns with -|c|^2 / 2 below."""
    k, depth = centers.shape
    for j in range(k):
        norm = 0.0
        for d in range(depth):
            augmented[d, j] = centers[j, d]
            norm += centers[j, d] * centers[j, d]
        augmented[depth, j] = -0.5 * norm


@compiled(**FINITE)
def greedy_seeds(
    points: Scores, norms: Scores, mass: Array, uniforms: Array, centers: Scores
) -> None:
    """Write k of the points [n, D + 1] to centers [k, D] by greedy k-means++.

    uniforms [k, trials] in 0..1 are the random numbers; mass [n] the weights. Where fewer points
    are distinct, the last ones are repeated.
    """
    n = len(points)
    k, trials = uniforms.shape
    depth = centers.shape[1]
    distance = np.ones(n, np.float32)
    reach = np.empty(n, np.float64)
    picks = np.zeros(trials, np.int64)
    probes = np.zeros((depth + 1, trials), points.dtype)
    products = np.empty((n, trials), points.dtype)
    totals = np.empty(trials, np.float64)
    for j in range(k):
        total = 0.0
        for i in range(n):
            total += distance[i] * mass[i]
            reach[i] = total
        for t in range(trials):
            picks[t] = min(np.searchsorted(reach, uniforms[j, t] * total, "right"), n - 1)
            totals[t] = 0.0
            for d in range(depth):
                probes[d, t] = points[picks[t], d]
        np.dot(points, probes, products)
        for i in range(n):
            for t in range(trials):
                both = norms[i] + norms[picks[t]]
                apart = both - (products[i, t] + products[i, t])
                if apart <= np.float32(1e-6) * both:
                    apart = np.float32(0)
                if j > 0 and distance[i] < apart:
                    apart = distance[i]
                products[i, t] = apart
                totals[t] += apart * mass[i]
        best = 0
        for t in range(1, trials):
            best = t if totals[t] < totals[best] else best
        for i in range(n):
            distance[i] = products[i, best]
        for d in range(depth):
            centers[j, d] = points[picks[best], d]


@compiled(**FINITE)
def move_to_means(centers: Scores, sums: Array, owned: Array, points: Scores, far: int) -> None:
    """Move centers [k, D] to their means, and the first without points to point `far`, if any."""
    k, depth = centers.shape
    for j in range(k):
        if owned[j] > 0:
            for d in range(depth):
                centers[j, d] = sums[j, d] / owned[j]
        elif far >= 0:
            for d in range(depth):
                centers[j, d] = points[far, d]
            far = -1


@compiled(**FINITE)
def weighted_lloyd(
    points: Scores, norms: Scores, mass: Array, centers: Scores, max_iter: int, tol: float
) -> float:
    """Move centers [k, D] by weighted Lloyd iterations in place; return the inertia.

    A cluster without points moves to the point that is farthest from its centre.
    """
    n = len(points)
    k, depth = centers.shape
    padded = -(-k // BLOCK) * BLOCK
    augmented = np.zeros((depth + 1, padded), points.dtype)
    augmented[depth] = NEVER
    scores = np.empty((ROWS, padded), points.dtype)
    won = np.empty(ROWS, np.int32)
    sums = np.empty((k, depth), np.float64)
    owned = np.empty(k, np.float64)
    zero = points.dtype.type(0)
    inertia = np.inf
    for n_iter in range(max_iter + 1):
        write_columns(centers, augmented)
        sums[:] = 0
        owned[:] = 0
        before = inertia
        inertia = 0.0
        far, most = -1, 0.0
        for start in range(0, n, ROWS):
            rows = min(ROWS, n - start)
            np.dot(points[start : start + rows], augmented, scores[:rows])
            winners(scores[:rows], padded, won)
            for i in range(rows):
                q = start + i
                to = won[i]
                w = mass[q]
                apart = larger(norms[q] - (scores[i, to] + scores[i, to]), zero)
                inertia += w * apart
                owned[to] += w
                for d in range(depth):
                    sums[to, d] += w * points[q, d]
                if apart > most:
                    far, most = q, apart
        if n_iter == max_iter or (n_iter > 0 and before - inertia <= tol * before):
            break
        move_to_means(centers, sums, owned, points, far)
    return inertia
