"""Label propagation: the objects of the first frame followed through the clip, J and F.

DINO (arXiv 2104.14294) after Jabri et al. (arXiv 2006.14613), scored as DAVIS 2017
(arXiv 1704.00675) does. Nothing is trained: a patch takes the labels of the patches that look
like it in earlier frames, so the score measures how well features tell objects apart and find them
again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from tvseg_bench.benchmark.devices import resolve_device
from tvseg_bench.benchmark.errors import NotApplicableError
from tvseg_bench.benchmark.evaluation import Needs, RunContext, UnitOutcome
from tvseg_bench.benchmark.metrics.matching import Match
from tvseg_bench.benchmark.metrics.references import patch_grid_oracle
from tvseg_bench.benchmark.propagation.propagate import PropagationRule, Propagator
from tvseg_bench.benchmark.propagation.soft_labels import hard_labels, resized_labels, soft_labels
from tvseg_bench.benchmark.types import VOID
from tvseg_bench.protocols.common.feature_sets import without_tokens
from tvseg_bench.protocols.propagation.followed_objects import UNKNOWN, label_kind, track
from tvseg_bench.protocols.propagation.object_scores import (
    FollowedClip,
    ObjectClipScore,
    ObjectTally,
    total,
)

if TYPE_CHECKING:
    from tvseg_bench.benchmark.evaluation import Recorder
    from tvseg_bench.benchmark.types import (
        ClipFeatures,
        Dataset,
        FeatureSet,
        LabelKind,
        Score,
        View,
    )
    from tvseg_bench.protocols.propagation import PropagationConfig
    from tvseg_bench.protocols.propagation.followed_objects import Numbers, Track


@dataclass(frozen=True)
class LabelPropagation:
    """The protocol with its configuration."""

    config: PropagationConfig
    needs = Needs(predictions=True, unit="clip")
    """Its predictions of a clip begin with the truth of the first frame."""
    row_type = FollowedClip

    def view(self, dataset: Dataset) -> View:
        """Return what the model is shown."""
        return self.config.view(dataset)

    def check_dataset(self, dataset: Dataset) -> None:
        """Raise NotApplicableError where the labels are missing or nothing moves."""
        label_kind(dataset, self.config)
        if all(clip.n_frames < 2 for clip in dataset.clips):
            raise NotApplicableError(
                f"{dataset.card.name}:{dataset.split} holds still images, and labels are carried "
                "from frame to frame; choose a data set of videos"
            )

    def evaluate(self, features: FeatureSet, run: RunContext) -> Score:
        """Follow and score the objects of every clip; nothing is random."""
        self.check_dataset(features.dataset)
        return self.combine(list(self.score_clips(features, run)), features.dataset)

    def score_clips(self, features: FeatureSet, run: RunContext) -> Iterator[FollowedClip]:
        """Follow and score the objects of every clip."""
        dataset = run.dataset(features)
        kind = label_kind(dataset, self.config)
        run.recorder.on_begin("labels", kind, "J&F", "J")
        for clip in features:
            yield self._result(clip, dataset, kind, features.patch_size, run).row()

    def combine(self, rows: Sequence[FollowedClip], dataset: Dataset) -> Score:
        """Average the clips, or the objects of all clips.

        Raises:
            NotApplicableError: no clip has an object that can be followed.
        """
        if not any(row.scored for row in rows):
            first = f"; of {rows[0].clip.clip!r}: {rows[0].clip.note}" if rows else ""
            raise NotApplicableError(
                f"no clip of {dataset.card.name}:{dataset.split} can be followed{first}"
            )
        return total(rows, label_kind(dataset, self.config), self.config)

    def _result(
        self,
        clip: ClipFeatures,
        dataset: Dataset,
        kind: LabelKind,
        patch: int,
        run: RunContext,
    ) -> ObjectClipScore:
        """Follow and score the objects of one clip."""
        n = len(clip.frames)
        try:
            found = track(clip, kind, _background(dataset, kind), self.config)
        except NotApplicableError as reason:
            return ObjectClipScore(clip.clip.name, n, str(reason))
        tally = ObjectTally(len(found.objects.ids), self.config.task)
        scored = self.config.scored(n)
        first = found.truth(0)
        rows, columns = clip.tokens.shape[1:3]
        recording = _TrackRecording(run.recorder, found)
        for t, (truth, numbers) in enumerate(self._followed(found, patch, run.device)):
            recording.frame(t, truth, numbers)
            if t in scored:
                maps = {
                    "model": numbers,
                    "constant": np.zeros_like(truth),
                    "oracle": patch_grid_oracle(truth, (rows, columns), UNKNOWN).astype(np.int32),
                    "first-frame": resized_labels(first, truth.shape),
                }
                tally.add(truth, maps)
            if run.predictions is not None:
                run.predictions(clip.clip, clip.frames[t], found.objects.named(numbers))
        frames = [clip.frames[t] for t in scored]
        result = ObjectClipScore(clip.clip.name, n, "", frames, found.objects.ids, tally.close())
        recording.close(result, scored)
        return result

    def _followed(
        self, found: Track, patch: int, device: str
    ) -> Iterator[tuple[Numbers, Numbers]]:
        """Yield the truth and the prediction of every frame; that of the first is its truth."""
        config, tokens = self.config, found.clip.tokens
        place = resolve_device(device)
        rows, columns = tokens.shape[1:3]
        first = found.truth(0)
        yield first, np.maximum(first, 0)
        n_labels = len(found.objects.ids) + 1
        labels = soft_labels(first, n_labels, (rows, columns), config.first_frame)
        rule = PropagationRule(
            temperature=config.temperature,
            topk=config.topk,
            window=config.window,
            radius=config.radius,
            n_context=config.n_context,
        )
        frames = (torch.from_numpy(np.array(frame))[None].to(place) for frame in tokens)
        clip = Propagator(next(frames), labels[None].to(place), rule)
        for t, frame in enumerate(frames, start=1):
            truth = found.truth(t)
            soft = clip.step(frame)[0]
            size = truth.shape if config.decide_at == "gt" else (rows * patch, columns * patch)
            numbers = hard_labels(soft, size, config.upsampling, config.rescale).cpu().numpy()
            yield truth, resized_labels(numbers, truth.shape)


class _TrackRecording:
    """Hands maps and scores of one clip to a recorder, in the data set's own ids."""

    def __init__(self, recorder: Recorder, found: Track) -> None:
        self._recorder, self._objects = recorder, found.objects
        self._clip = without_tokens(found.clip)
        self._grid = (found.clip.tokens.shape[1], found.clip.tokens.shape[2])
        recorder.on_features(self._clip, found.clip.tokens)

    def frame(self, t: int, truth: Numbers, numbers: Numbers) -> None:
        """Hand over one frame."""
        if not self._recorder.active:
            return
        true = np.where(truth == UNKNOWN, VOID, self._objects.named(truth))
        shown = self._objects.named(numbers)
        self._recorder.on_frame(self._clip, t, shown, true, self._grid)

    def close(self, result: ObjectClipScore, scored: range) -> None:
        """Hand over J and F of the clip, and J of its frames; the first and others have none."""
        if not self._recorder.active:
            return
        series: list[float | None] = [None] * result.n_frames
        for t, j in zip(scored, result.scores["model"].j.mean(axis=0), strict=True):
            series[t] = float(j)
        ids = np.array(sorted({self._objects.background, *self._objects.ids}), np.int64)
        outcome = UnitOutcome(result.metrics()["jf"], series)
        self._recorder.on_unit(self._clip, range(len(series)), Match(ids, ids), outcome=outcome)


def _background(dataset: Dataset, kind: LabelKind) -> int:
    """Return the id that is no object."""
    if kind == "instance":
        return 0
    return VOID if dataset.card.background is None else dataset.card.background
