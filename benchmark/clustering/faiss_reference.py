"""The labels that faiss gives as published, without upsampling the features.

TimeT (clustering.py), Leopart and their descendants upsample all features in float64, cast to
float32, train `faiss.Kmeans` on the pixels and assign all of them. faiss trains on a random
subset of 256 pixels per cluster: only these need their features.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.clustering import interface
from tvseg_bench.benchmark.clustering.kmeans import assign_upsampled
from tvseg_bench.benchmark.clustering.lloyd import blocks_of, cluster_sums
from tvseg_bench.benchmark.clustering.threads import workers
from tvseg_bench.benchmark.clustering.upsampling import Grid, grid
from tvseg_bench.benchmark.errors import MissingExtraError, UsageError

_POINTS_PER_CENTROID = 256


def published_kmeans(
    features: interface.Features,
    size: tuple[int, int],
    k: int,
    *,
    niter: int = 50,
    nredo: int = 5,
    seed: int = 1,
    spherical: bool = False,
    name: str = "",
) -> interface.KMeansResult:
    """Cluster upsampled features [F, h, w, D] into k as `faiss.Kmeans` does by default.

    Source: TimeT clustering.py, `faiss.Kmeans(50, k, niter=50, nredo=5, seed=1)` on the pixels
    of size (H, W), subsampled by faiss to 256 per cluster, then an exact search for all pixels.

    Raises:
        MissingExtraError: faiss is not installed.
        ModelError: features of another shape, or with NaN or infinity.
        UsageError: fewer pixels than clusters, or a count below 1.
    """
    frames = interface.as_frames(features, name).astype(np.float32, copy=False)
    interface.FitSettings(k, nredo, niter, seed, 0.0).check()
    height, width = interface.check_size(size)
    shape = grid((frames.shape[1], frames.shape[2]), (height, width))
    pixels = len(frames) * shape.pixels
    if pixels < k:
        raise UsageError(
            f"{pixels} pixels cannot be put into {k} clusters by faiss; "
            f"give k={pixels} or less, or a larger size"
        )
    faiss = load_faiss("the published k-means")
    kmeans = faiss.Kmeans(
        frames.shape[3], k, niter=niter, nredo=nredo, seed=seed, spherical=spherical
    )
    kmeans.cp.min_points_per_centroid = 1
    kmeans.train(gather(frames, shape, sampled_pixels(faiss, pixels, k, seed)))
    centers: interface.Floating = np.array(kmeans.centroids, np.float32).reshape(k, -1)
    labels = assign_upsampled(frames, centers, (height, width))
    inertia, empty = _outcome(frames, shape, centers)
    return interface.KMeansResult(centers, inertia, niter, False, empty, labels)


def sampled_pixels(faiss: Any, pixels: int, k: int, seed: int) -> NDArray[np.int64]:
    """Return the flat ids of the pixels that faiss would train on, in its order."""
    wanted = _POINTS_PER_CENTROID * k
    if pixels <= wanted:
        return np.arange(pixels)
    order = np.empty(pixels, np.int32)
    faiss.rand_perm(faiss.swig_ptr(order), pixels, seed)
    return order[:wanted].astype(np.int64)


def gather(frames: interface.Floating, shape: Grid, ids: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the upsampled features of the flat pixel ids [n], float32 [n, D]."""
    frame, rest = np.divmod(ids, shape.pixels)
    y, x = np.divmod(rest, shape.x.size)
    ty, tx = shape.y.t[y][:, None], shape.x.t[x][:, None]
    top, bottom = shape.y.lo[y], shape.y.hi[y]
    left, right = shape.x.lo[x], shape.x.hi[x]
    above = frames[frame, top, left] * (1.0 - tx) + frames[frame, top, right] * tx
    below = frames[frame, bottom, left] * (1.0 - tx) + frames[frame, bottom, right] * tx
    return (above * (1.0 - ty) + below * ty).astype(np.float32)


def _outcome(
    frames: interface.Floating, shape: Grid, centers: interface.Floating
) -> tuple[float, int]:
    """Return the inertia and the number of empty clusters, by one implicit pass."""
    shift = frames.mean((0, 1, 2), dtype=np.float64)
    moved = centers - shift
    with workers() as pool:
        blocks = blocks_of(frames, (shape.y.size, shape.x.size), shift)
        now = cluster_sums([blocks], pool, moved)
    norm = shape.squared_norm(frames - shift.astype(np.float32))
    return max(norm - 2.0 * now.best, 0.0), int((now.counts == 0).sum())


def load_faiss(purpose: str) -> Any:
    """Return the module faiss; MissingExtraError names the purpose where it is not installed."""
    import torch  # noqa: F401  # before faiss: the other order crashes where both bring OpenMP

    try:
        import faiss
    except ImportError as error:
        raise MissingExtraError("faiss", "cpu", purpose) from error
    return faiss
