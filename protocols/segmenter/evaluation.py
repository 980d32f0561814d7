"""`segmenter`: a model that brings its own clusters is scored on them by the same matching.

Nothing is clustered here: the ids of `segment(images)` (STEGO's cluster probe, arXiv 2203.08414;
TimeT's prototypes, arXiv 2308.11796) are matched to the labels as k-means clusters are, over
the data set, a clip or a frame. They arrive as features of one dimension, one for each pixel that
the model was shown.
"""

from __future__ import annotations

from collections.abc import Sequence
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
class NativeSegmentation:
    """The ids of a model, matched and scored; needs no seed."""

    config: SegmenterConfig

    @property
    def needs(self) -> Needs:
        """One pass; a clip depends on others where they say how many classes there are."""
        config = self.config
        counted = config.surplus == "drop" or config.absent_class == "zero"
        alone = config.scope != "dataset" and not counted
        return Needs(unit="clip" if alone else "dataset")

    def view(self, dataset: Dataset) -> View:
        """Return what the model is shown, and that its ids are wanted."""
        return self.config.view(dataset)

    def evaluate(self, features: FeatureSet, run: RunContext) -> Score:
        """Match and score; a model without ids of its own has raised NotApplicableError."""
        dataset = features.dataset
        kind = label_kind(dataset, self.config.scope, "card")
        run.recorder.on_begin(self.config.scope, kind)
        clips = [self._read(clip, kind, features.patch_size, run.recorder) for clip in features]
        scorer = SegmentScorer(
            self.config, dataset, _n_classes(dataset, kind, clips), run.recorder
        )
        if self.config.scope == "dataset":
            return scorer.together(clips, kind)
        return scorer.apart(clips, kind)

    def _read(
        self, clip: ClipFeatures, kind: LabelKind, patch: int, recorder: Recorder
    ) -> SegmentedClip:
        """Count the pixels of every frame of a clip."""
        truth = read_truth(clip, kind, "card", self.config.score_size)
        tables, slim = [], without_tokens(clip)
        for t, (ids, true) in enumerate(zip(clip.tokens[..., 0], truth, strict=True)):
            rows, cols = ids.shape
            grid = (max(1, rows // patch), max(1, cols // patch))
            shown = resize_nearest(ids, true.shape).astype(np.int32)
            tables.append(SegmentTables(contingency(true, shown), oracle_table(true, grid)))
            recorder.on_frame(slim, t, shown, true, grid, tables[-1].clusters)
        if self.config.scope != "frame":
            tables = [_merged(tables)]
        return SegmentedClip(slim, tables)


@dataclass(frozen=True)
class SegmentScorer:
    """From tables to a score."""

    config: SegmenterConfig
    dataset: Dataset
    n_classes: int
    """Ids from this one on are surplus."""
    recorder: Recorder

    def together(self, clips: Sequence[SegmentedClip], kind: LabelKind) -> Score:
        """Match once, over all clips."""
        everything = _merged([tables for clip in clips for tables in clip.tables])
        if len(everything.clusters.labels) < 2:
            raise self._nothing("fewer than two classes in all")
        whole = self.unit(everything)
        for clip in clips:
            self._record(clip, [whole])
        paired = [(clip.clip, self.counted(clip.tables[0].clusters)) for clip in clips]
        right = None if whole.counts is None else accuracy(whole.counts)
        return scoring.counted_score(whole, paired, kind, self.dataset.classes, accuracy=right)

    def apart(self, clips: Sequence[SegmentedClip], kind: LabelKind) -> Score:
        """Match every frame or clip on its own; clips weigh alike."""
        units = [[self.unit(tables) for tables in clip.tables] for clip in clips]
        for clip, results in zip(clips, units, strict=True):
            self._record(clip, results)
        rows = [
            scoring.clip_row(clip.clip, results, of_frames=len(results) > 1)
            for clip, results in zip(clips, units, strict=True)
        ]
        metrics = {m: scoring.mean(row.metrics[m] for row in rows) for m in scoring.METRICS}
        if metrics["miou"] is None:
            raise self._nothing(f"no {self.config.scope} with two classes")
        every = [unit for results in units for unit in results]
        return Score(
            metrics=metrics,
            clips=rows,
            frames=()
            if self.config.scope == "clip"
            else [
                unit.row(clip.clip.clip.name, t)
                for clip, results in zip(clips, units, strict=True)
                for unit, t in zip(results, clip.clip.frames, strict=True)
            ],
            references=scoring.average_rows(units, 1),
            per_class=scoring.per_class(every, self.dataset.classes) if kind == "semantic" else {},
            details={
                "labels": kind,
                "units": len(every),
                "units_scored": sum(unit.scored for unit in every),
                "accuracy": scoring.mean(accuracy(unit.counts) for unit in every if unit.counts),
            },
        )

    def _record(self, clip: SegmentedClip, results: Sequence[scoring.UnitResult]) -> None:
        """Hand over the matching of a clip's units, which hold equally many frames."""
        each = len(clip.clip.frames) // len(results)
        for i, result in enumerate(results):
            frames = range(i * each, (i + 1) * each)
            self.recorder.on_unit(clip.clip, frames, result.match, self.counted)

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

    def _nothing(self, why: str) -> NotApplicableError:
        return NotApplicableError(
            f"{self.dataset.card.name}:{self.dataset.split} holds {why}, so there is nothing to "
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
