"""Patches of all frames, or a random sample of them, on which good starting centres are sought."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.clustering.interface import Floating, shape_of
from tvseg_bench.benchmark.clustering.upsampling import Grid, grid
from tvseg_bench.benchmark.errors import ModelError, UsageError

Floats = NDArray[np.float64]
MANY_CLUSTERS = 128
"""From more clusters than this on, restarts are few and their centres are moved about."""
_POINTS_PER_CLUSTER = 4
_POINTS_OF_MANY = 8


@dataclass(frozen=True, eq=False)
class PatchSample:
    """What one pass over the features collects: all that the search for centres needs."""

    pixels: int
    shift: Floats
    """[D] near the mean; everything is computed relative to it."""
    squared_norm: float
    """Sum over all pixels of |x - shift|^2."""
    points: NDArray[np.float32]
    """[n, D] mean pixel of a patch, less the shift: all patches, or a random sample of them."""
    mass: Floats
    """[n] pixels that each patch owns."""


def sample_patches(
    frames_and_sizes: Iterable[tuple[Floating, tuple[int, int]]],
    k: int,
    seed: int,
    per_side: int = 1,
) -> PatchSample:
    """Sample the patches of frames [f, h, w, D] with their sizes (H, W), in one pass.

    The sample holds the patches with the smallest of one random number each, so it does not
    depend on how the frames are cut into chunks. With per_side > 1 there are per_side x per_side
    points in a patch, pixels of a small upsampling.
    """
    limit = max(2048, 32 * k)
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
        means, owned = _points(moved, shape, per_side)
        draws = rng.random(len(means))
        points = means if points is None else np.concatenate([points, means])
        mass, keys = np.concatenate([mass, owned]), np.concatenate([keys, draws])
        keys[mass == 0] = np.inf
        chosen = np.sort(np.argsort(keys, kind="stable")[: min(limit, int((mass > 0).sum()))])
        points, mass, keys = points[chosen], mass[chosen], keys[chosen]
    if shift is None or points is None:
        raise UsageError("there is no chunk to cluster; select one clip at least")
    return PatchSample(pixels, shift, norm, points, mass)


def _points(moved: Floating, shape: Grid, per_side: int) -> tuple[NDArray[np.float32], Floats]:
    """Return points that represent the pixels, [n, D], and the pixels of each, [n]."""
    h, w = shape_of(moved)
    if per_side == 1:
        means, owned = shape.block_means(moved), shape.owned.ravel()
    else:
        means = grid((h, w), (per_side * h, per_side * w)).upsample(moved)
        n = per_side * per_side * h * w
        owned = np.full(n, shape.pixels / n)
    points = means.reshape(-1, moved.shape[3]).astype(np.float32)
    return points, np.tile(owned, len(moved))


def points_per_side(frames: Floating, size: tuple[int, int], k: int) -> int:
    """Return how many points across a patch restarts need, so that k of them are few."""
    h, w = shape_of(frames)
    each = _POINTS_OF_MANY if k > MANY_CLUSTERS else _POINTS_PER_CLUSTER
    wanted = ceil(sqrt(each * k / (len(frames) * h * w)))
    return max(1, min(wanted, size[0] // h, size[1] // w))
