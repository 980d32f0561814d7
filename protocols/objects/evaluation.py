"""Objects without classes: FG-ARI and mBO of clusters, or of segments that a model brings itself.

Nothing is matched and no id has a meaning, so models that discover objects (slot models, which are
segmenters) stand beside backbones whose features are clustered. Of a clip, everything is scored
twice: frame by frame, and over all frames at once, where an object that changes its segment loses.

Sources: Greff et al., IODINE, 2019 (FG-ARI); Pont-Tuset et al., MCG, 2015 (best overlap); Kipf et
al., SAVi, 2022 (FG-ARI of videos).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tvseg_bench.benchmark.errors import NotApplicableError
from tvseg_bench.benchmark.evaluation import Needs, Recorder, RunContext, SharedCache, UnitOutcome
from tvseg_bench.benchmark.metrics.contingency import Contingency, contingency, merge
from tvseg_bench.benchmark.metrics.matching import match
from tvseg_bench.benchmark.metrics.objects import BACKGROUND, foreground_ari, mean_best_overlap
from tvseg_bench.benchmark.metrics.references import constant_table
from tvseg_bench.benchmark.types import VOID, Score, UnitScore, View
from tvseg_bench.protocols.common.feature_sets import without_tokens
from tvseg_bench.protocols.common.ground_truth import FrameTruth, present_in, shared_truth
from tvseg_bench.protocols.common.resize import resize_nearest
from tvseg_bench.protocols.common.scoring import clips_score, mean
from tvseg_bench.protocols.kmeans.clusters import cluster_unit
from tvseg_bench.protocols.kmeans.projection import projected
from tvseg_bench.protocols.objects import METRICS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tvseg_bench.benchmark.types import ClipFeatures, Dataset, FeatureSet
    from tvseg_bench.protocols.kmeans.projection import Tokens
    from tvseg_bench.protocols.objects import ObjectsConfig

    Maps = Iterator[NDArray[np.integer]]

Values = dict[str, float | None]
REFERENCES = ("constant", "oracle")
OF_FRAMES = ("fg_ari_frame", "mbo_frame")


@dataclass(frozen=True)
class DiscoveredClip:
    """What is kept of a clip, as plain values."""

    clip: UnitScore
    frames: tuple[UnitScore, ...]
    references: dict[str, float | None]
    """`constant/fg_ari`, ...; empty where the clip shows no object."""
    objects: int
    """Distinct ones of the clip."""
    segments: int
    """Distinct ones on pixels that are not void; of single frames taken together."""
    frames_with_two: int
    """Frames that hold two objects or more, which alone have an FG-ARI."""


@dataclass(frozen=True)
class SegmentedFrames:
    """Pixels of a clip by true object and segment, frame by frame; void left out."""

    segments: Sequence[Contingency]
    oracle: Sequence[Contingency]
    """By the object of most of a patch's pixels in place of a segment."""
    keeps_ids: bool
    """Whether a segment has the same id in all frames."""


@dataclass(frozen=True)
class ObjectDiscovery:
    """Clusters, or a model's own segments, against the objects of each clip."""

    config: ObjectsConfig
    needs = Needs(unit="clip")
    row_type = DiscoveredClip

    def view(self, dataset: Dataset) -> View:
        """Return what the model is shown."""
        return self.config.view(dataset)

    def check_dataset(self, dataset: Dataset) -> None:
        """Raise NotApplicableError where the clips have no masks of objects."""
        if any(clip.instance is None for clip in dataset.clips[:1]):
            raise NotApplicableError(
                f"{dataset.card.name}:{dataset.split} has no instance masks, which this protocol "
                "needs; choose a data set of objects, such as davis-2017 or moving-shapes"
            )

    def evaluate(self, features: FeatureSet, run: RunContext) -> Score:
        """Score every clip; average the clips, which weigh alike."""
        self.check_dataset(features.dataset)
        return self.combine(list(self.score_clips(features, run)), features.dataset)

    def score_clips(self, features: FeatureSet, run: RunContext) -> Iterator[DiscoveredClip]:
        """Segment and score some clips in a row."""
        scope = self.config.scope
        run.recorder.on_begin(scope, "instance", "FG-ARI", "FG-ARI")
        if self.config.segments == "model":
            for clip in features:
                yield self._own(clip, features.patch_size, run)
            return
        shared = run.shared or SharedCache(limit=0)
        for clip, tokens in projected(features, self.config.clustering, scope, shared):
            if scope == "clip":
                run.recorder.on_features(clip, tokens)
            yield self._clustered(clip, tokens, run)

    def combine(self, rows: Sequence[DiscoveredClip], dataset: Dataset) -> Score:
        """Average the clips that have a score.

        Raises:
            NotApplicableError: no clip shows an object.
        """
        if not any(row.objects for row in rows):
            raise NotApplicableError(
                f"no clip of {dataset.card.name}:{dataset.split} shows an object, so there is "
                "nothing to find; choose another data set"
            )
        details = {
            "clips_with_two_objects": sum(row.objects > 1 for row in rows),
            "frames_with_two_objects": sum(row.frames_with_two for row in rows),
            "objects": mean(float(row.objects) for row in rows),
            "segments": mean(float(row.segments) for row in rows),
        }
        return clips_score(rows, METRICS, REFERENCES, details)

    def _truth(self, clip: ClipFeatures, run: RunContext) -> Sequence[FrameTruth]:
        shared = run.shared or SharedCache(limit=0)
        return shared_truth(clip, "instance", "card", self.config.score_size, "nearest", shared)

    def _clustered(self, clip: ClipFeatures, tokens: Tokens, run: RunContext) -> DiscoveredClip:
        """Score the clusters of one clip, or of its frames."""
        truth = self._truth(clip, run)
        frame_by_frame = self.config.scope == "frame"
        n = len(truth)
        parts = [slice(t, t + 1) for t in range(n)] if frame_by_frame else [slice(0, n)]
        maps = (m for part in parts for m in self._maps(clip, tokens, truth, part, run))
        grid = (tokens.shape[1], tokens.shape[2])
        counted = _counted(clip, maps, truth, grid, run.recorder, not frame_by_frame)
        return _scored(clip, counted, run.recorder)

    def _maps(
        self,
        clip: ClipFeatures,
        tokens: Tokens,
        truth: Sequence[FrameTruth],
        part: slice,
        run: RunContext,
    ) -> Maps:
        """Yield the clusters of the frames of one unit; one cluster where all is void."""
        labels = present_in(truth[part]) - {VOID}
        k = len(labels) if self.config.k == "gt" else self.config.k
        config = self.config.clustering
        sizes = [true.mask.shape for true in truth[part]]
        if not labels:
            yield from (np.zeros(size, np.int32) for size in sizes)
            return
        found = cluster_unit(tokens[part], k, run.seed, config, clip.clip.name, run.shared)
        yield from found.maps(tokens[part], sizes)

    def _own(self, clip: ClipFeatures, patch: int, run: RunContext) -> DiscoveredClip:
        """Score the segments that a model gave, one id for each pixel that it was shown."""
        truth, ids = self._truth(clip, run), clip.tokens[..., 0]
        slim = without_tokens(clip)
        grid = (max(1, ids.shape[1] // patch), max(1, ids.shape[2] // patch))
        maps = (
            resize_nearest(own, true.mask.shape).astype(np.int32)
            for own, true in zip(ids, truth, strict=True)
        )
        return _scored(slim, _counted(slim, maps, truth, grid, run.recorder, True), run.recorder)


def _counted(
    clip: ClipFeatures,
    maps: Iterator[NDArray[np.integer]],
    truth: Sequence[FrameTruth],
    grid: tuple[int, int],
    recorder: Recorder,
    keeps_ids: bool,
) -> SegmentedFrames:
    """Count the pixels of every frame, and hand its maps over."""
    segments = []
    for t, (ids, true) in enumerate(zip(maps, truth, strict=True)):
        segments.append(contingency(true.mask, ids))
        recorder.on_frame(clip, t, ids, true.mask, grid, segments[-1])
    return SegmentedFrames(segments, [true.oracle(grid, "labels") for true in truth], keeps_ids)


def _scored(clip: ClipFeatures, counted: SegmentedFrames, recorder: Recorder) -> DiscoveredClip:
    """Return the scores of one clip and of its frames."""
    name, tables = clip.clip.name, counted.segments
    whole = merge(tables if counted.keeps_ids else _apart(tables))
    values, of_frames = _values(whole, tables)
    references: Values = {}
    if values["mbo"] is not None:
        constant, oracle = [constant_table(t) for t in tables], counted.oracle
        for prefix, frames in zip(REFERENCES, (constant, oracle), strict=True):
            found = _values(merge(frames), frames)[0]
            references |= {f"{prefix}/{metric}": value for metric, value in found.items()}
    _record(clip, counted, whole, values, of_frames, recorder)
    objects = int((whole.labels != BACKGROUND).sum())
    note = {0: "it shows no object", 1: "a single object, of which FG-ARI says nothing"}
    return DiscoveredClip(
        clip=UnitScore(
            clip=name, n_frames=len(tables), metrics=values, note=note.get(objects, "")
        ),
        frames=tuple(
            UnitScore(clip=name, frame=int(t), metrics=found)
            for t, found in zip(clip.frames, of_frames, strict=True)
        ),
        references=references,
        objects=objects,
        segments=len(whole.clusters),
        frames_with_two=sum(found["fg_ari_frame"] is not None for found in of_frames),
    )


def _values(whole: Contingency, frames: Sequence[Contingency]) -> tuple[Values, list[Values]]:
    """Return the metrics of a clip, and those of its frames."""
    of_frames: list[Values] = [
        {"fg_ari_frame": foreground_ari(table), "mbo_frame": mean_best_overlap(table)}
        for table in frames
    ]
    values: Values = {"fg_ari": foreground_ari(whole), "mbo": mean_best_overlap(whole)}
    values |= {metric: mean(found[metric] for found in of_frames) for metric in OF_FRAMES}
    return {metric: values[metric] for metric in METRICS}, of_frames


def _apart(tables: Sequence[Contingency]) -> list[Contingency]:
    """Return tables in which no two frames share the id of a segment."""
    most = 1 + max((int(t.clusters.max(initial=0)) for t in tables), default=0)
    return [replace(t, clusters=t.clusters + i * most) for i, t in enumerate(tables)]


def _record(
    clip: ClipFeatures,
    counted: SegmentedFrames,
    whole: Contingency,
    values: Values,
    of_frames: Sequence[Values],
    recorder: Recorder,
) -> None:
    """Hand over the scores, and which object each segment is drawn as: by IoU, one to one."""
    if not recorder.active:
        return
    series = [found["fg_ari_frame"] for found in of_frames]
    if counted.keeps_ids:
        outcome = UnitOutcome(values["fg_ari"], series)
        recorder.on_unit(
            clip, range(len(series)), match(whole, "hungarian-iou", "void"), outcome=outcome
        )
        return
    for t, (table, value) in enumerate(zip(counted.segments, series, strict=True)):
        found = match(table, "hungarian-iou", "void") if table.labels.size else None
        recorder.on_unit(clip, range(t, t + 1), found, outcome=UnitOutcome(value, [value]))
