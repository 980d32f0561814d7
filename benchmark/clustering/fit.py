"""How a fit goes: survey, restarts on patches, trials on few frames, refinement on all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.clustering.cells import cells
from tvseg_bench.benchmark.clustering.inputs_outputs import (
    Chunk,
    Floating,
    Settings,
    as_array,
    as_frames,
    check_size,
    shape_of,
)
from tvseg_bench.benchmark.clustering.lloyd import (
    FRAMES,
    LloydFit,
    Piece,
    Raw,
    cut,
    label_piece,
    lloyd,
    step,
)
from tvseg_bench.benchmark.clustering.seeding import Survey, coarse_restarts, fineness, survey
from tvseg_bench.benchmark.clustering.threads import Workers

Floats = NDArray[np.float64]
_TRIAL_ITERATIONS = 4
_TRIAL_FRAMES = 8
_STRIDE = 1.6
"""How far beyond the means a search steps; saves a third of the iterations on real features."""


def fit_frames(
    frames: Floating,
    size: tuple[int, int],
    settings: Settings,
    init: Floating | None,
    pool: Workers,
) -> LloydFit:
    """Cluster frames [F, h, w, D] that fit in memory."""
    finer = fineness(frames, size, settings.k)
    found = survey([(frames, size)], settings.k, settings.seed, finer)
    pieces = [raw.ready() for raw in cut(frames, size, found.shift)]
    if init is not None:
        start = init.astype(np.float64) - found.shift
        return _refine([pieces], found, settings, [start], 1.0, pool)
    starts = coarse_restarts(found, settings.k, settings.n_init, settings.seed, pool)
    starts = _promising(frames, size, pieces, found, settings, starts, pool)
    return _refine([pieces], found, settings, starts, _STRIDE, pool)


def _promising(
    frames: Floating,
    size: tuple[int, int],
    pieces: list[Piece],
    found: Survey,
    settings: Settings,
    starts: list[Floats],
    pool: Workers,
) -> list[Floats]:
    """Return the starts that do best on fewer pixels: every patch stands for 4 x 4 at most.

    All are tried for a few iterations on some of the frames, the best two run to the end on all.
    """
    h, w = shape_of(frames)
    small = min(size[0], 4 * h), min(size[1], 4 * w)
    if settings.k == 1 or (len(starts) == 1 and small == size):
        return starts[:1]
    norm = found.squared_norm * (small[0] * small[1]) / (size[0] * size[1])
    few = [replace(piece, cells=cells((h, w), small, frames.dtype)) for piece in pieces]
    trial = few[:: -(-len(few) * FRAMES // _TRIAL_FRAMES)]

    def short(start: Floats) -> LloydFit:
        return lloyd(partial(step, [trial], Workers(1)), start, norm, _TRIAL_ITERATIONS, 0.0)

    def long(start: Floats) -> LloydFit:
        whole = partial(step, [few], pool)
        return lloyd(whole, start, norm, settings.max_iter, 10 * settings.tol, _STRIDE)

    fits = sorted(pool.map(short, starts), key=lambda fit: fit.inertia)
    if len(trial) == len(few) and small == size:
        return [fit.centers for fit in fits[:2]]
    ends = sorted((long(fit.centers) for fit in fits[:2]), key=lambda fit: fit.inertia)
    return [ends[0].centers]


def _refine(
    chunks: Iterable[Sequence[Piece | Raw]],
    found: Survey,
    settings: Settings,
    starts: list[Floats],
    stride: float,
    pool: Workers,
) -> LloydFit:
    """Return the best of the starts refined on all pixels, in the features' own place."""
    whole = partial(step, chunks, pool)
    fits = [
        lloyd(whole, start, found.squared_norm, settings.max_iter, settings.tol, stride)
        for start in starts
    ]
    best = min(fits, key=lambda fit: fit.inertia)
    return LloydFit(
        best.centers + found.shift, best.inertia, best.n_iter, best.converged, best.empty
    )


def fit_stream(
    chunks: Callable[[], Iterable[Chunk]],
    settings: Settings,
    init: Floating | None,
    pool: Workers,
) -> LloydFit:
    """Cluster frames that come in chunks, once per pass."""

    def frames() -> Iterator[tuple[Floating, tuple[int, int]]]:
        for chunk in chunks():
            yield as_frames(chunk.features, chunk.name), check_size(chunk.size)

    class Passes:
        def __iter__(self) -> Iterator[list[Raw]]:
            for chunk in chunks():  # found finite in the survey
                yield cut(as_array(chunk.features), chunk.size, found.shift)

    found = survey(frames(), settings.k, settings.seed)
    settings.check_init(init, len(found.shift))
    if init is not None:
        start = init.astype(np.float64) - found.shift
        return _refine(Passes(), found, settings, [start], 1.0, pool)
    starts = coarse_restarts(found, settings.k, settings.n_init, settings.seed, pool)
    return _refine(Passes(), found, settings, starts[:1], _STRIDE, pool)


def label_frames(
    frames: Floating, centers: Floating, size: tuple[int, int], pool: Workers
) -> NDArray[np.int32]:
    """Return the nearest of centers [K, D] for every pixel of frames, [F, H, W]."""
    labels = np.empty((len(frames), *size), np.int32)
    shift = centers.mean(0, dtype=np.float64)

    pieces = cut(frames, size, shift)

    def one(i: int) -> None:
        label_piece(pieces[i], centers - shift, labels[i * FRAMES : (i + 1) * FRAMES])

    for _ in pool.map(one, range(len(pieces))):
        pass
    return labels
