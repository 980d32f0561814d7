"""Fully unsupervised semantic segmentation: the extracted foreground divided into classes.

Leopart (arXiv 2204.13101): parts that neighbour each other form an object; TimeT (arXiv
2308.11796): k-means on features whose background is set to 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.errors import NotApplicableError
from tvseg_bench.benchmark.evaluation import Recorder, RunContext
from tvseg_bench.benchmark.metrics.contingency import Contingency, contingency, merge
from tvseg_bench.benchmark.metrics.matching import Match
from tvseg_bench.benchmark.metrics.references import patch_grid_oracle
from tvseg_bench.benchmark.types import VOID, Dataset, FeatureSet, LabelKind, Score
from tvseg_bench.protocols.common import scoring
from tvseg_bench.protocols.common.feature_sets import MaskedFeatures
from tvseg_bench.protocols.common.ground_truth import distinct, label_kind, read_truth
from tvseg_bench.protocols.foreground import ForegroundClassesConfig, communities
from tvseg_bench.protocols.foreground.clusters import Centers, Clustered, fit_patches, label_map
from tvseg_bench.protocols.kmeans import KMeansDatasetConfig
from tvseg_bench.protocols.kmeans.evaluation import KMeansDataset

BACKGROUND = 0
"""The segment of everything that is no foreground; communities count from 1."""


def score_classes(
    features: FeatureSet,
    found: Clustered,
    pool: Clustered,
    chosen: NDArray[np.bool_],
    config: ForegroundClassesConfig,
    details: dict[str, Any],
    run: RunContext,
) -> Score:
    """Divide the foreground of all clips into classes and match them to the ground truth's.

    Args:
        pool: the clips that were clustered together, `found` among them.
        chosen: [k] which clusters are foreground.

    Raises:
        NotApplicableError: the data set has fewer than two classes of objects.
    """
    if config.grouping == "kmeans":
        masked = MaskedFeatures(features, [chosen[ids] for ids in found.labels])
        alone = replace(run, shared=None)  # others want the features unmasked
        score = KMeansDataset(_kmeans_config(config), diagnosed=False).evaluate(masked, alone)
        return replace(score, details={**score.details, **details})
    dataset = features.dataset
    kind = label_kind(dataset, "dataset", "card")
    wanted = _wanted(found, dataset, kind, config)
    parts = _parts(pool, chosen, config, run.seed)
    occurrence = communities.cooccurrence(parts.maps(pool), parts.k, config.angles)
    graph = communities.part_graph(occurrence, config.weight_threshold)
    members = _communities(graph, wanted, config, run.seed)
    details |= {
        "labels": kind,
        "parts": parts.k,
        "edges": int(np.count_nonzero(graph)) // 2,
        "communities": [int(m.max(initial=-1)) + 1 for m in members],
    }
    run.recorder.on_begin("dataset", kind)
    tables = [_table(found, i, parts, kind, config, run.recorder) for i in range(len(found.clips))]
    return _score(dataset, found, tables, members, config, details, run.recorder)


def check_classes(dataset: Dataset) -> None:
    """Refuse, before anything is computed, what cannot be scored.

    Raises:
        NotApplicableError: the data set has no labels that mean the same in every clip, or names
            fewer than two classes of objects.
    """
    label_kind(dataset, "dataset", "card")
    if dataset.classes:
        _two_or_more(set(range(len(dataset.classes))), dataset)


def check_installed(config: ForegroundClassesConfig) -> None:
    """Refuse, before anything is computed, what needs a package that is not there.

    Raises:
        MissingExtraError: the package for the communities is not installed.
    """
    if config.grouping == "communities" and config.communities == "infomap":
        communities.need_infomap()


def _communities(
    graph: NDArray[np.float64], wanted: int, config: ForegroundClassesConfig, seed: int
) -> list[NDArray[np.int64]]:
    """Return the community of each part, once per run."""
    if config.communities == "greedy-modularity":
        return [communities.greedy_modularity(graph, wanted)]
    first = seed * config.runs
    return communities.infomap_communities(
        graph,
        communities=wanted,
        markov_time=config.markov_time,
        seeds=range(first, first + config.runs),
    )


@dataclass(frozen=True, eq=False)
class _Parts:
    """Clusters of the foreground alone."""

    centers: Centers | None
    """[k, d]; None where nothing is foreground."""
    foreground: Centers
    """Centres of the clusters that tell foreground from background."""
    chosen: NDArray[np.bool_]
    config: ForegroundClassesConfig

    @property
    def k(self) -> int:
        """How many there are."""
        return 0 if self.centers is None else len(self.centers)

    def label(self, tokens: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.int32]:
        """Return the part [H, W] of each pixel of one frame, NO_PART in the background."""
        inside = self.chosen[label_map(tokens, self.foreground, size, self.config)]
        if self.centers is None:
            return np.full(size, communities.NO_PART, np.int32)
        return np.where(
            inside, label_map(tokens, self.centers, size, self.config), communities.NO_PART
        )

    def maps(self, pool: Clustered) -> Iterator[NDArray[np.int32]]:
        """Yield every frame at the size at which neighbours are counted."""
        side = self.config.score_size
        for tokens in pool.tokens:
            size = (tokens.shape[1], tokens.shape[2]) if side == "gt" else (side, side)
            yield from (self.label(frame, size) for frame in tokens)


def _parts(
    pool: Clustered, chosen: NDArray[np.bool_], config: ForegroundClassesConfig, seed: int
) -> _Parts:
    masks = [chosen[ids] for ids in pool.labels]
    centers = None
    if any(mask.any() for mask in masks):
        start = config.first_seed + seed
        centers = fit_patches(pool.tokens, masks, config.parts, config, start)
    return _Parts(centers, pool.centers, chosen, config)


def _wanted(
    found: Clustered, dataset: Dataset, kind: LabelKind, config: ForegroundClassesConfig
) -> int:
    """Return how many communities are asked for."""
    seen: set[int] = set()
    for clip in found.clips:
        seen |= distinct(read_truth(clip, kind, "card", config.score_size))
    objects = _two_or_more(seen - {VOID}, dataset)
    return len(objects) if config.n_communities == "gt" else config.n_communities


def _two_or_more(labels: set[int], dataset: Dataset) -> set[int]:
    """Return the labels of objects, if there is anything to divide the foreground into."""
    objects = labels - {dataset.card.background}
    if len(objects) < 2:
        raise NotApplicableError(
            f"{dataset.card.name}:{dataset.split} holds fewer than two classes of objects, so "
            "there is nothing to divide the foreground into; choose the protocol foreground"
        )
    return objects


def _table(
    found: Clustered,
    index: int,
    parts: _Parts,
    kind: LabelKind,
    config: ForegroundClassesConfig,
    recorder: Recorder,
) -> tuple[Contingency, Contingency]:
    """Return the contingency of the parts (from 1) and of the patch-grid oracle over a clip."""
    tokens = found.tokens[index]
    grid = (tokens.shape[1], tokens.shape[2])
    clip = found.clips[index]
    truth = read_truth(clip, kind, "card", config.score_size)
    ours = []
    for t, (frame, true) in enumerate(zip(tokens, truth, strict=True)):
        shown = parts.label(frame, (true.shape[0], true.shape[1])) + 1
        ours.append(contingency(true, shown))
        recorder.on_frame(clip, t, shown, true, grid, ours[-1])
    recorder.on_features(clip, tokens)
    return merge(ours), merge(contingency(t, patch_grid_oracle(t, grid)) for t in truth)


def joined(table: Contingency, member: NDArray[np.int64]) -> Contingency:
    """Return the table of communities: column 0 stays, part i goes to member[i - 1] + 1.

    Example:
        >>> table = Contingency(np.arange(1), np.array([0, 1, 3]), np.array([[5, 2, 4]]))
        >>> joined(table, np.array([0, 1, 0])).table.tolist()
        [[5, 6]]
    """
    segment = np.concatenate([[BACKGROUND], member + 1])[table.clusters]
    ids, column = np.unique(segment, return_inverse=True)
    summed = np.zeros((len(ids), len(table.labels)), np.int64)
    np.add.at(summed, column, table.table.T)
    return Contingency(table.labels, ids, summed.T)


def _score(
    dataset: Dataset,
    found: Clustered,
    tables: Sequence[tuple[Contingency, Contingency]],
    members: Sequence[NDArray[np.int64]],
    config: ForegroundClassesConfig,
    details: dict[str, Any],
    recorder: Recorder,
) -> Score:
    """Score every run; rows, references and classes are those of the first."""
    ours, oracle = merge(t for t, _ in tables), merge(o for _, o in tables)
    runs = [_unit(joined(ours, member), oracle, dataset, config) for member in members]
    first = runs[0]
    assert first.table is not None
    assert first.match is not None
    segments = np.concatenate([[BACKGROUND], members[0] + 1])
    matched = Match(np.arange(len(segments)), first.match.apply(segments))
    rows = []
    for clip, (table, _) in zip(found.clips, tables, strict=True):
        recorder.on_unit(clip, range(len(clip.frames)), matched)
        rows.append(scoring.counted_row(clip, joined(table, members[0]), first.table, first.match))
    return Score(
        metrics={name: scoring.mean(run.metrics[name] for run in runs) for name in first.metrics},
        clips=rows,
        resample="counts",
        references=first.references,
        per_class=scoring.per_class([first.counts], dataset.classes),
        details={
            **details,
            "miou_of_runs": [run.metrics["miou"] for run in runs],
            "segments": first.table.clusters.tolist(),
            "matched_to": first.match.assigned.tolist(),
        },
    )


def _unit(
    table: Contingency, oracle: Contingency, dataset: Dataset, config: ForegroundClassesConfig
) -> scoring.UnitResult:
    if config.absent_class == "zero":
        named = np.union1d(table.labels, np.arange(len(dataset.classes)))
        table, oracle = table.select(labels=named), oracle.select(labels=named)
    return scoring.score_unit(table, oracle, _kmeans_config(config), dataset.card.background)


def _kmeans_config(config: ForegroundClassesConfig) -> KMeansDatasetConfig:
    """Return the same conventions in the words of `kmeans-dataset`."""
    return KMeansDatasetConfig(
        pca_dims=config.pca_dims,
        kmeans=config.kmeans,
        fit_size="grid-x4" if config.score_size == "gt" else config.score_size,
        n_init=config.n_init,
        max_iter=config.max_iter,
        tol=config.tol,
        first_seed=config.first_seed,
        score_size=config.score_size,
        unmatched=config.unmatched,
        absent_class=config.absent_class,
    )
