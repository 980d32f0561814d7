"""The contract of a protocol: what it needs of a run, what a run hands it, what it gives back.

A protocol is a frozen configuration and an `Evaluation` built of it. Whatever a program has to
know of it stands in `Needs`; whatever it may use stands in `RunContext`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tvseg_bench.benchmark.metrics.contingency import Contingency
    from tvseg_bench.benchmark.metrics.matching import Match
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

T = TypeVar("T")
R = TypeVar("R")
"""What a `ClipwiseEvaluation` keeps of a clip."""

UnitScope = Literal["frame", "clip", "dataset", "labels"]
"""What shares one matching. labels: nothing is matched, predictions are labels."""

DEFAULT_LIMIT = 1 << 30
"""Bytes: 15 000 frames of 350 patches in 50 dimensions, or 2 600 masks of 480p."""


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What a protocol needs of a run, known before anything is computed."""

    training: bool = False
    """Whether it learns from other clips than it is scored on. A run then hands over the features
    of the first training split that is there; without one, the protocol divides the clips."""
    passes: int = 1
    """How often the features are read; more than once makes storing them worth it."""
    predictions: bool = False
    """Whether it makes label maps that can be saved (`--save-predictions`)."""
    unit: Literal["clip", "dataset"] = "dataset"
    """clip: what a clip gives depends on that clip alone, so ranges of clips can be evaluated
    apart; the evaluation is a `ClipwiseEvaluation`. dataset: all clips are needed at once."""
    clips_per_unit: int = 1
    """Clips in a row that depend on each other where the unit is the clip: ranges of clips that
    are evaluated apart begin at multiples of it."""


@dataclass
class SharedCache:
    """Values by key, up to a number of bytes; what comes when it is full is not stored.

    Cells of one model, data set and view share one: seeds, a sweep of K and several scopes want
    the same reduced features and the same ground truth. First come, first stored: evaluations read
    a data set from its first clip to its last, where dropping the oldest value would always drop
    the one that is wanted next.

    Example:
        >>> cache = SharedCache(limit=100)
        >>> cache.get("a", lambda: "made", lambda value: 60)
        'made'
        >>> cache.get("b", lambda: "made too", lambda value: 60)
        'made too'
        >>> "a" in cache, "b" in cache, cache.used
        (True, False, 60)
    """

    limit: int = DEFAULT_LIMIT
    used: int = 0
    _values: dict[Hashable, Any] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock, repr=False, compare=False)

    def __contains__(self, key: Hashable) -> bool:
        """Return whether the value is stored."""
        return key in self._values

    def get(self, key: Hashable, make: Callable[[], T], size: Callable[[T], int]) -> T:
        """Return the value of a key, made now if it is not stored.

        Args:
            key: everything that the value depends on, within one feature set; clips by name.
            make: gives the value, which nobody may change afterwards.
            size: bytes that the value takes.
        """
        if key in self._values:
            stored: T = self._values[key]
            return stored
        value = make()
        needed = size(value)
        with self._lock:
            if key not in self._values and self.used + needed <= self.limit:
                self._values[key] = value
                self.used += needed
        return value


@dataclass(frozen=True)
class UnitOutcome:
    """The score of a unit by the protocol's own measure, where that is not its mIoU."""

    score: float | None
    series: Sequence[float | None] | None = None
    """Of its frames, None = their mIoU."""


class Recorder:
    """Is given what a protocol finds, for reports; this one records nothing.

    `recording.writer.MediaRecorder` is the one that does.
    """

    active: ClassVar[bool] = False
    """Whether anything is recorded; where not, nothing has to be prepared for it."""

    def on_begin(
        self, scope: UnitScope, labels: LabelKind, metric: str = "mIoU", of_frames: str = "mIoU"
    ) -> None:
        """Called once: what the units are, which labels score them, what scores are called."""

    def on_features(self, clip: ClipFeatures, tokens: NDArray[np.floating[Any]]) -> None:
        """Called with the features [T, rows, cols, D] of a clip, where one basis serves all."""

    def on_frame(
        self,
        clip: ClipFeatures,
        position: int,
        labels: NDArray[np.integer[Any]],
        truth: NDArray[np.integer[Any]],
        grid: tuple[int, int],
        table: Contingency | None = None,
    ) -> None:
        """Called with cluster ids, or predicted labels, and true labels [H, W] of one frame.

        Args:
            position: of the frame among the scored ones of the clip.
            labels: [H, W] clusters or predicted labels.
            truth: [H, W] true labels.
            grid: (rows, cols) of the model's patches.
            table: contingency of the two; None = that of all pixels but void.
        """

    def on_unit(
        self,
        clip: ClipFeatures,
        positions: range,
        match: Match | None,
        counted: Callable[[Contingency], Contingency] | None = None,
        outcome: UnitOutcome | None = None,
    ) -> None:
        """Called with the matching of a unit whose frames were given before.

        Args:
            positions: of the frames among the scored ones of the clip.
            match: None where the unit has no score.
            counted: what of a frame's table counts, None = all.
            outcome: its scores, None = mIoU.
        """


PredictionSink = Callable[["Clip", int, "Labels"], object]
"""Called with a clip, the index of one of its frames, and its predicted labels [H, W] in the data
set's own ids."""


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """What a run hands to an evaluation; the defaults are those of a call from Python."""

    seed: int = 0
    """Of everything random."""
    device: str = "auto"
    """Where heavy steps are computed; moves no number beyond rounding."""
    training: FeatureSet | None = None
    """Features of the clips to learn from, where `Needs.training` asks for them and the data set
    has such a split."""
    recorder: Recorder = field(default_factory=Recorder)
    predictions: PredictionSink | None = None
    """Where predicted label maps go, where `Needs.predictions` says that there are any."""
    shared: SharedCache | None = None
    """Of all evaluations of this very feature set; None = nothing is shared."""
    whole: Dataset | None = None
    """The data set of which the features are a range of clips; None = they are all of it."""

    def dataset(self, features: FeatureSet) -> Dataset:
        """Return the whole data set: what is one for all its clips, such as which labels score
        them, follows from it and not from the range at hand."""
        return features.dataset if self.whole is None else self.whole


class Evaluation(Protocol):
    """A protocol with its configuration: from features to a score."""

    @property
    def needs(self) -> Needs:
        """What it needs of a run."""
        ...

    def view(self, dataset: Dataset) -> View:
        """Return what the model is to be shown of these data, those to learn from included."""
        ...

    def check_dataset(self, dataset: Dataset) -> None:
        """Find out, without decoding anything, whether these data can be scored.

        A run asks before it computes features; a plan leaves out what is refused here.

        Raises:
            NotApplicableError: the data set lacks what the protocol needs; the text says what.
            DataError: a file or folder that the configuration names is not of this data set.
        """
        ...

    def evaluate(self, features: FeatureSet, run: RunContext) -> Score:
        """Score the features of a data set that passed `check_dataset`; the first metric is the
        headline.

        Raises:
            NotApplicableError: the data set lacks what the protocol needs, as its labels show.
        """
        ...


class ClipwiseEvaluation(Evaluation, Protocol[R]):
    """An evaluation whose unit is the clip: ranges of clips are scored apart, in any process.

    `evaluate` is `combine` of all that `score_clips` yields; the numbers are the same to the last
    bit, however the clips were divided.
    """

    @property
    def row_type(self) -> type[R]:
        """What is kept of a clip: a dataclass that pydantic writes as JSON and reads back
        equal."""
        ...

    def score_clips(self, features: FeatureSet, run: RunContext) -> Iterator[R]:
        """Yield one row for each clip, in order; none for a clip that is dropped because the last
        `Needs.clips_per_unit` clips of the data set are not complete.

        A clip without a score has a row as well; only `combine` may find that there is nothing
        to score.

        Args:
            features: of some clips in a row, which begin at a multiple of `Needs.clips_per_unit`
                of the data set and end at one or with the data set; `features.dataset` holds
                those clips only.
            run: its `whole` is the data set that the clips are a range of.
        """
        ...

    def combine(self, rows: Sequence[R], dataset: Dataset) -> Score:
        """Return the score of a data set from the rows of all its clips, in their order.

        Args:
            rows: as `score_clips` yielded them, or read back from JSON.
            dataset: the whole of it.

        Raises:
            NotApplicableError: the labels of no clip can be scored; the text says why.
        """
        ...
