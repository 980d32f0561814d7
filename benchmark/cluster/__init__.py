"""Clustering of dense features: exact k-means on implicitly upsampled features, and PCA."""

from tvseg_bench.benchmark.cluster.kmeans import (
    assign_upsampled,
    kmeans_streamed,
    kmeans_upsampled,
    kmeans_upsampled_batch,
)
from tvseg_bench.benchmark.cluster.pca import Moments, Projection, fit_projection
from tvseg_bench.benchmark.cluster.published import published_kmeans
from tvseg_bench.benchmark.cluster.results import Chunk, KMeansResult

__all__ = [
    "Chunk",
    "KMeansResult",
    "Moments",
    "Projection",
    "assign_upsampled",
    "fit_projection",
    "kmeans_streamed",
    "kmeans_upsampled",
    "kmeans_upsampled_batch",
    "published_kmeans",
]
