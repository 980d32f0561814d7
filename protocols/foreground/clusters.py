"""Clusters of a data set's patches, and how far each lies within noisy foreground masks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.clustering import (
    Chunk,
    assign_upsampled,
    kmeans_streamed,
    published_kmeans,
)
from tvseg_bench.benchmark.clustering.foreground_clusters import (
    cluster_precision,
    count_pixels,
    heavy_mask,
)
from tvseg_bench.benchmark.types import ClipFeatures
from tvseg_bench.protocols.common.feature_sets import without_tokens
from tvseg_bench.protocols.common.resize import nearest_index, resize_nearest
from tvseg_bench.protocols.foreground import ForegroundConfig
from tvseg_bench.protocols.foreground.noisy_masks import mask_source, over_heads, saliency
from tvseg_bench.protocols.kmeans.projection import fit

Tokens = NDArray[np.float32]
"""[T, rows, cols, d]."""
Masks = NDArray[np.bool_]
"""[T, rows, cols]."""
Centers = NDArray[np.floating[Any]]
"""[k, d]."""

_SQUARE = 16
"""Side of the images into which loose points are laid: faiss takes 256 = 16 * 16 per cluster."""


@dataclass(frozen=True, eq=False)
class Clustered:
    """Clips whose patches were clustered together."""

    clips: tuple[ClipFeatures, ...]
    """Their raw tokens dropped."""
    tokens: tuple[Tokens, ...]
    """Projected."""
    noisy: tuple[Masks, ...]
    labels: tuple[NDArray[np.int32], ...]
    """[T, rows, cols] cluster of each patch."""
    centers: Centers
    precision: NDArray[np.float64]
    """[k] against the noisy masks at the size of the fit, NaN for an empty cluster."""
    source: str
    """Where the noisy masks come from."""

    @property
    def k(self) -> int:
        """Clusters, empty ones included."""
        return len(self.centers)

    def part(self, chosen: slice) -> Clustered:
        """Return some of the clips, with the clusters of all."""
        return replace(
            self,
            clips=self.clips[chosen],
            tokens=self.tokens[chosen],
            noisy=self.noisy[chosen],
            labels=self.labels[chosen],
        )


def clustered(clips: Iterable[ClipFeatures], config: ForegroundConfig, seed: int) -> Clustered:
    """Project, cluster and compare with noisy masks; `clips` is iterated twice.

    Raises:
        NotApplicableError: attention is asked for and the model has none.
    """
    project = fit(clips, config.pca_dims)
    slim: list[ClipFeatures] = []
    tokens: list[Tokens] = []
    attention: list[NDArray[np.float64] | None] = []
    for clip in clips:
        reduced = project(clip.tokens)
        tokens.append(_unit(reduced) if _scaled(config) else reduced)
        attention.append(over_heads(clip))
        slim.append(without_tokens(clip))
    source = mask_source(attention, config)
    noisy = [_heavy(maps, config) for maps in saliency(attention, tokens, source)]
    centers = _fit(tokens, config, config.first_seed + seed)
    return Clustered(
        clips=tuple(slim),
        tokens=tuple(tokens),
        noisy=tuple(noisy),
        labels=tuple(assign_upsampled(t, centers, _grid(t)) for t in tokens),
        centers=centers,
        precision=_precision(tokens, noisy, centers, config),
        source=source,
    )


def _heavy(maps: NDArray[np.floating[Any]], config: ForegroundConfig) -> Masks:
    """Return the noisy masks of saliency maps [T, rows, cols]."""
    return np.stack(
        [heavy_mask(m, config.mask_mass, config.mask_blur, config.mask_smallest) for m in maps]
    )


def _precision(
    tokens: Sequence[Tokens], noisy: Sequence[Masks], centers: Centers, config: ForegroundConfig
) -> NDArray[np.float64]:
    """Return the precision [k] of clusters: of the pixels that were clustered, not of patches.

    Between two patches, upsampled features pass through clusters that own no patch.
    """
    frames = (
        (label_map(frame, centers, size, config), resize_nearest(mask, size, "upper-left"), None)
        for t, masks in zip(tokens, noisy, strict=True)
        for size in [_counted_size(t, config)]
        for frame, mask in zip(t, masks, strict=True)
    )
    return cluster_precision(count_pixels(frames, len(centers)))


def label_map(
    tokens: NDArray[np.float32], centers: Centers, size: tuple[int, int], config: ForegroundConfig
) -> NDArray[np.int32]:
    """Return the nearest centre [H, W] of one frame's features [rows, cols, d] at a size."""
    labels: NDArray[np.int32]
    if config.upsample == "bilinear-features":
        labels = assign_upsampled(tokens[None], centers, size)[0]
        return labels
    grid = (tokens.shape[0], tokens.shape[1])
    labels = assign_upsampled(tokens[None], centers, grid)[0]
    return resize_nearest(labels, size, "upper-left")


def fit_patches(
    tokens: Sequence[Tokens], masks: Sequence[Masks], k: int, config: ForegroundConfig, seed: int
) -> Centers:
    """Return the centres of the patches within masks, at most as many as there are patches."""
    inside = [t[m] for t, m in zip(tokens, masks, strict=True)]
    points = np.concatenate(inside)
    k = min(k, len(points))
    if config.kmeans == "faiss-sampled":
        weights = np.concatenate([_pixels(m, config)[m] for m in masks])
        return _sampled(points, weights, k, config, seed, spherical=False)
    whole = len(points) // _SQUARE**2 * _SQUARE**2
    depth = points.shape[1]
    parts = (
        points[:whole].reshape(-1, _SQUARE, _SQUARE, depth),
        points[whole:].reshape(1, -1, 1, depth),
    )
    chunks = [Chunk(p, (p.shape[1], p.shape[2])) for p in parts if p.size]
    return _exact(chunks, k, config, seed)


def _fit(tokens: Sequence[Tokens], config: ForegroundConfig, seed: int) -> Centers:
    """Return the centres of all patches."""
    if config.kmeans == "faiss-sampled":
        points = np.concatenate([t.reshape(-1, t.shape[-1]) for t in tokens])
        weights = np.concatenate(
            [_pixels(np.ones(t.shape[:3], bool), config).ravel() for t in tokens]
        )
        spherical = config.distance == "spherical"
        return _sampled(points, weights, config.k, config, seed, spherical)
    chunks = [Chunk(t, _fit_size(t, config)) for t in tokens]
    return _exact(chunks, config.k, config, seed)


def _fit_size(tokens: Tokens, config: ForegroundConfig) -> tuple[int, int]:
    """Return the size at which features are clustered: 4x the patch grid, or the grid."""
    scale = 4 if config.upsample == "bilinear-features" else 1
    rows, cols = _grid(tokens)
    return scale * rows, scale * cols


def _counted_size(tokens: Tokens, config: ForegroundConfig) -> tuple[int, int]:
    """Return the size at which clusters meet the noisy masks."""
    if config.upsample == "nearest-labels" and config.score_size != "gt":
        return config.score_size, config.score_size
    return _fit_size(tokens, config)


def _exact(chunks: Sequence[Chunk], k: int, config: ForegroundConfig, seed: int) -> Centers:
    found = kmeans_streamed(
        lambda: chunks,
        k,
        n_init=config.n_init,
        max_iter=config.max_iter,
        tol=config.tol,
        seed=seed,
    )
    return _unit(found.centers) if _scaled(config) else found.centers


def _sampled(
    points: NDArray[np.float32],
    weights: NDArray[np.int64],
    k: int,
    config: ForegroundConfig,
    seed: int,
    spherical: bool,
) -> Centers:
    """Return the centres that faiss finds on a random 256 · k of the pixels that patches cover.

    Args:
        points: [n, d] features of patches.
        weights: [n] pixels that each patch covers.
    """
    last = np.cumsum(weights)
    pixels, wanted = int(last[-1]), _SQUARE**2 * k
    if pixels > wanted:
        drawn = np.random.default_rng(seed).choice(pixels, wanted, replace=False)
    else:
        drawn = np.arange(pixels)
    sample = points[np.searchsorted(last, drawn, side="right")]
    side = _SQUARE if pixels >= wanted else 1
    found = published_kmeans(
        sample.reshape(-1, side, side, points.shape[1]),
        (side, side),
        min(k, pixels),
        niter=config.max_iter,
        nredo=config.n_init,
        seed=seed,
        spherical=spherical,
    )
    return found.centers


def _pixels(masks: Masks, config: ForegroundConfig) -> NDArray[np.int64]:
    """Return how many pixels [T, rows, cols] a nearest upsampling makes of each patch."""
    rows, cols = masks.shape[1:]
    if config.score_size == "gt":
        return np.ones(masks.shape, np.int64)
    tall, wide = (
        np.bincount(nearest_index(n, config.score_size, "upper-left"), minlength=n)
        for n in (rows, cols)
    )
    return np.broadcast_to(np.outer(tall, wide), masks.shape)


def _scaled(config: ForegroundConfig) -> bool:
    return config.distance == "spherical" and config.kmeans == "exact"


def _unit(vectors: NDArray[Any]) -> NDArray[Any]:
    """Scale vectors [..., d] to unit length; 0 stays 0."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: NDArray[Any] = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
    return unit


def _grid(tokens: NDArray[Any]) -> tuple[int, int]:
    return int(tokens.shape[1]), int(tokens.shape[2])
