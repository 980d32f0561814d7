from __future__ import annotations

import sys

import numpy as np
import pytest

from tvseg_bench.benchmark.clustering import published_kmeans
from tvseg_bench.benchmark.errors import MissingExtraError, UsageError


def as_published(explicit, f, size, k, seed, spherical=False):
    import faiss

    pixels = explicit.pixels(f, size).astype(np.float32)
    kmeans = faiss.Kmeans(f.shape[-1], k, niter=50, nredo=5, seed=seed, spherical=spherical)
    kmeans.cp.min_points_per_centroid = 1
    kmeans.train(np.ascontiguousarray(pixels))
    return kmeans.index.search(pixels, 1)[1][:, 0], pixels, kmeans.centroids


@pytest.mark.parametrize(
    ("frames", "grid", "size", "k", "seed"),
    [
        (1, (8, 8), (64, 64), 3, 1),  # sampled: 4096 pixels > 768
        (4, (8, 8), (64, 64), 7, 1234),
        (2, (7, 9), (50, 61), 5, 1),  # non-integer factors
        (1, (6, 6), (12, 12), 4, 1),  # fewer pixels than 256 per cluster: all are used
    ],
)
def test_every_label_is_that_of_faiss_on_explicit_pixels(
    explicit, blobs, frames, grid, size, k, seed
):
    f = blobs(seed, frames, *grid, 16)
    ours = published_kmeans(f, size, k, seed=seed)
    labels, pixels, centroids = as_published(explicit, f, size, k, seed)
    np.testing.assert_array_equal(ours.labels.ravel(), labels)
    np.testing.assert_allclose(ours.centers, centroids, rtol=1e-6, atol=1e-6)
    assert ours.inertia == pytest.approx(
        explicit.distances(pixels, centroids).min(1).sum(), rel=1e-5
    )


def test_fewer_pixels_than_clusters_is_a_clear_error():
    with pytest.raises(UsageError, match="4 pixels cannot be put into 5 clusters"):
        published_kmeans(np.zeros((1, 2, 2, 3), np.float32), (2, 2), 5)


def test_without_faiss_the_extra_is_named(monkeypatch, blobs):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtraError, match=r"tvseg-bench\[cpu\]"):
        published_kmeans(blobs(0, 1, 3, 3, 3), (9, 9), 2)
