"""Cluster-based foreground extraction (CBFE), scored against the objects of the ground truth.

Clusters of patches over the whole data set are foreground where they lie within noisy masks, such
as the class token's attention. Leopart (arXiv 2204.13101), section 4.3; TimeT (arXiv 2308.11796).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tvseg_bench.benchmark.clustering.foreground_clusters import (
    ClusterPixels,
    count_pixels,
    foreground_clusters,
    jaccard,
    tune_threshold,
)
from tvseg_bench.benchmark.errors import NotApplicableError
from tvseg_bench.benchmark.evaluation import Needs, RunContext, UnitOutcome
from tvseg_bench.benchmark.metrics.matching import Match
from tvseg_bench.benchmark.metrics.references import patch_grid_oracle
from tvseg_bench.benchmark.types import VOID, Score, UnitScore, View
from tvseg_bench.protocols.common.feature_sets import ClipsOf
from tvseg_bench.protocols.common.ground_truth import label_kind, read_truth
from tvseg_bench.protocols.common.resize import resize_nearest
from tvseg_bench.protocols.common.scoring import mean
from tvseg_bench.protocols.common.splits import folds
from tvseg_bench.protocols.foreground import METRICS, ForegroundClassesConfig
from tvseg_bench.protocols.foreground.classes import check_classes, score_classes
from tvseg_bench.protocols.foreground.clusters import Clustered, clustered, label_map

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tvseg_bench.benchmark.evaluation import Recorder
    from tvseg_bench.benchmark.types import ClipFeatures, Dataset, FeatureSet, Labels
    from tvseg_bench.protocols.foreground import ForegroundConfig

    Truth = tuple[NDArray[np.bool_], NDArray[np.bool_] | None]
    """Where objects are [H, W], and which pixels count (None = all)."""
    Seen = Callable[[int, int, NDArray[np.int32], Truth], None]

OBJECT = 1
"""The label that stands for every object in the counts of a row."""


@dataclass(frozen=True)
class Foreground:
    """Foreground without a label: the threshold is fixed."""

    config: ForegroundConfig
    needs = Needs(passes=2)

    def view(self, dataset: Dataset) -> View:
        """Return what the model is shown."""
        return self.config.view(dataset)

    def evaluate(self, features: FeatureSet, run: RunContext) -> Score:
        """Cluster the data set, choose the foreground and score it.

        Raises:
            NotApplicableError: the labels know no background, or no clip shows an object.
        """
        _check(features.dataset, self.config)
        found = clustered(features, self.config, run.seed)
        details = {"threshold": self.config.fixed_threshold}
        return _score(features, found, found, self.config, details, run)


@dataclass(frozen=True)
class TunedForeground:
    """Foreground as published: the threshold is tuned on the ground truth of training clips."""

    config: ForegroundConfig
    needs = Needs(training=True, passes=2)

    def view(self, dataset: Dataset) -> View:
        """Return what the model is shown."""
        return self.config.view(dataset)

    def evaluate(self, features: FeatureSet, run: RunContext) -> Score:
        """Tune the threshold on the training clips, or on half of the clips; score the others.

        Raises:
            NotApplicableError: the labels know no background, or there is nothing to tune on.
        """
        config, seed = self.config, run.seed
        _check(features.dataset, config)
        fold = folds(features, run.training, seed)[0]
        train, features = fold.train, fold.test
        if config.training == "joined":
            pool = clustered(ClipsOf((train, features)), config, seed)
            known, found = pool.part(slice(len(train))), pool.part(slice(len(train), None))
        else:
            known = clustered(train, config, seed)
            pool = found = clustered(features, config, seed)
        tables = [t for _, t in _against_truth(known, train.dataset, config)]
        tuned = tune_threshold(known.precision, _stacked(tables))
        details = {
            "threshold": tuned.threshold,
            "tuned_on": f"{train.dataset.card.name}:{train.dataset.split}, {len(train)} clips",
            "cuts": [list(cut) for cut in tuned.candidates],
        }
        return _score(features, found, pool, config, details, run)


def _check(dataset: Dataset, config: ForegroundConfig) -> None:
    """Refuse, before anything is computed, what cannot be scored."""
    background_of(dataset)
    label_kind(dataset, "clip", "card")
    if isinstance(config, ForegroundClassesConfig):
        check_classes(dataset, config)


def background_of(dataset: Dataset) -> int:
    """Return the label of what is no object.

    Raises:
        NotApplicableError: every label is a class of its own.
    """
    background = dataset.card.background
    if background is None:
        raise NotApplicableError(
            f"every label of {dataset.card.name} is a class and none is background, so there "
            "is no foreground to find; choose a data set of objects, such as davis-2016"
        )
    return background


def _score(
    features: FeatureSet,
    found: Clustered,
    pool: Clustered,
    config: ForegroundConfig,
    details: dict[str, Any],
    run: RunContext,
) -> Score:
    """Score the clips `found` among those that were clustered together, `pool`."""
    chosen = foreground_clusters(found.precision, details["threshold"])
    details |= {
        "mask_source": found.source,
        "foreground_clusters": int(chosen.sum()),
        "clusters": found.k,
        "empty_clusters": int(np.isnan(found.precision).sum()),
    }
    if isinstance(config, ForegroundClassesConfig):
        return score_classes(features, found, pool, chosen, config, details, run)
    return _score_masks(features.dataset, found, chosen, config, details, run.recorder)


def _score_masks(
    dataset: Dataset,
    found: Clustered,
    chosen: NDArray[np.bool_],
    config: ForegroundConfig,
    details: dict[str, Any],
    recorder: Recorder,
) -> Score:
    recording = _MaskRecording(recorder, dataset, found, chosen)
    clips: list[UnitScore] = []
    frames: list[UnitScore] = []
    references: list[dict[str, float | None]] = []
    for i, (truth, table) in enumerate(_against_truth(found, dataset, config, recording.frame)):
        clip = found.clips[i]
        noisy = count_pixels(
            (
                (resize_nearest(n, m.shape, "upper-left") * 1, m, c)
                for n, (m, c) in zip(found.noisy[i], truth, strict=True)
            ),
            2,
        )
        grid = found.labels[i].shape[1:]
        oracle = count_pixels(((_oracle(m, c, grid), m, c) for m, c in truth), 2)
        second = np.array([False, True])
        values = {
            "fg_iou": _ious(table, chosen, config),
            "noisy_iou": _ious(noisy, second, config),
        }
        everything = np.ones(found.k, bool)
        references.append(
            {
                "constant/fg_iou": mean(_ious(table, everything, config)),
                "oracle/fg_iou": mean(_ious(oracle, second, config)),
            }
        )
        frames += _frame_rows(clip, values, table.select(chosen))
        row = {name: mean(v) for name, v in values.items()}
        recording.close(i, row["fg_iou"], values["fg_iou"])
        note = "" if row["fg_iou"] is not None else "no frame shows an object"
        n = len(clip.frames)
        clips.append(UnitScore(clip=clip.clip.name, n_frames=n, metrics=row, note=note))
    metrics = {name: mean(row.metrics[name] for row in clips) for name in METRICS}
    if metrics["fg_iou"] is None:
        raise NotApplicableError(
            f"no frame of {dataset.card.name}:{dataset.split} shows an object, so there is no "
            "foreground to find; choose another data set"
        )
    return Score(
        metrics=metrics,
        clips=clips,
        frames=frames,
        references={n: mean(r[n] for r in references) for n in references[0]},
        details=details,
    )


class _MaskRecording:
    """Hands the foreground of frames and its scores to a recorder."""

    def __init__(
        self, recorder: Recorder, dataset: Dataset, found: Clustered, chosen: NDArray[np.bool_]
    ) -> None:
        self._recorder, self._found, self._chosen = recorder, found, chosen
        background = background_of(dataset)
        self._names = (background, OBJECT if background != OBJECT else 0)
        self._match = Match(np.sort(self._names), np.sort(self._names))
        recorder.on_begin("labels", "instance", "IoU", "IoU")

    def frame(self, index: int, t: int, ids: NDArray[np.int32], truth: Truth) -> None:
        """Hand over the clusters [H, W] of a frame of clip `index`, as foreground or not."""
        if not self._recorder.active:
            return
        mask, counted = truth
        names = np.array(self._names)
        true, shown = names[mask.astype(int)], names[self._chosen[ids].astype(int)]
        if counted is not None:
            true = np.where(counted, true, VOID)
        rows, columns = self._found.labels[index].shape[1:]
        self._recorder.on_frame(self._found.clips[index], t, shown, true, (rows, columns))

    def close(self, index: int, score: float | None, series: Sequence[float | None]) -> None:
        """Hand over the IoU of a clip and of its frames."""
        if self._recorder.active:
            clip = self._found.clips[index]
            self._recorder.on_features(clip, self._found.tokens[index])
            outcome = UnitOutcome(score, series)
            self._recorder.on_unit(clip, range(len(clip.frames)), self._match, outcome=outcome)


def _against_truth(
    found: Clustered, dataset: Dataset, config: ForegroundConfig, seen: Seen | None = None
) -> Iterator[tuple[list[Truth], ClusterPixels]]:
    """Yield, per clip, (objects, pixels that count) of its frames and the pixels of clusters.

    `seen` is given clip, frame, clusters [H, W] and the truth, frame by frame.
    """
    kind, background = label_kind(dataset, "clip", "card"), background_of(dataset)
    for i, clip in enumerate(found.clips):
        masks = read_truth(clip, kind, "card", config.score_size)
        truth = [objects(mask, background, config) for mask in masks]
        yield truth, count_pixels(_labelled(found, i, truth, config, seen), found.k)


def _labelled(
    found: Clustered,
    index: int,
    truth: Sequence[Truth],
    config: ForegroundConfig,
    seen: Seen | None,
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.bool_], NDArray[np.bool_] | None]]:
    for t, (tokens, (mask, counted)) in enumerate(zip(found.tokens[index], truth, strict=True)):
        ids = label_map(tokens, found.centers, mask.shape, config)
        if seen is not None:
            seen(index, t, ids, (mask, counted))
        yield ids, mask, counted


def objects(
    mask: Labels, background: int, config: ForegroundConfig
) -> tuple[NDArray[np.bool_], NDArray[np.bool_] | None]:
    """Return where objects are [H, W], and which pixels count (None = all)."""
    there, void = mask != background, mask == VOID
    if config.void == "foreground":
        return there, None
    return there & ~void, ~void if config.void == "exclude" else None


def _oracle(
    mask: NDArray[np.bool_], counted: NDArray[np.bool_] | None, grid: Sequence[int]
) -> NDArray[np.int64]:
    """Return the objects [H, W] as 0 and 1, pooled to the patch grid."""
    known = mask.astype(np.uint8) if counted is None else np.where(counted, mask, VOID)
    pooled: NDArray[np.bool_] = patch_grid_oracle(known, (grid[0], grid[1])) == OBJECT
    return pooled.astype(np.int64)


def _ious(
    table: ClusterPixels, chosen: NDArray[np.bool_], config: ForegroundConfig
) -> list[float | None]:
    """Return the IoU of each frame; without an object in it, None or 0."""
    values = np.nan_to_num(jaccard(table, chosen))
    shown = table.hits.sum(axis=1) > 0
    if config.no_object == "zero":
        return list(map(float, np.where(shown, values, 0.0)))
    return [float(v) if s else None for v, s in zip(values, shown, strict=True)]


def _frame_rows(
    clip: ClipFeatures,
    values: dict[str, list[float | None]],
    counts: Sequence[NDArray[np.int64]],
) -> Iterator[UnitScore]:
    """Yield a row per frame of a clip, with the pixels from which its IoU can be recomputed."""
    for row, frame in enumerate(clip.frames):
        metrics = {name: v[row] for name, v in values.items()}
        named = zip(("tp", "fp", "fn"), counts, strict=True)
        yield UnitScore(
            clip=clip.clip.name,
            frame=frame,
            metrics=metrics,
            counts={"labels": [OBJECT], **{n: [int(c[row])] for n, c in named}},
            note="" if metrics["fg_iou"] is not None else "no object",
        )


def _stacked(tables: Sequence[ClusterPixels]) -> ClusterPixels:
    return ClusterPixels(
        np.concatenate([t.hits for t in tables]), np.concatenate([t.pixels for t in tables])
    )
