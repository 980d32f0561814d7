"""Centres of the k-means family, exact or as faiss gives them, and the labels that follow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import groupby, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark import clustering
from tvseg_bench.benchmark.evaluation import SharedCache
from tvseg_bench.protocols.common.resize import resize_nearest
from tvseg_bench.protocols.kmeans import KMeansConfig
from tvseg_bench.protocols.kmeans.projection import Tokens

_FRAMES = 16
"""Frames that are labelled together."""


@dataclass(frozen=True)
class FittedClusters:
    """Centres of one clustering, ready to label frames at any size."""

    centers: NDArray[np.floating[Any]]
    empty: int
    config: KMeansConfig

    def maps(
        self, tokens: Tokens, sizes: Iterable[tuple[int, ...]]
    ) -> Iterator[NDArray[np.integer[Any]]]:
        """Yield the labels of one frame after the other, each at its size (H, W)."""
        nearest = self.config.upsample == "labels-nearest"
        narrow = np.min_scalar_type(len(self.centers))
        for part, wanted in _alike(tokens, sizes):
            height, width = part.shape[1:3] if nearest else wanted
            maps = clustering.assign_upsampled(part, self.centers, (height, width), narrow)
            for labels in maps:
                yield resize_nearest(labels, wanted, "upper-left") if nearest else labels

    def patches(self, tokens: Tokens) -> NDArray[np.integer[Any]]:
        """Return the nearest centre [T, rows, cols] of every patch."""
        narrow = np.min_scalar_type(len(self.centers))
        rows, cols = tokens.shape[1:3]
        parts = [
            clustering.assign_upsampled(
                tokens[t : t + _FRAMES], self.centers, (rows, cols), narrow
            )
            for t in range(0, len(tokens), _FRAMES)
        ]
        return np.concatenate(parts)


def _alike(
    tokens: Tokens, sizes: Iterable[tuple[int, ...]]
) -> Iterator[tuple[Tokens, tuple[int, ...]]]:
    """Yield some frames in a row that are wanted at one size, and that size."""
    frames = zip(tokens, sizes, strict=True)
    for size, group in groupby(frames, key=lambda frame: frame[1]):
        while some := [frame for frame, _ in islice(group, _FRAMES)]:
            yield np.stack(some), size


def _fit_size(tokens: Tokens, config: KMeansConfig) -> tuple[int, int]:
    """Return the size to which features are upsampled for fitting."""
    rows, cols = tokens.shape[1:3]
    if config.fit_size == "grid":
        return rows, cols
    if config.fit_size == "grid-x4":
        return 4 * rows, 4 * cols
    return config.fit_size, config.fit_size


def cluster_frames(
    tokens: Tokens, k: int, seed: int, config: KMeansConfig, name: str
) -> FittedClusters:
    """Cluster frames [T, rows, cols, d] of one shape."""
    size, start = _fit_size(tokens, config), config.first_seed + seed
    if config.kmeans == "faiss-sampled":
        drawn = clustering.published_kmeans(
            tokens, size, k, niter=config.max_iter, nredo=config.n_init, seed=start, name=name
        )
        return FittedClusters(drawn.centers, drawn.empty, config)
    exact = clustering.kmeans_upsampled(
        tokens,
        size,
        k,
        n_init=config.n_init,
        max_iter=config.max_iter,
        tol=config.tol,
        seed=start,
        labels="none",
        name=name,
    )
    return FittedClusters(exact.centers, exact.empty, config)


def cluster_unit(
    tokens: Tokens,
    k: int,
    seed: int,
    config: KMeansConfig,
    name: str,
    shared: SharedCache | None,
) -> FittedClusters:
    """Cluster a frame or a clip, unless another protocol has clustered the same features so.

    Args:
        tokens: [T, rows, cols, d] of the unit.
        name: of the clip, for messages.
        shared: what evaluations share; None = nothing.
    """
    values = np.ascontiguousarray(tokens)
    content = (values.shape, str(values.dtype), blake2b(values.data).hexdigest())
    how = (config.kmeans, config.fit_size, config.n_init, config.max_iter, config.tol)
    found = (shared or SharedCache(limit=0)).get(
        ("clusters", *content, k, config.first_seed + seed, *how),
        lambda: cluster_frames(tokens, k, seed, config, name),
        lambda made: made.centers.nbytes,
    )
    return replace(found, config=config)


def cluster_all(
    tokens: Sequence[Tokens], k: int, seed: int, config: KMeansConfig, name: str
) -> FittedClusters:
    """Cluster clips of any shapes together."""
    if config.kmeans == "faiss-sampled":
        return cluster_frames(np.concatenate(list(tokens)), k, seed, config, name)
    result = clustering.kmeans_streamed(
        lambda: (clustering.Chunk(t, _fit_size(t, config)) for t in tokens),
        k,
        n_init=config.n_init,
        max_iter=config.max_iter,
        tol=config.tol,
        seed=config.first_seed + seed,
    )
    return FittedClusters(result.centers, result.empty, config)
