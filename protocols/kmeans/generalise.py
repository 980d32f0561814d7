"""k-means over a data set whose clusters and their labels come from other clips than are scored.

What is scored is generalisation: a patch takes the nearest centre, and that cluster's label was
matched where the centres were fitted. Nothing of the scored clips is learnt from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from tvseg_bench.benchmark.evaluation import RunContext, SharedCache
from tvseg_bench.benchmark.metrics.contingency import Contingency, merge
from tvseg_bench.benchmark.metrics.iou import class_counts
from tvseg_bench.benchmark.metrics.matching import UNMATCHED, Match, match
from tvseg_bench.benchmark.metrics.references import constant_table
from tvseg_bench.benchmark.types import VOID, Score
from tvseg_bench.protocols.common import scoring
from tvseg_bench.protocols.common.feature_sets import Subset, without_tokens
from tvseg_bench.protocols.common.ground_truth import label_kind, present_in
from tvseg_bench.protocols.common.splits import folds
from tvseg_bench.protocols.common.supervised import two_or_more
from tvseg_bench.protocols.kmeans.clusters import FittedClusters, cluster_all
from tvseg_bench.protocols.kmeans.position import Placed, placed, with_position
from tvseg_bench.protocols.kmeans.projection import fit
from tvseg_bench.protocols.kmeans.tables import clip_truth, tables_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from tvseg_bench.benchmark.clustering import Projection
    from tvseg_bench.benchmark.types import ClipFeatures, FeatureSet, LabelKind
    from tvseg_bench.protocols.kmeans import KMeansDatasetConfig
    from tvseg_bench.protocols.kmeans.projection import Tokens

OURS, CONSTANT, ORACLE = "", "constant/", "oracle/"


@dataclass(frozen=True, eq=False)
class CountedClip:
    """What is kept of a scored clip."""

    clip: ClipFeatures
    """Without tokens."""
    tables: dict[str, Contingency]
    """Its pixels by true and predicted label: ours, the constant map's and the oracle's."""
    place: Placed


@dataclass(frozen=True)
class LabelledClusters:
    """Clusters of some clips and the label of each, ready for other clips."""

    projection: Projection | None
    clusters: FittedClusters
    k: int
    matches: dict[str, Match]
    """The label of each cluster, of the constant map's and of the oracle's."""

    def project(self, clip: ClipFeatures) -> Tokens:
        """Return a clip's features as they were clustered."""
        return _projected(clip, self.projection)


def evaluate(features: FeatureSet, config: KMeansDatasetConfig, run: RunContext) -> Score:
    """Cluster and match the clips to learn from, label and score the others.

    Without a training split each half of the clips is scored by what was learnt from the other.

    Raises:
        NotApplicableError: too few clips, or fewer than two classes to learn from.
    """
    dataset = features.dataset
    kind = label_kind(dataset, "dataset", config.labels)
    kept = config.kept(len(features))
    if kept < len(features):
        features = Subset(features, tuple(range(kept)))
    run.recorder.on_begin("dataset", kind)
    counted: dict[int, CountedClip] = {}
    learnt = []
    for fold in folds(features, run.training, run.seed):
        label_kind(fold.train.dataset, "dataset", config.labels)
        found = learn(fold.train, kind, config, run.seed)
        for position, clip in zip(fold.positions, fold.test, strict=True):
            counted[position] = _count(clip, found, kind, config, run)
        learnt.append(
            {
                "clips": len(fold.train),
                "k": found.k,
                "empty_clusters": found.clusters.empty,
                "matched_to": found.matches[OURS].assigned.tolist(),
            }
        )
    rows = [counted[i] for i in range(len(features))]
    source = "halves" if run.training is None else run.training.dataset.split
    return _score(rows, kind, dataset.classes, dataset.card.background, config, source, learnt)


def learn(
    train: FeatureSet, kind: LabelKind, config: KMeansDatasetConfig, seed: int
) -> LabelledClusters:
    """Cluster all pixels of all clips together, and match the clusters to their labels.

    Raises:
        NotApplicableError: the clips hold fewer than two classes.
    """
    projection = fit(train, config.pca_dims) if config.pca_dims else None
    shared = SharedCache()  # the truth is read twice; these clips may be of another data set
    clips: list[ClipFeatures] = []
    tokens: list[Tokens] = []
    present: frozenset[int] = frozenset()
    for clip in train:
        clips.append(without_tokens(clip))
        tokens.append(_projected(clip, projection))
        present |= present_in(clip_truth(clip, kind, config, shared))
    two_or_more(np.array(sorted(present - {VOID}), np.int64), train)
    counted = present if config.k_labels == "all" else present - {VOID}
    k = config.clusters(len(counted), "dataset", train.dataset.card.name)
    found = cluster_all(tokens, k, seed, config, train.dataset.card.name)
    pairs = [
        tables_of(reduced, clip_truth(clip, kind, config, shared), found, VOID)
        for clip, reduced in zip(clips, tokens, strict=True)
    ]
    ours, oracle = merge(table for table, _ in pairs), merge(table for _, table in pairs)
    tables = {OURS: ours, CONSTANT: constant_table(ours), ORACLE: oracle}
    matches = {
        name: match(table, config.matching, config.unmatched) for name, table in tables.items()
    }
    matches[OURS] = completed(matches[OURS], np.arange(k), config)
    return LabelledClusters(projection, found, k, matches)


def completed(found: Match, clusters: ArrayLike, config: KMeansDatasetConfig) -> Match:
    """Return a match that knows these clusters as well: what it lacked is left over."""
    rest = 0 if config.unmatched == "background" else UNMATCHED
    every = np.union1d(found.clusters, np.asarray(clusters, np.int64))
    known = np.isin(every, found.clusters)
    return Match(every, np.where(known, found.apply(every), rest))


def relabelled(table: Contingency, found: Match) -> Contingency:
    """Return a table whose columns are the labels of the clusters, UNMATCHED among them.

    Labels that only a prediction has become rows without pixels.

    Example:
        >>> table = Contingency(np.array([0, 1]), np.array([3, 4]), np.array([[5, 1], [0, 2]]))
        >>> made = relabelled(table, Match(np.array([3, 4]), np.array([2, 2])))
        >>> made.labels.tolist(), made.clusters.tolist(), made.table.tolist()
        ([0, 1, 2], [2], [[6], [2], [0]])
    """
    given = found.apply(table.clusters)
    labels = np.unique(given)
    summed = table.table @ (given[:, None] == labels).astype(np.int64)
    made = Contingency(table.labels, labels, summed)
    return made.select(labels=np.union1d(table.labels, labels[labels != UNMATCHED]))


def _projected(clip: ClipFeatures, projection: Projection | None) -> Tokens:
    if projection is None:
        return np.asarray(clip.tokens, np.float32)
    return projection(clip.tokens)


def _count(
    clip: ClipFeatures,
    found: LabelledClusters,
    kind: LabelKind,
    config: KMeansDatasetConfig,
    run: RunContext,
) -> CountedClip:
    """Label the pixels of a clip and count them."""
    tokens, slim = found.project(clip), without_tokens(clip)
    run.recorder.on_features(slim, tokens)
    truth = clip_truth(clip, kind, config, SharedCache(limit=0))
    seen = partial(run.recorder.on_frame, slim)
    ours, oracle = tables_of(tokens, truth, found.clusters, VOID, seen)
    run.recorder.on_unit(slim, range(len(slim.frames)), found.matches[OURS])
    tables = {OURS: ours, CONSTANT: constant_table(ours), ORACLE: oracle}
    labelled = {
        name: relabelled(table, completed(found.matches[name], table.clusters, config))
        for name, table in tables.items()
    }
    place = placed(tokens, truth, found.clusters, sorted(present_in(truth)))
    return CountedClip(slim, labelled, place)


def _score(
    rows: Sequence[CountedClip],
    kind: LabelKind,
    classes: Sequence[str],
    background: int | None,
    config: KMeansDatasetConfig,
    source: str,
    learnt: Sequence[dict[str, Any]],
) -> Score:
    """Score the predicted labels of all clips together."""
    named = range(len(classes)) if config.absent_class == "zero" else None
    found = {}
    for name in (OURS, CONSTANT, ORACLE):
        table = merge(row.tables[name] for row in rows)
        as_is = Match(table.clusters, table.clusters)
        counts = class_counts(table, as_is)
        metrics = scoring.mean_ious(counts, config.absent_class, background, named)
        found[name] = (metrics, counts, as_is, table)
    metrics, counts, as_is, table = found[OURS]
    whole = scoring.UnitResult(
        metrics=metrics,
        references={
            name + metric: value
            for name in (CONSTANT, ORACLE)
            for metric, value in found[name][0].items()
        },
        counts=counts,
        match=as_is,
        table=table,
    )
    clips = [(row.clip, row.tables[OURS]) for row in rows]
    score = scoring.counted_score(
        whole, clips, kind, classes, training=source, learnt=list(learnt)
    )
    return with_position(score, [row.place for row in rows], config.averaged, together=None)
