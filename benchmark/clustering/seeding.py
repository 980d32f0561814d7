"""What a first pass over the features collects, and the restarts made on it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, log, sqrt

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.clustering.inputs_outputs import Floating, shape_of
from tvseg_bench.benchmark.clustering.threads import Workers
from tvseg_bench.benchmark.clustering.upsampling import Grid, grid
from tvseg_bench.benchmark.errors import ModelError, UsageError

Floats = NDArray[np.float64]
_FIRST_ITERATIONS = 2
_MORE_ITERATIONS = 6
_COARSE_TOL = 1e-3
_POINTS_PER_CLUSTER = 4
_POINTS_OF_MANY = 8
_TRIALS_OF_MANY = 3
_SEEDS_OF_MANY = 3
_MANY = 128
"""From more clusters than this on, restarts are few and their centres are moved about."""


@dataclass(frozen=True, eq=False)
class Survey:
    """One pass over the features: all that restarts need."""

    pixels: int
    shift: Floats
    """[D] near the mean; everything is computed relative to it."""
    squared_norm: float
    """Sum over all pixels of |x - shift|^2."""
    points: NDArray[np.float32]
    """[n, D] mean pixel of a patch, less the shift: all patches, or a random sample of them."""
    mass: Floats
    """[n] pixels that each patch owns."""


def survey(
    frames_and_sizes: Iterable[tuple[Floating, tuple[int, int]]],
    k: int,
    seed: int,
    finer: int = 1,
) -> Survey:
    """Collect the survey of frames [f, h, w, D] with their sizes (H, W).

    The sample holds the patches with the smallest of one random number each, so it does not
    depend on how the frames are cut into chunks. With finer > 1 the points are finer x finer per
    patch, pixels of a small upsampling.
    """
    limit = sample_size(k)
    rng = np.random.default_rng([seed, 1])
    pixels, norm, shift = 0, 0.0, None
    points, mass, keys = None, np.empty(0), np.empty(0)
    for frames, size in frames_and_sizes:
        shape = grid(shape_of(frames), size)
        if shift is None:
            shift = frames.mean((0, 1, 2), dtype=np.float64).astype(np.float32).astype(np.float64)
        if len(shift) != frames.shape[3]:
            raise ModelError(
                f"features of {len(shift)} dimensions are followed by features of "
                f"{frames.shape[3]}; one clustering needs one model"
            )
        moved = frames - shift.astype(frames.dtype)
        pixels += len(frames) * shape.pixels
        norm += shape.squared_norm(moved)
        means, owned = _points(moved, shape, finer)
        draws = rng.random(len(means))
        points = means if points is None else np.concatenate([points, means])
        mass, keys = np.concatenate([mass, owned]), np.concatenate([keys, draws])
        keys[mass == 0] = np.inf
        kept = np.sort(np.argsort(keys, kind="stable")[: min(limit, int((mass > 0).sum()))])
        points, mass, keys = points[kept], mass[kept], keys[kept]
    if shift is None or points is None:
        raise UsageError("there is no chunk to cluster; select one clip at least")
    return Survey(pixels, shift, norm, points, mass)


def _points(moved: Floating, shape: Grid, finer: int) -> tuple[NDArray[np.float32], Floats]:
    """Return what stands for the pixels, [n, D], and how many pixels each stands for, [n]."""
    h, w = shape_of(moved)
    if finer == 1:
        means, owned = shape.block_means(moved), shape.owned.ravel()
    else:
        means = grid((h, w), (finer * h, finer * w)).upsample(moved)
        owned = np.full(finer * finer * h * w, shape.pixels / (finer * finer * h * w))
    points = means.reshape(-1, moved.shape[3]).astype(np.float32)
    return points, np.tile(owned, len(moved))


def fineness(frames: Floating, size: tuple[int, int], k: int) -> int:
    """Return how many points across a patch restarts need, so that k of them are few."""
    h, w = shape_of(frames)
    each = _POINTS_OF_MANY if k > _MANY else _POINTS_PER_CLUSTER
    wanted = ceil(sqrt(each * k / (len(frames) * h * w)))
    return max(1, min(wanted, size[0] // h, size[1] // w))


def sample_size(k: int) -> int:
    """Return how many patches the restarts look at."""
    return max(2048, 32 * k)


def coarse_restarts(found: Survey, k: int, n_init: int, seed: int, pool: Workers) -> list[Floats]:
    """Return the best of the restarts on the points, best first.

    Several are made for each of the first five asked, most at middling k, where restarts differ
    most and cost little, and the best quarter is returned. Of many clusters restarts are alike:
    one is made for every five asked, and its centres move to where they are needed.
    """
    points = np.concatenate([found.points, np.ones((len(found.points), 1), np.float32)], 1)
    norms = np.einsum("nd,nd->n", found.points, found.points)
    coarse = _Coarse(points, norms, found.mass)
    if k > _MANY:
        return _moved(coarse, k, -(-n_init // 5), seed, pool)
    rng = np.random.default_rng([seed, 2])
    several = min(3 + k // 4, 8, 256 // k)
    restarts = n_init + min(n_init, 5) * (several - 1)
    uniforms = rng.random((restarts, k, 2 + int(log(k))))
    ends = sorted(pool.map(coarse.seeded, uniforms), key=lambda end: end[0])
    better = [centers for _, centers in ends[: max(2, restarts // 2)]]
    ends = sorted(
        pool.map(lambda centers: coarse.further(centers, _MORE_ITERATIONS), better),
        key=lambda end: end[0],
    )
    return [centers.astype(np.float64) for _, centers in ends[: max(2, restarts // 4)]]


@dataclass(frozen=True, eq=False)
class _Coarse:
    """The points as the compiled search reads them."""

    points: NDArray[np.float32]
    """[n, D + 1] with a last column of ones."""
    norms: NDArray[np.float32]
    mass: Floats

    def seeded(self, draws: Floats, every: int = 1) -> tuple[float, NDArray[np.float32]]:
        """Return inertia and centres [k, D] of a start by greedy k-means++.

        draws are [k, trials]; the start is drawn from every such point.
        """
        from tvseg_bench.benchmark.clustering.patch_kmeans import seeds

        centers = np.empty((len(draws), self.points.shape[1] - 1), np.float32)
        points, norms = (np.ascontiguousarray(a[::every]) for a in (self.points, self.norms))
        seeds(points, norms, np.ascontiguousarray(self.mass[::every]), draws, centers)
        return self.further(centers, _FIRST_ITERATIONS)

    def further(
        self, centers: NDArray[np.float32], iterations: int
    ) -> tuple[float, NDArray[np.float32]]:
        """Move the centres by some iterations of Lloyd, in place."""
        from tvseg_bench.benchmark.clustering.patch_kmeans import descend

        args = self.points, self.norms, self.mass, centers
        return descend(*args, iterations, _COARSE_TOL), centers


def _moved(coarse: _Coarse, k: int, starts: int, seed: int, pool: Workers) -> list[Floats]:
    """Return the starts of many clusters, best first."""
    from tvseg_bench.benchmark.clustering.centre_relocation import breathe

    def one(start: int) -> tuple[float, NDArray[np.float32]]:
        draws = np.random.default_rng([seed, 2, start]).random((k, _TRIALS_OF_MANY))
        inertia, centers = coarse.seeded(draws, max(1, len(coarse.points) // (_SEEDS_OF_MANY * k)))
        args = coarse.points, coarse.norms, coarse.mass
        return breathe(*args, centers, inertia, [seed, 3, start])

    ends = sorted(pool.map(one, range(starts)), key=lambda end: end[0])
    return [centers.astype(np.float64) for _, centers in ends]
