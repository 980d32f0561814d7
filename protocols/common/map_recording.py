"""Pictures of maps whose labels mean the same in estimate and truth, such as steps of depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tvseg_bench.benchmark.evaluation import UnitOutcome
from tvseg_bench.benchmark.metrics.matching import Match
from tvseg_bench.protocols.common.feature_sets import without_tokens

if TYPE_CHECKING:
    from tvseg_bench.benchmark.evaluation import Recorder
    from tvseg_bench.benchmark.types import ClipFeatures, Labels


class MapRecording:
    """Hands maps and scores of one clip to a recorder.

    Args:
        n_labels: labels of the maps are 0 to n_labels - 1, and VOID.
    """

    def __init__(self, recorder: Recorder, clip: ClipFeatures, n_labels: int) -> None:
        self._recorder, self._clip, self._labels = recorder, without_tokens(clip), n_labels
        self._grid = (clip.tokens.shape[1], clip.tokens.shape[2])
        recorder.on_features(self._clip, clip.tokens)

    @property
    def active(self) -> bool:
        """Whether anyone looks at maps, so that they are worth making."""
        return self._recorder.active

    def frame(self, position: int, estimate: Labels, truth: Labels) -> None:
        """Hand over the maps [H, W] of one frame."""
        self._recorder.on_frame(self._clip, position, estimate, truth, self._grid)

    def close(self, score: float | None, series: Sequence[float | None]) -> None:
        """Hand over the scores of the clip and of its frames."""
        ids = np.arange(self._labels)
        match = None if score is None else Match(ids, ids)
        outcome = UnitOutcome(score, series)
        self._recorder.on_unit(self._clip, range(len(series)), match, outcome=outcome)
