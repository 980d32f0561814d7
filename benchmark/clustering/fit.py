"""The stages of a fit: sampled patches, restarts on them, trials on few pixels, all pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.clustering import interface
from tvseg_bench.benchmark.clustering.lloyd import (
    FRAMES,
    FrameBlock,
    UnpreparedBlock,
    blocks_of,
    cluster_sums,
    label_block,
    lloyd,
)
from tvseg_bench.benchmark.clustering.patch_sample import (
    PatchSample,
    points_per_side,
    sample_patches,
)
from tvseg_bench.benchmark.clustering.seeding import best_starts
from tvseg_bench.benchmark.clustering.threads import Workers
from tvseg_bench.benchmark.clustering.upsampling import cell_tables

_TRIAL_ITERATIONS = 4
_TRIAL_FRAMES = 8
_STRIDE = 1.6
"""How far beyond the means a search steps; saves a third of the iterations on real features."""


def fit_frames(
    frames: interface.Floating,
    size: tuple[int, int],
    settings: interface.FitSettings,
    init: interface.Floating | None,
    pool: Workers,
) -> interface.KMeansResult:
    """Cluster frames [F, h, w, D] that fit in memory."""
    per_side = points_per_side(frames, size, settings.k)
    sample = sample_patches([(frames, size)], settings.k, settings.seed, per_side)
    blocks = [block.prepared() for block in blocks_of(frames, size, sample.shift)]
    if init is not None:
        start = init.astype(np.float64) - sample.shift
        return _refine([blocks], sample, settings, [start], 1.0, pool)
    found = best_starts(sample, settings.k, settings.n_init, settings.seed, pool)
    starts = _best_on_few_pixels(frames, size, blocks, sample, settings, found, pool)
    return _refine([blocks], sample, settings, starts, _STRIDE, pool)


def _best_on_few_pixels(
    frames: interface.Floating,
    size: tuple[int, int],
    blocks: list[FrameBlock],
    sample: PatchSample,
    settings: interface.FitSettings,
    starts: Sequence[interface.Floating],
    pool: Workers,
) -> Sequence[interface.Floating]:
    """Return the starts that do best on fewer pixels: every patch stands for 4 x 4 at most.

    All are tried for a few iterations on some of the frames, the best two run to the end on all.
    """
    h, w = interface.shape_of(frames)
    small = min(size[0], 4 * h), min(size[1], 4 * w)
    if settings.k == 1 or (len(starts) == 1 and small == size):
        return starts[:1]
    norm = sample.squared_norm * (small[0] * small[1]) / (size[0] * size[1])
    few = [replace(block, cells=cell_tables((h, w), small, frames.dtype)) for block in blocks]
    trial = few[:: -(-len(few) * FRAMES // _TRIAL_FRAMES)]

    def short(start: interface.Floating) -> interface.KMeansResult:
        assign = partial(cluster_sums, [trial], Workers(1))
        return lloyd(assign, start, norm, _TRIAL_ITERATIONS, 0.0)

    def long(start: interface.Floating) -> interface.KMeansResult:
        assign = partial(cluster_sums, [few], pool)
        return lloyd(assign, start, norm, settings.max_iter, 10 * settings.tol, _STRIDE)

    fits = sorted(pool.map(short, starts), key=lambda fit: fit.inertia)
    if len(trial) == len(few) and small == size:
        return [fit.centers for fit in fits[:2]]
    ends = sorted((long(fit.centers) for fit in fits[:2]), key=lambda fit: fit.inertia)
    return [ends[0].centers]


def _refine(
    chunks: Iterable[Sequence[FrameBlock | UnpreparedBlock]],
    sample: PatchSample,
    settings: interface.FitSettings,
    starts: Sequence[interface.Floating],
    stride: float,
    pool: Workers,
) -> interface.KMeansResult:
    """Return the best of the starts refined on all pixels, with the shift added again."""
    assign = partial(cluster_sums, chunks, pool)
    fits = [
        lloyd(assign, start, sample.squared_norm, settings.max_iter, settings.tol, stride)
        for start in starts
    ]
    best = min(fits, key=lambda fit: fit.inertia)
    return replace(best, centers=best.centers + sample.shift)


def fit_stream(
    chunks: Callable[[], Iterable[interface.Chunk]],
    settings: interface.FitSettings,
    init: interface.Floating | None,
    pool: Workers,
) -> interface.KMeansResult:
    """Cluster frames that come in chunks, once per pass."""

    def frames() -> Iterator[tuple[interface.Floating, tuple[int, int]]]:
        for chunk in chunks():
            yield interface.as_frames(chunk.features, chunk.name), interface.check_size(chunk.size)

    class Passes:
        def __iter__(self) -> Iterator[list[UnpreparedBlock]]:
            for chunk in chunks():  # found finite in the first pass
                yield blocks_of(interface.as_array(chunk.features), chunk.size, sample.shift)

    sample = sample_patches(frames(), settings.k, settings.seed)
    if init is not None:
        interface.check_centers("init", init, settings.k, len(sample.shift))
        start = init.astype(np.float64) - sample.shift
        return _refine(Passes(), sample, settings, [start], 1.0, pool)
    starts = best_starts(sample, settings.k, settings.n_init, settings.seed, pool)
    return _refine(Passes(), sample, settings, starts[:1], _STRIDE, pool)


def label_frames(
    frames: interface.Floating,
    centers: interface.Floating,
    size: tuple[int, int],
    pool: Workers,
    dtype: np.dtype[Any],
) -> NDArray[np.integer[Any]]:
    """Return the nearest of centers [K, D] for every pixel of frames, [F, H, W] of that type."""
    labels: NDArray[np.integer[Any]] = np.empty((len(frames), *size), dtype)
    shift = centers.mean(0, dtype=np.float64)
    blocks = blocks_of(frames, size, shift)

    def one(i: int) -> None:
        label_block(blocks[i], centers - shift, labels[i * FRAMES : (i + 1) * FRAMES])

    for _ in pool.map(one, range(len(blocks))):
        pass
    return labels
