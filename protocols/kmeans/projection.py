"""Standardisation and PCA of features, over the scope that the configuration names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.clustering import Moments, Projection, fit_projection
from tvseg_bench.benchmark.clustering.threads import workers
from tvseg_bench.benchmark.evaluation import SharedCache
from tvseg_bench.benchmark.types import ClipFeatures, FeatureSet
from tvseg_bench.protocols.common.feature_sets import Subset, without_tokens
from tvseg_bench.protocols.kmeans import KMeansConfig, Scope

Tokens = NDArray[np.float32]
"""[T, rows, cols, d]."""


def projected(
    features: FeatureSet, config: KMeansConfig, scope: Scope, shared: SharedCache
) -> Iterator[tuple[ClipFeatures, Tokens]]:
    """Yield every clip (its raw tokens dropped) with its features as k-means wants them.

    The statistics come from the frame, the clip, `batch_clips` clips or the whole data set, which
    then is read twice; one batch of clips is held at a time. What an earlier evaluation of the
    feature set left in the cache is not made again: if that is every clip, nothing is read.
    """
    kept = config.kept(len(features))
    if kept < len(features):
        features = Subset(features, tuple(range(kept)))
    wanted = scope if config.pca_scope == "unit" else config.pca_scope
    group = {"batch": config.batch_clips, "dataset": kept}.get(wanted, 1)
    keys = [
        ("projected", config.pca_dims, wanted, name, fitted)
        for name, fitted in _fitted_on(
            [clip.name for clip in features.dataset.clips[:kept]], group
        )
    ]
    if all(key in shared for key in keys):
        yield from (shared.get(key, _missing, _size) for key in keys)
        return
    for key, made in zip(keys, _made(features, config.pca_dims, wanted, group), strict=True):
        yield shared.get(key, lambda made=made: made, _size)  # type: ignore[misc]


def _fitted_on(names: Sequence[str], group: int) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each clip with those that the statistics are fitted on, its own group's."""
    for start in range(0, len(names), max(1, group)):
        fitted = tuple(names[start : start + group])
        yield from ((name, fitted) for name in fitted)


def _missing() -> tuple[ClipFeatures, Tokens]:
    raise AssertionError("a shared cache drops nothing")


def _size(made: tuple[ClipFeatures, Tokens]) -> int:
    return made[1].nbytes


def _made(
    features: FeatureSet, dims: int, wanted: str, size: int
) -> Iterator[tuple[ClipFeatures, Tokens]]:
    """Read, fit and project, clip by clip."""
    if dims == 0:
        yield from ((without_tokens(c), np.asarray(c.tokens, np.float32)) for c in features)
    elif wanted == "dataset":
        shared = fit(features, dims)
        yield from ((without_tokens(c), shared(c.tokens)) for c in features)
    elif wanted == "frame":
        for clip in features:
            with workers() as pool:
                frames = list(pool.map(lambda t: fit_projection(t, dims)(t), clip.tokens))
            yield without_tokens(clip), np.stack(frames)
    else:
        for group in groups(features, size):
            shared = fit(group, dims)
            yield from ((without_tokens(c), shared(c.tokens)) for c in group)


def fit(clips: Iterable[ClipFeatures], dims: int) -> Projection:
    """Fit standardisation and PCA on every token of the clips, in one pass."""
    moments = Moments()
    for clip in clips:
        moments.update(clip.tokens.reshape(-1, clip.tokens.shape[-1]))
    return moments.projection(dims)


def groups(clips: Iterable[ClipFeatures], size: int) -> Iterator[list[ClipFeatures]]:
    """Yield lists of `size` clips, the last one shorter."""
    source = iter(clips)
    while group := list(islice(source, size)):
        yield group
