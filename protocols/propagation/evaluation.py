"""Label propagation: the objects of the first frame followed through the clip, J and F.

DINO (arXiv 2104.14294) after Jabri et al. (arXiv 2006.14613), scored as DAVIS 2017
(arXiv 1704.00675) does. Nothing is trained: a patch takes the labels of the patches that look
like it in earlier frames, so the score says how well features tell objects apart and find them
again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from tvseg_bench.benchmark.devices import resolve_device
from tvseg_bench.benchmark.errors import NotApplicableError
from tvseg_bench.benchmark.metrics.matching import Match
from tvseg_bench.benchmark.metrics.references import patch_grid_oracle
from tvseg_bench.benchmark.propagation.propagate import PropagationRule, Propagator
from tvseg_bench.benchmark.propagation.soft_labels import hard_labels, resized_labels, soft_labels
from tvseg_bench.benchmark.recording.writer import SILENT, Recorder, UnitOutcome
from tvseg_bench.benchmark.types import VOID
from tvseg_bench.protocols.kmeans.projection import without_tokens
from tvseg_bench.protocols.propagation.followed_objects import UNKNOWN, label_kind, track
from tvseg_bench.protocols.propagation.object_scores import ObjectClipScore, ObjectTally, total

if TYPE_CHECKING:
    from tvseg_bench.benchmark.types import (
        Clip,
        ClipFeatures,
        Dataset,
        FeatureSet,
        LabelKind,
        Labels,
        Score,
        View,
    )
    from tvseg_bench.protocols.propagation.config import PropagationConfig
    from tvseg_bench.protocols.propagation.followed_objects import Numbers, Track

    Sink = Callable[[Clip, int, Labels], object]


@dataclass(frozen=True)
class LabelPropagation:
    """The protocol with its configuration."""

    config: PropagationConfig
    device: str = "auto"
    """Where patches are compared, as `--device` names it; moves numbers by rounding only."""
    passes: int = 1
    sink: Sink | None = None
    """Is given every predicted map in the data set's own ids, beginning with the truth."""
    keep: Recorder = SILENT
    """Hears what is predicted."""

    def view(self, dataset: Dataset) -> View:
        """Return what the model is shown."""
        return self.config.view(dataset)

    def __call__(self, features: FeatureSet, *, seed: int) -> Score:
        """Follow and score the objects of every clip; nothing is random."""
        del seed
        dataset = features.dataset
        where = f"{dataset.card.name}:{dataset.split}"
        kind = label_kind(dataset, self.config)
        if all(clip.n_frames < 2 for clip in dataset.clips):
            raise NotApplicableError(
                f"{where} holds still images, and labels are carried from frame to frame; "
                "choose a data set of videos"
            )
        self.keep.on_begin("labels", kind, "J&F", "J")
        results = [self._result(clip, dataset, kind, features.patch_size) for clip in features]
        if not any(result.scored for result in results):
            raise NotApplicableError(
                f"no clip of {where} can be followed; of {results[0].clip!r}: {results[0].note}"
            )
        return total(results, kind, self.config)

    def predictions(self, features: FeatureSet, index: int) -> Iterator[Labels]:
        """Yield the label maps [H, W] of one clip in the data set's own ids, for result files.

        The first one is the truth as it was given; what is not followed is background.

        Raises:
            NotApplicableError: The clip cannot be followed; the text says why.
        """
        clip, dataset = features[index], features.dataset
        kind = label_kind(dataset, self.config)
        try:
            found = track(clip, kind, _background(dataset, kind), self.config)
        except NotApplicableError as reason:
            raise NotApplicableError(
                f"the clip {clip.clip.name!r} has no prediction: {reason}"
            ) from None
        for _, numbers in self._followed(found, features.patch_size):
            yield found.objects.named(numbers)

    def _result(
        self, clip: ClipFeatures, dataset: Dataset, kind: LabelKind, patch: int
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
        shown = _Shown(self.keep, found)
        for t, (truth, numbers) in enumerate(self._followed(found, patch)):
            shown.frame(t, truth, numbers)
            if t in scored:
                maps = {
                    "model": numbers,
                    "constant": np.zeros_like(truth),
                    "oracle": patch_grid_oracle(truth, (rows, columns), UNKNOWN).astype(np.int32),
                    "first-frame": resized_labels(first, truth.shape),
                }
                tally.add(truth, maps)
            if self.sink is not None:
                self.sink(clip.clip, clip.frames[t], found.objects.named(numbers))
        frames = [clip.frames[t] for t in scored]
        result = ObjectClipScore(clip.clip.name, n, "", frames, found.objects.ids, tally.close())
        shown.close(result, scored)
        return result

    def _followed(self, found: Track, patch: int) -> Iterator[tuple[Numbers, Numbers]]:
        """Yield the truth and the prediction of every frame; that of the first is its truth."""
        config, tokens = self.config, found.clip.tokens
        device = resolve_device(self.device)
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
        frames = (torch.from_numpy(np.array(frame))[None].to(device) for frame in tokens)
        clip = Propagator(next(frames), labels[None].to(device), rule)
        for t, frame in enumerate(frames, start=1):
            truth = found.truth(t)
            soft = clip.step(frame)[0]
            size = truth.shape if config.decide_at == "gt" else (rows * patch, columns * patch)
            numbers = hard_labels(soft, size, config.upsampling, config.rescale).cpu().numpy()
            yield truth, resized_labels(numbers, truth.shape)


class _Shown:
    """Hands maps and scores of a clip over, where somebody listens."""

    def __init__(self, keep: Recorder, found: Track) -> None:
        self._keep, self._objects = keep, found.objects
        self._clip = without_tokens(found.clip)
        self._grid = (found.clip.tokens.shape[1], found.clip.tokens.shape[2])
        keep.on_features(self._clip, found.clip.tokens)

    def frame(self, t: int, truth: Numbers, numbers: Numbers) -> None:
        """Hand over one frame in the data set's own ids."""
        if self._keep is SILENT:
            return
        true = np.where(truth == UNKNOWN, VOID, self._objects.named(truth))
        shown = self._objects.named(numbers)
        self._keep.on_frame(self._clip, t, shown, true, self._grid)

    def close(self, result: ObjectClipScore, scored: range) -> None:
        """Hand over J and F of the clip, and J of its frames; the first and others have none."""
        if self._keep is SILENT:
            return
        series: list[float | None] = [None] * result.n_frames
        for t, j in zip(scored, result.scores["model"].j.mean(axis=0), strict=True):
            series[t] = float(j)
        ids = np.array(sorted({self._objects.background, *self._objects.ids}), np.int64)
        own = UnitOutcome(result.metrics()["jf"], series)
        self._keep.on_unit(self._clip, range(len(series)), Match(ids, ids), own=own)


def _background(dataset: Dataset, kind: LabelKind) -> int:
    """Return the id that is no object."""
    if kind == "instance":
        return 0
    return VOID if dataset.card.background is None else dataset.card.background
