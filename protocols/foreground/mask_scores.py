"""Foreground scored as masks: IoU with the objects of the ground truth, frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tvseg_bench.benchmark.clustering.foreground_clusters import (
    ClusterPixels,
    count_pixels,
    jaccard,
)
from tvseg_bench.benchmark.errors import NotApplicableError
from tvseg_bench.benchmark.evaluation import UnitOutcome
from tvseg_bench.benchmark.metrics.matching import Match
from tvseg_bench.benchmark.metrics.references import patch_grid_oracle
from tvseg_bench.benchmark.types import VOID, Score, UnitScore
from tvseg_bench.protocols.common.ground_truth import label_kind, read_truth
from tvseg_bench.protocols.common.resize import resize_nearest
from tvseg_bench.protocols.common.scoring import mean
from tvseg_bench.protocols.foreground import METRICS
from tvseg_bench.protocols.foreground.clusters import label_map

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tvseg_bench.benchmark.evaluation import Recorder
    from tvseg_bench.benchmark.types import ClipFeatures, Dataset, Labels
    from tvseg_bench.protocols.foreground import ForegroundConfig
    from tvseg_bench.protocols.foreground.clusters import Clustered

    Truth = tuple[NDArray[np.bool_], NDArray[np.bool_] | None]
    """Where objects are [H, W], and which pixels count (None = all)."""
    Seen = Callable[[int, int, NDArray[np.int32], Truth], None]

OBJECT = 1
"""The label that stands for every object in the counts of a row."""


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


def score_masks(
    dataset: Dataset,
    found: Clustered,
    chosen: NDArray[np.bool_],
    config: ForegroundConfig,
    details: dict[str, Any],
    recorder: Recorder,
) -> Score:
    """Score the foreground of every frame as a mask.

    Args:
        chosen: [k] which clusters are foreground.

    Raises:
        NotApplicableError: the labels know no background, or no clip shows an object.
    """
    recording = _MaskRecording(recorder, dataset, found, chosen)
    clips: list[UnitScore] = []
    frames: list[UnitScore] = []
    references: list[dict[str, float | None]] = []
    for i, (truth, table) in enumerate(against_truth(found, dataset, config, recording.frame)):
        clip = found.clips[i]
        values, reference = _clip_ious(found, i, truth, table, chosen, config)
        references.append(reference)
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


def _clip_ious(
    found: Clustered,
    index: int,
    truth: Sequence[Truth],
    table: ClusterPixels,
    chosen: NDArray[np.bool_],
    config: ForegroundConfig,
) -> tuple[dict[str, list[float | None]], dict[str, float | None]]:
    """Return the metrics of each frame of a clip, and the references of the clip."""
    noisy = count_pixels(
        (
            (resize_nearest(mask, there.shape, "upper-left") * 1, there, counted)
            for mask, (there, counted) in zip(found.noisy[index], truth, strict=True)
        ),
        2,
    )
    grid = found.labels[index].shape[1:]
    oracle = count_pixels(((_oracle(m, c, grid), m, c) for m, c in truth), 2)
    second, everything = np.array([False, True]), np.ones(found.k, bool)
    values = {
        "fg_iou": _ious(table, chosen, config),
        "noisy_iou": _ious(noisy, second, config),
    }
    return values, {
        "constant/fg_iou": mean(_ious(table, everything, config)),
        "oracle/fg_iou": mean(_ious(oracle, second, config)),
    }


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


def against_truth(
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


def stacked(tables: Sequence[ClusterPixels]) -> ClusterPixels:
    """Return the frames of several clips in one table."""
    return ClusterPixels(
        np.concatenate([t.hits for t in tables]), np.concatenate([t.pixels for t in tables])
    )
