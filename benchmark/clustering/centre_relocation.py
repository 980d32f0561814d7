"""Moves of centres from where they are crowded to where they are few.

With hundreds of clusters every restart of k-means++ ends about equally far from the optimum, in
clusters that share what one could hold while others hold two. Lloyd's iteration cannot repair
that: no centre crosses the space between. So the centres that would be missed least are moved to
the clusters of most error, many at a time, fewer every round (after the breathing
k-means of Fritzke, 2020, arXiv 2006.15666); a round that does not lower the inertia is undone.
"""

from __future__ import annotations

import numpy as np

from tvseg_bench.benchmark.clustering.cell_kernels import BLOCK, NEVER, Array, Scores, larger
from tvseg_bench.benchmark.clustering.patch_kernels import ROWS, weighted_lloyd, write_columns
from tvseg_bench.benchmark.compiled import FINITE, compiled

_ROUNDS = 4
_FIRST, _SHRINK = 0.2, 0.5
"""Share of the centres that the first round moves, and what becomes of it from round to round."""
_ITERATIONS, _TOL = 2, 1e-4
"""Of Lloyd after each round."""


@compiled(**FINITE)
def measure_centres(
    points: Scores, norms: Scores, mass: Array, centers: Scores,
    owner: Array, second: Array, apart: Scores, error: Array, missed: Array,
) -> None:  # fmt: skip
    """Find each point's nearest two centres, and how much every centre lowers the inertia.

    Writes owner and second [n], the squared distance apart [n] to the owner, each cluster's
    error [k], and missed [k]: what the inertia would rise by at most without it.
    """
    k, depth = centers.shape
    padded = -(-k // BLOCK) * BLOCK
    augmented = np.zeros((depth + 1, padded), points.dtype)
    augmented[depth] = NEVER
    write_columns(centers, augmented)
    scores = np.empty((ROWS, padded), points.dtype)
    never, zero = points.dtype.type(NEVER), points.dtype.type(0)
    error[:] = 0
    missed[:] = 0
    for start in range(0, len(points), ROWS):
        rows = min(ROWS, len(points) - start)
        np.dot(points[start : start + rows], augmented, scores[:rows])
        for i in range(rows):
            top, next_top, best, other = never, never, 0, 0
            for j in range(k):
                s = scores[i, j]
                if s > next_top:
                    if s > top:
                        next_top, other, top, best = top, best, s, j
                    else:
                        next_top, other = s, j
            q = start + i
            owner[q], second[q] = best, other
            apart[q] = larger(norms[q] - (top + top), zero)
            error[best] += mass[q] * apart[q]
            missed[best] += mass[q] * 2.0 * (top - next_top)


@compiled(**FINITE)
def draw_point(apart: Scores, mass: Array, owner: Array, cluster: int, uniform: float) -> int:
    """Return a point of a cluster, drawn by its share of the error; -1 where there is none."""
    total = 0.0
    for i in range(len(owner)):
        if owner[i] == cluster:
            total += mass[i] * apart[i]
    reached, last = 0.0, -1
    for i in range(len(owner)):
        if owner[i] == cluster and mass[i] * apart[i] > 0:
            reached += mass[i] * apart[i]
            last = i
            if reached > uniform * total:
                break
    return last


@compiled(**FINITE)
def move_centres(
    points: Scores, norms: Scores, mass: Array, centers: Scores, uniforms: Array
) -> int:
    """Move up to len(uniforms) of the centers [k, D] that are missed least; return how many.

    A cluster takes part once a round: neither the heirs of a centre that was taken away nor a
    cluster that was split are touched again.
    """
    n = len(points)
    k, depth = centers.shape
    owner, second = np.empty(n, np.int32), np.empty(n, np.int32)
    apart = np.empty(n, np.float32)
    error, missed = np.empty(k), np.empty(k)
    measure_centres(points, norms, mass, centers, owner, second, apart, error, missed)
    least, most = np.argsort(missed), np.argsort(-error)
    busy = np.zeros(k, np.bool_)
    moved, at = 0, 0
    for j in least:
        while at < k and (busy[most[at]] or most[at] == j):
            at += 1
        if moved == len(uniforms) or at == k or missed[j] >= error[most[at]]:
            break
        if busy[j]:
            continue
        split = most[at]
        to = draw_point(apart, mass, owner, split, uniforms[moved])
        if to < 0:
            break
        busy[j] = True
        busy[split] = True
        for i in range(n):
            if owner[i] == j:
                busy[second[i]] = True
        for d in range(depth):
            centers[j, d] = points[to, d]
        moved += 1
    return moved


def relocate_centres(
    points: Scores, norms: Scores, mass: Array, centers: Scores, inertia: float, seed: list[int]
) -> tuple[float, Scores]:
    """Return a lower inertia and its centres [k, D]; at worst those that were given.

    points [n, D + 1] end in a column of ones, norms [n] are |x|^2, mass [n] the weights; inertia
    is that of the centers given, seed that of the draws.
    """
    rng = np.random.default_rng(seed)
    for turn in range(_ROUNDS):
        trial = centers.copy()
        draws = rng.random(max(1, int(len(centers) * _FIRST * _SHRINK**turn)))
        if not move_centres(points, norms, mass, trial, draws):
            break
        reached = weighted_lloyd(points, norms, mass, trial, _ITERATIONS, _TOL)
        if reached < inertia:
            inertia, centers = reached, trial
    return inertia, centers
