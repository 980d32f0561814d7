"""Clustering of dense features: exact k-means on implicitly upsampled features, and PCA."""

from tvseg_bench.benchmark.clustering.faiss_reference import published_kmeans
from tvseg_bench.benchmark.clustering.interface import Chunk, KMeansResult
from tvseg_bench.benchmark.clustering.kmeans import (
    assign_upsampled,
    kmeans_streamed,
    kmeans_upsampled,
)
from tvseg_bench.benchmark.clustering.pca import Moments, Projection, fit_projection

__all__ = [
    "Chunk",
    "KMeansResult",
    "Moments",
    "Projection",
    "assign_upsampled",
    "fit_projection",
    "kmeans_streamed",
    "kmeans_upsampled",
    "published_kmeans",
]
