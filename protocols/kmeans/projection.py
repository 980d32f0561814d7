"""Standardisation and PCA of features, over the scope that the configuration names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from tvseg_bench.benchmark.clustering import Moments, Projection, fit_projection

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tvseg_bench.benchmark.evaluation import SharedCache
    from tvseg_bench.benchmark.types import ClipFeatures, FeatureSet
    from tvseg_bench.protocols.kmeans.config import KMeansConfig, Scope

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
        features = FirstClips(features, kept)
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
            frames = [fit_projection(t, dims)(t) for t in clip.tokens]
            yield without_tokens(clip), np.stack(frames)
    else:
        for group in groups(features, size):
            shared = fit(group, dims)
            yield from ((without_tokens(c), shared(c.tokens)) for c in group)


class FirstClips:
    """The first clips of a feature set."""

    def __init__(self, features: FeatureSet, count: int) -> None:
        self.dataset, self.view = features.dataset, features.view
        self.patch_size = features.patch_size
        self._features, self._count = features, count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[ClipFeatures]:
        return islice(self._features, self._count)

    def __getitem__(self, index: int) -> ClipFeatures:
        return self._features[range(self._count)[index]]


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


def without_tokens(clip: ClipFeatures) -> ClipFeatures:
    """Drop the raw tokens, so that a list of clips costs no memory; a view would hold them."""
    return replace(clip, tokens=clip.tokens[:0].copy(), attention=None)
