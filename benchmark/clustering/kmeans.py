"""k-means on bilinearly upsampled features, without upsampling them.

Upsampling U is linear and its rows sum to 1, so the score <x_p, c> - |c|^2 / 2 of a pixel is the
upsampled score of the patches, and the sum of a cluster's pixels is the features weighted by the
transposed upsampling of its mask. Lloyd's iteration on the pixels becomes one on patches: the
same labels and centres, at the cost of the patch grid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tvseg_bench.benchmark.clustering import interface, torch_backend
from tvseg_bench.benchmark.clustering.fit import fit_frames, fit_stream, label_frames
from tvseg_bench.benchmark.clustering.patch_sample import points_per_side, sample_patches
from tvseg_bench.benchmark.clustering.seeding import best_starts
from tvseg_bench.benchmark.clustering.threads import Workers, workers
from tvseg_bench.benchmark.errors import UsageError

Floats = NDArray[np.float64]
Backend = Literal["auto", "compiled", "torch"]


def kmeans_upsampled(
    features: interface.Features,
    size: tuple[int, int],
    k: int,
    *,
    n_init: int = 5,
    max_iter: int = 50,
    seed: int = 0,
    tol: float = 1e-5,
    init: interface.Floating | None = None,
    labels: Literal["pixels", "none"] = "pixels",
    backend: Backend = "auto",
    threads: int | None = None,
    name: str = "",
) -> interface.KMeansResult:
    """Cluster all pixels of the upsampled features into k; one clustering over all frames.

    Args:
        features: [F, h, w, D], float16, float32 or float64; float64 is computed in float64,
            everything else in float32 with float64 sums.
        size: (H, W) that the features are upsampled to (bilinear, half-pixel centres).
        n_init: how hard to search. That many greedy k-means++ restarts or more are made on the
            patches, the best quarter is tried on pixels, the best of those refined.
        max_iter: most Lloyd iterations on the pixels.
        tol: stop when an iteration lowers the inertia by no more than this part of it.
        init: [k, D] centres to start from. No restarts then, and exactly Lloyd's iteration; the
            search steps beyond the means to save iterations, and ends where Lloyd's would.
        labels: "pixels" for the label maps [F, H, W], "none" to leave them out.
        backend: "compiled" for the CPU, "torch" for batched torch on the features' device,
            "auto" for torch where they are on a CUDA device. Each repeats itself exactly; they
            agree up to rounding.
        threads: None for torch's number or the machine's; results do not depend on it.
        name: the clip, for messages.

    Raises:
        ModelError: features of another shape, or with NaN or infinity.
        UsageError: a count below 1, a size without pixels, init of another shape or not finite,
            a negative seed or an unknown backend.
    """
    settings = interface.FitSettings(k, n_init, max_iter, seed, tol)
    frames, device = interface.as_frames(features, name), _device(features, backend)
    height_width = interface.check_size(size)
    settings.check()
    if init is not None:
        interface.check_centers("init", init, k, frames.shape[3])
    maps = None
    with workers(threads) as pool:
        if device is None:
            fit = fit_frames(frames, height_width, settings, init, pool)
        else:
            fit = _fit_on_device(frames, height_width, settings, init, device, pool)
        centers = fit.centers.astype(frames.dtype)
        if labels == "pixels":
            maps = _label(frames, centers, height_width, device, pool, np.dtype(np.int32))
    return replace(fit, centers=centers, labels=maps)


def kmeans_streamed(
    chunks: Callable[[], Iterable[interface.Chunk]],
    k: int,
    *,
    n_init: int = 5,
    max_iter: int = 50,
    seed: int = 0,
    tol: float = 1e-5,
    init: interface.Floating | None = None,
) -> interface.KMeansResult:
    """Cluster the upsampled features of a stream that need not fit in memory.

    One pass samples patches, every iteration is one more; labels come from `assign_upsampled`,
    frame by frame. The centres are float32. Arguments not named here are those of
    `kmeans_upsampled`.

    Args:
        chunks: called once per pass; yields the same chunks in the same order every time.
            Grids and sizes may differ between chunks, dimensions may not.

    Memory: one chunk (the sampling holds three copies of it in float32, one in float64), a sample
    of max(2048, 32 k) patches, and per thread four frames, three arrays of h w x k and, in
    float64, one of k x D.
    """
    settings = interface.FitSettings(k, n_init, max_iter, seed, tol)
    settings.check()
    with workers() as pool:
        fit = fit_stream(chunks, settings, init, pool)
    return replace(fit, centers=fit.centers.astype(np.float32))


def assign_upsampled(
    features: interface.Features,
    centers: interface.Floating,
    size: tuple[int, int],
    dtype: DTypeLike = np.int32,
) -> NDArray[Any]:
    """Return the nearest of centers [K, D] for every upsampled pixel, [F, H, W].

    The lowest one on ties. Works frame by frame: one frame at a time gives the same labels.

    Args:
        dtype: of the labels, an integer type that holds K.

    Raises:
        ModelError: features of another shape than [F, h, w, D], or with NaN or infinity.
        UsageError: a size without pixels, or centres of other dimensions.
    """
    frames = interface.as_frames(features)
    height_width = interface.check_size(size)
    interface.check_centers("centers", centers, "k", frames.shape[3])
    with workers() as pool:
        device = interface.device_of(features)
        return _label(frames, centers, height_width, device, pool, np.dtype(dtype))


def _device(features: interface.Features, backend: Backend) -> str | None:
    """Return where torch is to compute, None for compiled code on the CPU."""
    if backend not in get_args(Backend):
        raise UsageError(f"unknown backend {backend!r}; known: {', '.join(get_args(Backend))}")
    if backend == "compiled":
        return None
    return interface.device_of(features) or ("cpu" if backend == "torch" else None)


def _label(
    frames: interface.Floating,
    centers: interface.Floating,
    size: tuple[int, int],
    device: str | None,
    pool: Workers,
    dtype: np.dtype[Any],
) -> NDArray[Any]:
    if device is not None:
        return torch_backend.label(frames, centers, size, device).astype(dtype, copy=False)
    return label_frames(frames, centers, size, pool, dtype)


def _fit_on_device(
    frames: interface.Floating,
    size: tuple[int, int],
    settings: interface.FitSettings,
    init: interface.Floating | None,
    device: str,
    pool: Workers,
) -> interface.KMeansResult:
    """Search starts on the host, refine the best ones together on the device."""
    k, n_init, seed = settings.k, settings.n_init, settings.seed
    sample = sample_patches([(frames, size)], k, seed, points_per_side(frames, size, k))
    if init is not None:
        starts = [init.astype(np.float64) - sample.shift]
    else:
        starts = best_starts(sample, k, n_init, seed, pool)[:n_init]
    return torch_backend.fit(frames, size, sample, starts, settings, device)
