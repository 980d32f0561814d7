"""`segmenter`: a model that brings its own clusters is scored on them by the same matching.

Nothing is clustered here: the ids of `segment(images)` (STEGO's cluster probe, arXiv 2203.08414;
TimeT's prototypes, arXiv 2308.11796) are matched to the labels as k-means clusters are, over
the data set, a clip or a frame. They arrive as features of one dimension, one for each pixel that
the model was shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tvseg_bench.benchmark.errors import NotApplicableError
from tvseg_bench.benchmark.evaluation import Needs, Recorder, RunContext
from tvseg_bench.benchmark.metrics.contingency import Contingency, contingency, merge
from tvseg_bench.benchmark.metrics.iou import ClassCounts, accuracy
from tvseg_bench.benchmark.metrics.matching import Match
from tvseg_bench.benchmark.metrics.references import constant_table, oracle_table
from tvseg_bench.benchmark.types import ClipFeatures, Dataset, FeatureSet, LabelKind, Score, View
from tvseg_bench.protocols.common import scoring
from tvseg_bench.protocols.common.feature_sets import without_tokens
from tvseg_bench.protocols.common.ground_truth import label_kind, read_truth
from tvseg_bench.protocols.common.resize import resize_nearest
from tvseg_bench.protocols.segmenter import SegmenterConfig

REFERENCES = ("constant", "oracle")


@dataclass(frozen=True)
class SegmentTables:
    """Pixels of a frame, a clip or the data set, void left out."""

    clusters: Contingency
    """By true label and id."""
    oracle: Contingency
    """By true label and that of the patch-grid oracle."""


@dataclass(frozen=True)
class SegmentedClip:
    """What is kept of a clip."""

    clip: ClipFeatures
    """Without its ids."""
    tables: Sequence[SegmentTables]
    """One per frame where frames are matched on their own, else one of the clip."""


@dataclass(frozen=True)
class SegmentsTogether:
    """The ids of a model over the whole data set, matched and scored as one; needs no seed."""

    config: SegmenterConfig
    needs = Needs()

    def view(self, dataset: Dataset) -> View:
        """Return what the model is shown, and that its ids are wanted."""
        return self.config.view(dataset)

    def check_dataset(self, dataset: Dataset) -> None:
        """Raise NotApplicableError where there are no labels that all clips share."""
        label_kind(dataset, "dataset", "card")

    def evaluate(self, features: FeatureSet, run: RunContext) -> Score:
        """Match and score; a model without ids of its own has raised NotApplicableError."""
        self.check_dataset(features.dataset)
        dataset = features.dataset
        kind = label_kind(dataset, "dataset", "card")
        run.recorder.on_begin("dataset", kind)
        clips = list(_segmented(features, kind, self.config, run.recorder))
        everything = _merged([tables for clip in clips for tables in clip.tables])
        if len(everything.clusters.labels) < 2:
            raise _nothing(dataset, "fewer than two classes in all")
        scorer = SegmentScorer(self.config, dataset, _n_classes(dataset, kind, clips))
        whole = scorer.unit(everything)
        for clip in clips:
            scorer.record(run.recorder, clip, [whole])
        paired = [(clip.clip, scorer.counted(clip.tables[0].clusters)) for clip in clips]
        right = None if whole.counts is None else accuracy(whole.counts)
        return scoring.counted_score(whole, paired, kind, dataset.classes, accuracy=right)


@dataclass(frozen=True)
class SegmentsApart:
    """The ids of a model within each frame or clip, matched and scored; needs no seed."""

    config: SegmenterConfig
    row_type = scoring.ClipUnits

    @property
    def needs(self) -> Needs:
        """One pass; a clip depends on others where they say how many classes there are."""
        return Needs(unit="dataset" if self._counts_classes else "clip")

    @property
    def _counts_classes(self) -> bool:
        return self.config.surplus == "drop" or self.config.absent_class == "zero"

    def view(self, dataset: Dataset) -> View:
        """Return what the model is shown, and that its ids are wanted."""
        return self.config.view(dataset)

    def check_dataset(self, dataset: Dataset) -> None:
        """Raise NotApplicableError where the labels are missing."""
        label_kind(dataset, self.config.scope, "card")

    def evaluate(self, features: FeatureSet, run: RunContext) -> Score:
        """Match and score; a model without ids of its own has raised NotApplicableError."""
        self.check_dataset(features.dataset)
        return self.combine(list(self.score_clips(features, run)), features.dataset)

    def score_clips(self, features: FeatureSet, run: RunContext) -> Iterator[scoring.ClipUnits]:
        """Match every frame or clip on its own."""
        dataset = run.dataset(features)
        kind = label_kind(dataset, self.config.scope, "card")
        run.recorder.on_begin(self.config.scope, kind)
        clips: Iterable[SegmentedClip] = _segmented(features, kind, self.config, run.recorder)
        n_classes = 0
        if self._counts_classes:
            clips = list(clips)
            n_classes = _n_classes(dataset, kind, clips)
        scorer = SegmentScorer(self.config, dataset, n_classes)
        for clip in clips:
            units = [scorer.unit(tables) for tables in clip.tables]
            scorer.record(run.recorder, clip, units)
            yield scoring.clip_units(clip.clip, units)

    def combine(self, rows: Sequence[scoring.ClipUnits], dataset: Dataset) -> Score:
        """Average the units of each clip, and the clips, which weigh alike.

        Raises:
            NotApplicableError: no unit holds two classes.
        """
        scope = self.config.scope
        counts = [unit.class_counts for row in rows for unit in row.units]
        score = scoring.units_score(
            rows,
            [row.sample(of_frames=len(row.units) > 1) for row in rows],
            [sample for row in rows for sample in row.frame_samples()] if scope == "frame" else [],
            label_kind(dataset, scope, "card"),
            dataset.classes,
            accuracy=scoring.mean(accuracy(found) for found in counts if found),
        )
        if score.metrics["miou"] is None:
            raise _nothing(dataset, f"no {scope} with two classes")
        return score


def _segmented(
    features: FeatureSet, kind: LabelKind, config: SegmenterConfig, recorder: Recorder
) -> Iterator[SegmentedClip]:
    """Yield the pixels of every clip, counted."""
    patch = features.patch_size
    for clip in features:
        truth = read_truth(clip, kind, "card", config.score_size)
        tables, slim = [], without_tokens(clip)
        for t, (ids, true) in enumerate(zip(clip.tokens[..., 0], truth, strict=True)):
            rows, cols = ids.shape
            grid = (max(1, rows // patch), max(1, cols // patch))
            shown = resize_nearest(ids, true.shape).astype(np.int32)
            tables.append(SegmentTables(contingency(true, shown), oracle_table(true, grid)))
            recorder.on_frame(slim, t, shown, true, grid, tables[-1].clusters)
        yield SegmentedClip(slim, tables if config.scope == "frame" else [_merged(tables)])


@dataclass(frozen=True)
class SegmentScorer:
    """From tables to a score."""

    config: SegmenterConfig
    dataset: Dataset
    n_classes: int
    """Ids from this one on are surplus."""

    def record(
        self, recorder: Recorder, clip: SegmentedClip, results: Sequence[scoring.UnitResult]
    ) -> None:
        """Hand over the matching of a clip's units, which hold equally many frames."""
        each = len(clip.clip.frames) // len(results)
        for i, result in enumerate(results):
            frames = range(i * each, (i + 1) * each)
            recorder.on_unit(clip.clip, frames, result.match, self.counted)

    def unit(self, tables: SegmentTables) -> scoring.UnitResult:
        """Match and score one unit, and beside it the constant map and the oracle."""
        present = len(tables.clusters.labels)
        if not present:
            return scoring.empty_result("nothing but void")
        if present == 1 and self.config.single_class == "skip":
            return scoring.empty_result("a single class")
        table = self.counted(tables.clusters)
        metrics, counts, found = self._score(table)
        references = {
            f"{name}/{metric}": value
            for name, reference in zip(
                REFERENCES, (constant_table(tables.clusters), tables.oracle), strict=True
            )
            for metric, value in self._score(self.counted(reference))[0].items()
        }
        return scoring.UnitResult(metrics, references, counts, found, table)

    def counted(self, table: Contingency) -> Contingency:
        """Return the pixels that count: all, or those of ids and labels below `n_classes`."""
        if self.config.surplus == "count":
            return table
        return table.select(range(self.n_classes), range(self.n_classes))

    def _score(self, table: Contingency) -> tuple[dict[str, float | None], ClassCounts, Match]:
        zero = self.config.absent_class == "zero"
        classes = range(self.n_classes) if zero else None
        return scoring.score_table(table, self.config, self.dataset.card.background, classes)


def _nothing(dataset: Dataset, why: str) -> NotApplicableError:
    return NotApplicableError(
        f"{dataset.card.name}:{dataset.split} holds {why}, so there is nothing to "
        "tell apart; choose another data set"
    )


def _merged(tables: Sequence[SegmentTables]) -> SegmentTables:
    return SegmentTables(merge(t.clusters for t in tables), merge(t.oracle for t in tables))


def _n_classes(dataset: Dataset, kind: LabelKind, clips: Sequence[SegmentedClip]) -> int:
    """Return how many classes there are: those with names, else up to the largest label."""
    if kind == "semantic" and dataset.classes:
        return len(dataset.classes)
    labels = [t.clusters.labels for clip in clips for t in clip.tables]
    return 1 + max((int(found[-1]) for found in labels if found.size), default=0)
