"""What the protocols that learn have in common: divide, learn, predict, count, score.

Pixels are counted clip by clip into contingency tables of true and predicted labels; a number is
a function of these tables, whatever learnt to predict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tvseg_bench.benchmark.clustering import assign_upsampled
from tvseg_bench.benchmark.errors import NotApplicableError
from tvseg_bench.benchmark.metrics.contingency import Contingency, contingency, merge
from tvseg_bench.benchmark.metrics.iou import ClassCounts, class_counts
from tvseg_bench.benchmark.metrics.matching import Match, Matching, match
from tvseg_bench.benchmark.metrics.references import constant_table, oracle_table
from tvseg_bench.benchmark.types import VOID, Score
from tvseg_bench.protocols.common.feature_sets import without_tokens
from tvseg_bench.protocols.common.ground_truth import label_kind, read_truth
from tvseg_bench.protocols.common.scoring import counted_row, mean_ious, per_class
from tvseg_bench.protocols.common.splits import check_divisible, folds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tvseg_bench.benchmark.evaluation import Recorder, RunContext
    from tvseg_bench.benchmark.types import ClipFeatures, Dataset, FeatureSet, LabelKind, Labels
    from tvseg_bench.protocols.common.config import LearnedConfig


class TrainedPredictor(Protocol):
    """What was learnt from some clips."""

    @property
    def details(self) -> Mapping[str, Any]:
        """Return what explains it, as JSON values."""

    def maps(
        self, clip: ClipFeatures, sizes: Sequence[tuple[int, int]]
    ) -> Iterator[NDArray[np.integer[Any]]]:
        """Yield the predicted labels of one frame after the other, at (H, W) each."""


@dataclass(frozen=True)
class TrainingClips:
    """Clips to learn from."""

    features: FeatureSet
    kind: LabelKind
    seed: int


@dataclass
class _ClipTables:
    """Tables of the scored clips, at the clips' places."""

    predicted: dict[int, Contingency] = field(default_factory=dict)
    oracle: dict[int, Contingency] = field(default_factory=dict)
    clips: dict[int, ClipFeatures] = field(default_factory=dict)
    """Without tokens."""


def check_labelled(dataset: Dataset) -> None:
    """Refuse what `evaluate` cannot score, as far as the data set shows it.

    Raises:
        NotApplicableError: no labels that mean the same in every clip, or too few clips to
            divide where no training split exists.
    """
    label_kind(dataset, "dataset", "card")
    check_divisible(dataset)


def evaluate(
    features: FeatureSet,
    config: LearnedConfig,
    learn: Callable[[TrainingClips], TrainedPredictor],
    run: RunContext,
) -> Score:
    """Learn from the training clips, or from each half for the other, and score every clip.

    Raises:
        NotApplicableError: no labels that mean the same in every clip, too few clips, or fewer
            than two classes to learn.
    """
    kind = label_kind(features.dataset, "dataset", "card")
    tables, learnt = _ClipTables(), []
    run.recorder.on_begin("labels", kind)
    for fold in folds(features, run.training, run.seed):
        label_kind(fold.train.dataset, "dataset", "card")
        predictor = learn(TrainingClips(fold.train, kind, run.seed))
        for position, clip in zip(fold.positions, fold.test, strict=True):
            _count(tables, position, clip, predictor, kind, config, run.recorder)
        learnt.append({"clips": len(fold.train), **predictor.details})
    source = "halves" if run.training is None else run.training.dataset.split
    details = {"labels": kind, "training": source, "learnt": learnt}
    return _score(tables, features, config, details, run.recorder)


def upsampled_argmax(
    scores: NDArray[np.floating[Any]], size: tuple[int, int]
) -> NDArray[np.int32]:
    """Return the class [H, W] of the largest bilinearly upsampled score [h, w, C].

    Upsampling is linear, so a class wins a pixel when it is the nearest of the unit vectors to
    the upsampled scores; nothing of the size [H, W, C] is ever made.

    Example:
        >>> upsampled_argmax(np.array([[[1.0, 0.0], [0.0, 1.0]]]), (1, 4)).tolist()
        [[0, 0, 1, 1]]
    """
    unit = np.eye(scores.shape[-1], dtype=scores.dtype)
    labels: NDArray[np.int32] = assign_upsampled(scores[None], unit, size)[0]
    return labels


def two_or_more(labels: NDArray[np.int64], train: FeatureSet) -> NDArray[np.int64]:
    """Return the labels that the training clips hold, if there is anything to tell apart.

    Raises:
        NotApplicableError: fewer than two.
    """
    if labels.size < 2:
        raise NotApplicableError(
            f"the {len(train)} clips of {train.dataset.card.name}:{train.dataset.split} to learn "
            "from hold fewer than two classes, so there is nothing to tell apart; "
            "choose another data set"
        )
    return labels


def _count(
    tables: _ClipTables,
    position: int,
    clip: ClipFeatures,
    predictor: TrainedPredictor,
    kind: LabelKind,
    config: LearnedConfig,
    recorder: Recorder,
) -> None:
    """Count the pixels of one clip, predicted and pooled to the patch grid."""
    truth: list[Labels] = read_truth(clip, kind, "card", config.score_size)
    rows, cols = clip.tokens.shape[1:3]
    predicted, oracle = [], []
    maps, slim = predictor.maps(clip, [true.shape for true in truth]), without_tokens(clip)
    recorder.on_features(slim, clip.tokens)
    for t, (labels, true) in enumerate(zip(maps, truth, strict=True)):
        predicted.append(contingency(true, labels))
        oracle.append(oracle_table(true, (rows, cols)))
        recorder.on_frame(slim, t, labels, true, (rows, cols), predicted[-1])
    tables.predicted[position] = merge(predicted)
    tables.oracle[position] = merge(oracle)
    tables.clips[position] = slim


def _score(
    tables: _ClipTables,
    features: FeatureSet,
    config: LearnedConfig,
    details: Mapping[str, Any],
    recorder: Recorder,
) -> Score:
    dataset = features.dataset
    predicted = [tables.predicted[i] for i in range(len(features))]
    classes = dataset.classes
    square = _square(merge(predicted), len(classes))
    if not square.table.any():
        raise NotApplicableError(
            f"{dataset.card.name}:{dataset.split} holds nothing but void, so there is nothing to "
            "score; choose another data set"
        )
    metrics, counts, matched = _metrics(square, config, dataset.card.background)
    for clip in tables.clips.values():
        recorder.on_unit(clip, range(len(clip.frames)), matched)
    constant = constant_table(square)
    references = {
        "constant": _metrics(constant, config, dataset.card.background, "hungarian-iou")[0],
        "oracle": _metrics(
            _square(merge(tables.oracle.values()), len(classes)), config, dataset.card.background
        )[0],
    }
    rows = [
        counted_row(tables.clips[i], table, square, matched) for i, table in enumerate(predicted)
    ]
    return Score(
        metrics=metrics,
        clips=rows,
        resample="counts",
        references={f"{r}/{m}": v for r, found in references.items() for m, v in found.items()},
        per_class=per_class([counts], classes),
        details={
            **details,
            "matched_to": matched.assigned.tolist(),
            "contingency_labels": square.labels.tolist(),
            "contingency": square.table.tolist(),
        },
    )


def _square(table: Contingency, classes: int) -> Contingency:
    """Return a table whose rows and columns are the same labels: declared, true and predicted."""
    known = np.union1d(np.arange(classes), np.union1d(table.labels, table.clusters))
    labels = known[(known >= 0) & (known != VOID)]
    return table.select(labels, labels)


def _metrics(
    table: Contingency,
    config: LearnedConfig,
    background: int | None,
    matching: Matching | None = None,
) -> tuple[dict[str, float | None], ClassCounts, Match]:
    """Score one table under the configuration's conventions."""
    matched = match(table, matching or config.matching)
    counts = class_counts(table, matched)
    return mean_ious(counts, config.absent_class, background), counts, matched
