"""k-means on dense features, matched to the ground truth: one machinery for every scope.

The scope says which pixels share one clustering and one matching: a frame, a clip, the data set
(TimeT, arXiv 2308.11796, calls them frame-wise, sample-wise and dataset-wise).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from operator import add
from typing import TYPE_CHECKING, Any

from tvseg_bench.benchmark.clustering.threads import workers
from tvseg_bench.benchmark.errors import NotApplicableError
from tvseg_bench.benchmark.evaluation import Needs, RunContext, SharedCache
from tvseg_bench.benchmark.metrics.contingency import merge
from tvseg_bench.benchmark.types import VOID, Score, View
from tvseg_bench.protocols.common import scoring
from tvseg_bench.protocols.common.ground_truth import FrameTruth, label_kind, present_in
from tvseg_bench.protocols.common.splits import check_divisible
from tvseg_bench.protocols.kmeans import generalise
from tvseg_bench.protocols.kmeans.clusters import cluster_all, cluster_unit
from tvseg_bench.protocols.kmeans.position import placed, with_position, with_unit_position
from tvseg_bench.protocols.kmeans.projection import projected
from tvseg_bench.protocols.kmeans.tables import clip_truth, tables_of

if TYPE_CHECKING:
    from tvseg_bench.benchmark.types import ClipFeatures, Dataset, FeatureSet
    from tvseg_bench.protocols.kmeans import KMeansConfig, KMeansDatasetConfig, Scope
    from tvseg_bench.protocols.kmeans.projection import Tokens


_Seen = tuple[Any, ...]
"""What a recorder is shown of a frame."""


@dataclass(frozen=True)
class KMeansUnits:
    """Frames or clips, each clustered and matched on its own."""

    config: KMeansConfig
    scope: Scope
    row_type = scoring.ClipUnits

    @property
    def needs(self) -> Needs:
        """One pass; a clip depends on others where its projection does, those of its batch where
        that is fitted on a batch, or dropped with an incomplete one."""
        config = self.config
        if config.pca_scope == "dataset":
            return Needs()
        batched = config.pca_scope == "batch" or config.last_batch == "drop"
        return Needs(unit="clip", clips_per_unit=config.batch_clips if batched else 1)

    def view(self, dataset: Dataset) -> View:
        """Return what the model is shown."""
        return self.config.view(dataset)

    def check_dataset(self, dataset: Dataset) -> None:
        """Raise NotApplicableError where the labels are missing or all clips are dropped."""
        label_kind(dataset, self.scope, self.config.labels)
        check_batches(dataset, self.config)

    def evaluate(self, features: FeatureSet, run: RunContext) -> Score:
        """Cluster, match and score every unit; average them per clip and over the clips."""
        self.check_dataset(features.dataset)
        return self.combine(list(self.score_clips(features, run)), features.dataset)

    def score_clips(self, features: FeatureSet, run: RunContext) -> Iterator[scoring.ClipUnits]:
        """Cluster, match and score every unit of some clips in a row.

        With `last_batch=drop`, the clips of an incomplete last batch yield no row. Ranges begin
        at a multiple of the batch, so that only the one that ends the data set can hold them.
        """
        dataset, config = run.dataset(features), self.config
        kind = label_kind(dataset, self.scope, config.labels)
        shared = run.shared or SharedCache(limit=0)
        run.recorder.on_begin(self.scope, kind)
        for clip, tokens in projected(features, config, self.scope, shared):
            if self.scope == "clip":
                run.recorder.on_features(clip, tokens)
            truth = clip_truth(clip, kind, config, shared)
            yield scoring.clip_units(clip, self._units(clip, tokens, truth, dataset, run))

    def combine(self, rows: Sequence[scoring.ClipUnits], dataset: Dataset) -> Score:
        """Average the units of each clip, and the clips, or the batches of clips.

        Raises:
            NotApplicableError: no unit holds two classes.
        """
        of_frames = self.scope == "frame"
        every = [unit for row in rows for unit in row.units]
        score = scoring.units_score(
            rows,
            [row.sample(of_frames) for row in rows],
            [sample for row in rows for sample in row.frame_samples()] if of_frames else [],
            label_kind(dataset, self.scope, self.config.labels),
            dataset.classes,
            self.config.averaged,
            units_left_out=sum(not unit.scored for unit in every),
            empty_clusters=sum(unit.empty for unit in every),
        )
        if score.metrics["miou"] is None:
            raise NotApplicableError(
                f"no {self.scope} of {dataset.card.name}:{dataset.split} holds two classes, so "
                "there is nothing to tell apart; choose another data set"
            )
        return score

    def _units(
        self,
        clip: ClipFeatures,
        tokens: Tokens,
        truth: Sequence[FrameTruth],
        dataset: Dataset,
        run: RunContext,
    ) -> list[scoring.UnitResult]:
        """Return the results of the frames of a clip, or the one of the clip."""
        recorder = run.recorder
        seen = partial(recorder.on_frame, clip)
        if self.scope != "frame":
            unit = self._unit(clip, tokens, truth, dataset, run, seen)
            if unit.match is not None:
                recorder.on_unit(clip, range(len(truth)), unit.match)
            return [unit]

        def one(t: int) -> tuple[scoring.UnitResult, list[_Seen]]:
            shown: list[_Seen] = []
            frame = slice(t, t + 1)
            unit = self._unit(
                clip, tokens[frame], truth[frame], dataset, run, lambda *it: shown.append(it), t
            )
            return unit, shown

        units = []
        with workers() as pool:
            for t, (unit, shown) in enumerate(pool.map(one, range(len(truth)))):
                for frame in shown:
                    seen(*frame)
                if unit.match is not None:
                    recorder.on_unit(clip, range(t, t + 1), unit.match)
                units.append(unit)
        return units

    def _unit(
        self,
        clip: ClipFeatures,
        tokens: Tokens,
        truth: Sequence[FrameTruth],
        dataset: Dataset,
        run: RunContext,
        seen: Callable[..., object],
        start: int = 0,
    ) -> scoring.UnitResult:
        """Cluster and score one unit, whose first frame is the clip's frame `start`.

        Args:
            seen: is shown every frame; see `tables_of`.
        """
        config = self.config
        present = present_in(truth)
        scored = present if config.void == "class" else present - {VOID}
        if not scored:
            return scoring.empty_result("nothing but void")
        if len(scored) == 1 and config.single_class == "skip":
            return scoring.empty_result("a single class")
        counted = present if config.k_labels == "all" else present - {VOID}
        k = config.clusters(len(counted), self.scope, dataset.card.name)
        found = cluster_unit(tokens, k, run.seed, config, clip.clip.name, run.shared)
        void = None if config.void == "class" else VOID
        table, oracle = tables_of(tokens, truth, found, void, seen, start)
        unit = scoring.score_unit(table, oracle, config, dataset.card.background, found.empty)
        return with_unit_position(unit, placed(tokens, truth, found, sorted(present)))


@dataclass(frozen=True)
class KMeansDataset:
    """The whole data set clustered and matched as one, or by what other clips gave."""

    config: KMeansDatasetConfig
    diagnosed: bool = True
    """Whether the metrics of position are given beside the others."""

    @property
    def needs(self) -> Needs:
        """Two passes: one fits the projection, the other applies it."""
        return Needs(training=self.config.fit_split is not None, passes=2)

    def view(self, dataset: Dataset) -> View:
        """Return what the model is shown."""
        return self.config.view(dataset)

    def check_dataset(self, dataset: Dataset) -> None:
        """Raise NotApplicableError where no labels are shared by the clips, all are dropped, or
        there are none to fit on."""
        label_kind(dataset, "dataset", self.config.labels)
        check_batches(dataset, self.config)
        if self.config.fit_split is not None:
            check_divisible(dataset)

    def evaluate(self, features: FeatureSet, run: RunContext) -> Score:
        """Cluster all pixels of all clips together, match once, score once."""
        self.check_dataset(features.dataset)
        if self.config.fit_split is not None:
            return generalise.evaluate(features, self.config, run)
        dataset, config = features.dataset, self.config
        kind = label_kind(dataset, "dataset", config.labels)
        clips: list[ClipFeatures] = []
        tokens: list[Tokens] = []
        present: frozenset[int] = frozenset()
        shared = run.shared or SharedCache()  # the truth is read twice
        run.recorder.on_begin("dataset", kind)
        for clip, reduced in projected(features, config, "dataset", shared):
            run.recorder.on_features(clip, reduced)
            present |= present_in(clip_truth(clip, kind, config, shared))
            clips.append(clip)
            tokens.append(reduced)
        if len(present - {VOID}) < 2:
            raise NotApplicableError(
                f"{dataset.card.name}:{dataset.split} holds fewer than two classes, so there is "
                "nothing to tell apart; choose another data set"
            )
        counted = present if config.k_labels == "all" else present - {VOID}
        k = config.clusters(len(counted), "dataset", dataset.card.name)
        found = cluster_all(tokens, k, run.seed, config, dataset.card.name)
        tables, oracles, places = [], [], []
        for clip, reduced in zip(clips, tokens, strict=True):
            truth = clip_truth(clip, kind, config, shared)
            seen = partial(run.recorder.on_frame, clip)
            table, oracle = tables_of(reduced, truth, found, VOID, seen)
            tables.append(table)
            oracles.append(oracle)
            if self.diagnosed:
                places.append(placed(reduced, truth, found, sorted(present)))
        whole = scoring.score_unit(
            merge(tables),
            merge(oracles),
            config,
            dataset.card.background,
            found.empty,
            classes=range(len(dataset.classes)) if config.absent_class == "zero" else None,
        )
        for clip in clips:
            run.recorder.on_unit(clip, range(len(clip.frames)), whole.match)
        paired = zip(clips, tables, strict=True)
        score = scoring.counted_score(
            whole, paired, kind, dataset.classes, empty_clusters=whole.empty
        )
        if not places:
            return score
        return with_position(score, places, config.averaged, reduce(add, places))


def check_batches(dataset: Dataset, config: KMeansConfig) -> None:
    """Refuse a data set whose clips are all dropped.

    Raises:
        NotApplicableError: incomplete batches are dropped, and no batch is complete.
    """
    n = len(dataset.clips)
    if config.last_batch == "drop" and not config.kept(n):
        raise NotApplicableError(
            f"{n} clips make no complete batch of {config.batch_clips}, which "
            "this preset wants; override last_batch=keep"
        )
