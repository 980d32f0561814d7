"""Restarts of k-means on sampled patches: where the iteration on pixels starts from."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.clustering.patch_sample import MANY_CLUSTERS, PatchSample
from tvseg_bench.benchmark.clustering.threads import Workers

Floats = NDArray[np.float64]
_FIRST_ITERATIONS = 2
_MORE_ITERATIONS = 6
_TOL = 1e-3
_TRIALS_OF_MANY = 3
_SEEDS_OF_MANY = 3


def best_starts(
    sample: PatchSample, k: int, n_init: int, seed: int, pool: Workers
) -> list[Floats]:
    """Return the centres [k, D] of the best restarts on the patches, best first.

    Several are made for each of the first five asked, most at middling k, where restarts differ
    most and cost little, and the best quarter is returned. Of many clusters restarts are alike:
    one is made for every five asked, and its centres move to where they are needed.
    """
    points = np.concatenate([sample.points, np.ones((len(sample.points), 1), np.float32)], 1)
    norms = np.einsum("nd,nd->n", sample.points, sample.points)
    search = _PatchSearch(points, norms, sample.mass)
    if k > MANY_CLUSTERS:
        return _relocated(search, k, -(-n_init // 5), seed, pool)
    rng = np.random.default_rng([seed, 2])
    several = min(3 + k // 4, 8, 256 // k)
    restarts = n_init + min(n_init, 5) * (several - 1)
    uniforms = rng.random((restarts, k, 2 + int(log(k))))
    ends = sorted(pool.map(search.seeded, uniforms), key=lambda end: end[0])
    better = [centers for _, centers in ends[: max(2, restarts // 2)]]
    ends = sorted(
        pool.map(lambda centers: search.refined(centers, _MORE_ITERATIONS), better),
        key=lambda end: end[0],
    )
    return [centers.astype(np.float64) for _, centers in ends[: max(2, restarts // 4)]]


@dataclass(frozen=True, eq=False)
class _PatchSearch:
    """The patches as the compiled search reads them."""

    points: NDArray[np.float32]
    """[n, D + 1] with a last column of ones."""
    norms: NDArray[np.float32]
    mass: Floats

    def seeded(self, draws: Floats, every: int = 1) -> tuple[float, NDArray[np.float32]]:
        """Return inertia and centres [k, D] of a start by greedy k-means++.

        draws are [k, trials]; the start is drawn from every such point.
        """
        from tvseg_bench.benchmark.clustering.patch_kernels import greedy_seeds

        centers = np.empty((len(draws), self.points.shape[1] - 1), np.float32)
        points, norms = (np.ascontiguousarray(a[::every]) for a in (self.points, self.norms))
        greedy_seeds(points, norms, np.ascontiguousarray(self.mass[::every]), draws, centers)
        return self.refined(centers, _FIRST_ITERATIONS)

    def refined(
        self, centers: NDArray[np.float32], iterations: int
    ) -> tuple[float, NDArray[np.float32]]:
        """Move the centres by some iterations of Lloyd, in place."""
        from tvseg_bench.benchmark.clustering.patch_kernels import weighted_lloyd

        args = self.points, self.norms, self.mass, centers
        return weighted_lloyd(*args, iterations, _TOL), centers


def _relocated(
    search: _PatchSearch, k: int, starts: int, seed: int, pool: Workers
) -> list[Floats]:
    """Return the starts of many clusters, best first."""
    from tvseg_bench.benchmark.clustering.centre_relocation import relocate_centres

    def one(start: int) -> tuple[float, NDArray[np.float32]]:
        draws = np.random.default_rng([seed, 2, start]).random((k, _TRIALS_OF_MANY))
        inertia, centers = search.seeded(draws, max(1, len(search.points) // (_SEEDS_OF_MANY * k)))
        args = search.points, search.norms, search.mass
        return relocate_centres(*args, centers, inertia, [seed, 3, start])

    ends = sorted(pool.map(one, range(starts)), key=lambda end: end[0])
    return [centers.astype(np.float64) for _, centers in ends]
