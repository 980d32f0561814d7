"""k-means on dense features, matched to the ground truth: one machinery for every scope.

The scope says which pixels share one clustering and one matching: a frame, a clip, the data set
(TimeT, arXiv 2308.11796, calls them frame-wise, sample-wise and dataset-wise).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tvseg_bench.benchmark.cluster import (
    Chunk,
    assign_upsampled,
    kmeans_streamed,
    kmeans_upsampled,
    published_kmeans,
)
from tvseg_bench.benchmark.errors import NotApplicableError
from tvseg_bench.benchmark.metrics.contingency import Contingency, contingency, merge
from tvseg_bench.benchmark.metrics.iou import class_counts
from tvseg_bench.benchmark.references import oracle_table
from tvseg_bench.benchmark.types import VOID, Score, UnitScore, View
from tvseg_bench.protocols.kmeans_features import projected
from tvseg_bench.protocols.kmeans_score import (
    METRICS,
    UnitResult,
    aligned,
    average,
    average_rows,
    counts_row,
    mean,
    per_class,
    score_unit,
    silent,
)
from tvseg_bench.protocols.truth import distinct, label_kind, read_truth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tvseg_bench.benchmark.types import ClipFeatures, Dataset, FeatureSet, LabelKind, Labels
    from tvseg_bench.protocols.kmeans_config import KMeansConfig, Scope
    from tvseg_bench.protocols.kmeans_features import Tokens


@dataclass(frozen=True)
class Found:
    """Centres of one clustering, ready to label frames at any size."""

    centers: NDArray[np.floating[Any]]
    empty: int
    config: KMeansConfig

    def maps(self, tokens: Tokens, truth: Sequence[Labels]) -> Iterator[NDArray[np.int32]]:
        """Yield the labels of one frame after the other, at the size of its truth."""
        nearest = self.config.upsample == "labels-nearest"
        for frame, true in zip(tokens, truth, strict=True):
            size = frame.shape[:2] if nearest else true.shape
            labels = assign_upsampled(frame[None], self.centers, size)[0]
            yield _repeated(labels, true.shape) if nearest else labels


@dataclass(frozen=True)
class KMeansUnits:
    """Frames or clips, each clustered and matched on its own."""

    config: KMeansConfig
    scope: Scope
    passes: int = 1

    def view(self, dataset: Dataset) -> View:
        """Return what the model is shown."""
        return self.config.view(dataset)

    def __call__(self, features: FeatureSet, *, seed: int) -> Score:
        """Cluster, match and score every unit; average them per clip and over the clips."""
        dataset, config = features.dataset, self.config
        kind = label_kind(dataset, self.scope, config.labels)
        clips: list[UnitScore] = []
        frames: list[UnitScore] = []
        rows: list[list[UnitResult]] = []
        for clip, tokens in projected(features, config, self.scope):
            units = self._units(clip, tokens, kind, seed, dataset)
            rows.append(units)
            clips.append(_clip_row(clip, units, self.scope))
            if self.scope == "frame":
                frames += [
                    unit.row(clip.clip.name, t) for unit, t in zip(units, clip.frames, strict=True)
                ]
        metrics = {m: average([c.metrics[m] for c in clips], config) for m in METRICS}
        if metrics["miou"] is None:
            raise NotApplicableError(
                f"no {self.scope} of {dataset.card.name}:{dataset.split} holds two classes, so "
                "there is nothing to tell apart; choose another data set"
            )
        every = [unit for units in rows for unit in units]
        return Score(
            metrics=metrics,
            clips=clips,
            frames=frames,
            references=average_rows(rows, config),
            per_class=per_class(every, dataset.classes) if kind == "semantic" else {},
            details={
                "labels": kind,
                "units": len(every),
                "units_scored": sum(unit.scored for unit in every),
                "units_left_out": sum(not unit.scored for unit in every),
                "empty_clusters": sum(unit.empty for unit in every),
            },
        )

    def _units(
        self, clip: ClipFeatures, tokens: Tokens, kind: LabelKind, seed: int, dataset: Dataset
    ) -> list[UnitResult]:
        """Return the results of the frames of a clip, or the one of the clip."""
        config = self.config
        truth = read_truth(clip, kind, config.labels, config.score_size, config.mask_resize)
        n = len(truth)
        parts = [slice(i, i + 1) for i in range(n)] if self.scope == "frame" else [slice(0, n)]
        return [self._unit(clip, tokens[p], truth[p], seed, dataset) for p in parts]

    def _unit(
        self,
        clip: ClipFeatures,
        tokens: Tokens,
        truth: Sequence[Labels],
        seed: int,
        dataset: Dataset,
    ) -> UnitResult:
        """Cluster and score one unit."""
        config = self.config
        present = distinct(truth)
        scored = present if config.void == "class" else present - {VOID}
        if not scored:
            return silent("nothing but void")
        if len(scored) == 1 and config.single_class == "skip":
            return silent("a single class")
        counted = present if config.k_labels == "all" else present - {VOID}
        k = config.clusters(len(counted), self.scope, dataset.card.name)
        found = cluster_frames(tokens, k, seed, config, clip.clip.name)
        table, oracle = _tables(tokens, truth, found, None if config.void == "class" else VOID)
        return score_unit(table, oracle, config, dataset.card.background, found.empty)


@dataclass(frozen=True)
class KMeansDataset:
    """The whole data set clustered and matched as one."""

    config: KMeansConfig
    passes: int = 2

    def view(self, dataset: Dataset) -> View:
        """Return what the model is shown."""
        return self.config.view(dataset)

    def __call__(self, features: FeatureSet, *, seed: int) -> Score:
        """Cluster all pixels of all clips together, match once, score once."""
        dataset, config = features.dataset, self.config
        kind = label_kind(dataset, "dataset", config.labels)
        clips: list[ClipFeatures] = []
        tokens: list[Tokens] = []
        present: set[int] = set()
        for clip, reduced in projected(features, config, "dataset"):
            present |= distinct(self._truth(clip, kind))
            clips.append(clip)
            tokens.append(reduced)
        if not clips:
            raise NotApplicableError(
                f"{len(features)} clips make no whole batch of {config.batch_clips}, which this "
                "preset wants; override last_batch=keep"
            )
        if len(present - {VOID}) < 2:
            raise NotApplicableError(
                f"{dataset.card.name}:{dataset.split} holds fewer than two classes, so there is "
                "nothing to tell apart; choose another data set"
            )
        counted = present if config.k_labels == "all" else present - {VOID}
        k = config.clusters(len(counted), "dataset", dataset.card.name)
        found = _cluster_all(tokens, k, seed, config, dataset.card.name)
        tables, oracles = [], []
        for clip, reduced in zip(clips, tokens, strict=True):
            table, oracle = _tables(reduced, self._truth(clip, kind), found, VOID)
            tables.append(table)
            oracles.append(oracle)
        whole = score_unit(
            merge(tables),
            merge(oracles),
            config,
            dataset.card.background,
            found.empty,
            classes=range(len(dataset.classes)) if config.absent_class == "zero" else None,
        )
        return self._score(whole, clips, tables, dataset, kind)

    def _truth(self, clip: ClipFeatures, kind: LabelKind) -> list[Labels]:
        config = self.config
        return read_truth(clip, kind, config.labels, config.score_size, config.mask_resize)

    def _score(
        self,
        whole: UnitResult,
        clips: Sequence[ClipFeatures],
        tables: Sequence[Contingency],
        dataset: Dataset,
        kind: LabelKind,
    ) -> Score:
        """Put together what a data-set score says of itself."""
        assert whole.match is not None
        assert whole.table is not None
        rows = [
            UnitScore(
                clip=clip.clip.name,
                n_frames=len(clip.frames),
                metrics={},
                counts=counts_row(class_counts(aligned(table, whole.table), whole.match)),
            )
            for clip, table in zip(clips, tables, strict=True)
        ]
        return Score(
            metrics=whole.metrics,
            clips=rows,
            resample="counts",
            references=whole.references,
            per_class=per_class([whole], dataset.classes if kind == "semantic" else ()),
            details={
                "labels": kind,
                "clusters": whole.table.clusters.tolist(),
                "matched_to": whole.match.assigned.tolist(),
                "contingency_labels": whole.table.labels.tolist(),
                "contingency": whole.table.table.tolist(),
                "empty_clusters": whole.empty,
            },
        )


def _clip_row(clip: ClipFeatures, units: Sequence[UnitResult], scope: Scope) -> UnitScore:
    """Return the row that speaks for the clip: its one unit's, or the mean of its frames'."""
    if scope == "clip":
        return units[0].row(clip.clip.name, None, len(clip.frames))
    metrics = {m: mean(unit.metrics[m] for unit in units) for m in METRICS}
    note = "" if metrics["miou"] is not None else "no frame holds two classes"
    return UnitScore(clip=clip.clip.name, n_frames=len(clip.frames), metrics=metrics, note=note)


def _tables(
    tokens: Tokens, truth: Sequence[Labels], found: Found, void: int | None
) -> tuple[Contingency, Contingency]:
    """Return the contingency of the clusters and of the patch-grid oracle over some frames."""
    rows, cols = tokens.shape[1:3]
    clusters, oracle = [], []
    for labels, true in zip(found.maps(tokens, truth), truth, strict=True):
        clusters.append(contingency(true, labels, void=void))
        oracle.append(
            oracle_table(true, (rows, cols), counted="all" if void is None else "labels")
        )
    return merge(clusters), merge(oracle)


def _repeated(labels: NDArray[np.int32], size: tuple[int, ...]) -> NDArray[np.int32]:
    """Return labels at another size: pixel i takes patch floor(i * patches / pixels)."""
    rows, cols = (np.arange(n) * m // n for n, m in zip(size, labels.shape, strict=True))
    return labels[np.ix_(rows, cols)]


def _fit_size(tokens: Tokens, config: KMeansConfig) -> tuple[int, int]:
    """Return the size to which features are upsampled for fitting."""
    rows, cols = tokens.shape[1:3]
    if config.fit_size == "grid":
        return rows, cols
    if config.fit_size == "grid-x4":
        return 4 * rows, 4 * cols
    return config.fit_size, config.fit_size


def cluster_frames(tokens: Tokens, k: int, seed: int, config: KMeansConfig, name: str) -> Found:
    """Cluster frames [T, rows, cols, d] of one shape."""
    size, start = _fit_size(tokens, config), config.first_seed + seed
    if config.kmeans == "faiss-sampled":
        drawn = published_kmeans(
            tokens, size, k, niter=config.max_iter, nredo=config.n_init, seed=start
        )
        return Found(drawn.centers, drawn.empty, config)
    exact = kmeans_upsampled(
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
    return Found(exact.centers, exact.empty, config)


def _cluster_all(
    tokens: Sequence[Tokens], k: int, seed: int, config: KMeansConfig, name: str
) -> Found:
    """Cluster clips of any shapes together."""
    if config.kmeans == "faiss-sampled":
        return cluster_frames(np.concatenate(list(tokens)), k, seed, config, name)
    result = kmeans_streamed(
        lambda: (Chunk(t, _fit_size(t, config)) for t in tokens),
        k,
        n_init=config.n_init,
        max_iter=config.max_iter,
        tol=config.tol,
        seed=config.first_seed + seed,
    )
    return Found(result.centers, result.empty, config)
