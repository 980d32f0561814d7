"""Pixels of clips by true label and cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tvseg_bench.benchmark.metrics.contingency import Contingency, contingency, merge
from tvseg_bench.protocols.common.ground_truth import FrameTruth, shared_truth

if TYPE_CHECKING:
    from tvseg_bench.benchmark.evaluation import SharedCache
    from tvseg_bench.benchmark.types import ClipFeatures, LabelKind, Labels
    from tvseg_bench.protocols.kmeans import KMeansConfig
    from tvseg_bench.protocols.kmeans.clusters import FittedClusters
    from tvseg_bench.protocols.kmeans.projection import Tokens

Seen = Callable[[int, "Labels", "Labels", tuple[int, int], Contingency], object]
"""Called with position, clusters, truth, grid and table of a frame."""


def clip_truth(
    clip: ClipFeatures, kind: LabelKind, config: KMeansConfig, shared: SharedCache
) -> Sequence[FrameTruth]:
    """Return the ground truth of a clip's frames."""
    how = (kind, config.labels, config.score_size, config.mask_resize)
    return shared_truth(clip, *how, shared)


def tables_of(
    tokens: Tokens,
    truth: Sequence[FrameTruth],
    found: FittedClusters,
    void: int | None,
    seen: Seen | None = None,
    start: int = 0,
) -> tuple[Contingency, Contingency]:
    """Return the contingency of the clusters and of the patch-grid oracle over some frames.

    Args:
        tokens: [T, rows, cols, d], as they were clustered.
        void: the label that is not counted, None where all are.
        seen: is shown each frame, numbered from `start` on.
    """
    rows, cols = tokens.shape[1:3]
    clusters, oracle = [], []
    maps = found.maps(tokens, (true.mask.shape for true in truth))
    for t, (labels, true) in enumerate(zip(maps, truth, strict=True), start):
        clusters.append(contingency(true.mask, labels, void=void))
        oracle.append(true.oracle((rows, cols), "all" if void is None else "labels"))
        if seen is not None:
            seen(t, labels, true.mask, (rows, cols), clusters[-1])
    return merge(clusters), merge(oracle)
