"""Can the distance to what is seen be read off single patches by a linear map?

A probe is trained on the patches of other clips, its map of depth is brought to the frame
bilinearly, and errors are taken over the pixels whose true depth is known. The mean depth map of
the training frames is the floor, the true depth averaged in every patch the oracle.

Sources: Eigen et al., 2014 (errors, crop); Oquab et al., DINOv2, 2023 (linear probe).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tvseg_bench.benchmark.devices import resolve_device
from tvseg_bench.benchmark.errors import NotApplicableError
from tvseg_bench.benchmark.evaluation import Needs, RunContext
from tvseg_bench.benchmark.metrics.distances import depth_metrics, depth_sums, grid_mean
from tvseg_bench.benchmark.types import VOID, Score, UnitScore, View
from tvseg_bench.protocols.common.labelled_patches import frame_count
from tvseg_bench.protocols.common.map_recording import MapRecording
from tvseg_bench.protocols.common.resize import resize_nearest
from tvseg_bench.protocols.common.scoring import clips_score, mean
from tvseg_bench.protocols.common.splits import check_divisible, folds
from tvseg_bench.protocols.depth import METRICS
from tvseg_bench.protocols.depth.fit import (
    DepthHead,
    RidgeSums,
    chosen,
    fit_bins,
    fit_ridge,
    upsampled,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tvseg_bench.benchmark.evaluation import Recorder
    from tvseg_bench.benchmark.types import ClipFeatures, Dataset, Depth, FeatureSet
    from tvseg_bench.protocols.depth import DepthConfig

REFERENCES = ("constant", "oracle")
EIGEN = ((45 / 480, 471 / 480), (41 / 640, 601 / 640))
"""Shares of rows and columns between which Eigen's crop lies."""
LEVELS = 32
"""Steps of depth that pictures tell apart, 0 the nearest."""
SHOWN = "delta_1"
"""What pictures are chosen by: a share, which they can be ordered and drawn by."""


@dataclass(frozen=True)
class _ScoredClip:
    """The rows of a clip."""

    clip: UnitScore
    frames: Sequence[UnitScore]
    references: dict[str, float | None]


@dataclass(frozen=True)
class DepthProbe:
    """The protocol with its configuration."""

    config: DepthConfig
    needs = Needs(training=True, passes=2)

    def view(self, dataset: Dataset) -> View:
        """Return what the model is shown."""
        return self.config.view(dataset)

    def check_dataset(self, dataset: Dataset) -> None:
        """Refuse data without depth, or too few clips to divide.

        Raises:
            NotApplicableError: the same.
        """
        _check_depth(dataset)
        check_divisible(dataset)

    def evaluate(self, features: FeatureSet, run: RunContext) -> Score:
        """Train on the training clips, or on each half of the clips for the other, and score.

        Raises:
            NotApplicableError: no pixel to learn from, or to score, has a known depth.
        """
        self.check_dataset(features.dataset)
        run.recorder.on_begin("labels", "instance", "δ1", "δ1")
        rows: dict[int, _ScoredClip] = {}
        learnt = []
        for fold in folds(features, run.training, run.seed):
            _check_depth(fold.train.dataset)
            head, floor = learn(fold.train, self.config, run)
            for position, clip in zip(fold.positions, fold.test, strict=True):
                rows[position] = self._clip(clip, head, floor, run.recorder)
            learnt.append({"clips": len(fold.train), "frames": floor.frames, **head.details})
        source = "halves" if run.training is None else run.training.dataset.split
        return self._score(
            [rows[i] for i in range(len(features))],
            features.dataset,
            {"training": source, "learnt": learnt},
        )

    def _clip(
        self, clip: ClipFeatures, head: DepthHead, floor: MeanDepth, recorder: Recorder
    ) -> _ScoredClip:
        """Score every frame of a clip; the clip is their mean."""
        name, n = clip.clip.name, len(clip.frames)
        rows, cols = clip.tokens.shape[1:3]
        recording = MapRecording(recorder, clip, LEVELS)
        frames, beside = [], []
        for position, (t, tokens) in enumerate(zip(clip.frames, clip.tokens, strict=True)):
            known = true_depth(clip, t, self.config)
            if known is None:
                break
            truth = cropped(known, self.config.crop)
            depth = head(tokens, truth.shape)
            cells = grid_mean(known[..., None], (rows, cols))[..., 0]
            oracle = upsampled(cells, truth.shape).clip(*head.limits)
            found = [
                depth_metrics(depth_sums(estimate, truth))
                for estimate in (depth, floor.at(truth.shape), oracle)
            ]
            frames.append(UnitScore(clip=name, frame=int(t), metrics=found[0]))
            beside.append(found[1:])
            if recording.active:
                farthest = self.config.max_depth
                recording.frame(position, levels(depth, farthest), levels(known, farthest))
        metrics = {m: mean(frame.metrics[m] for frame in frames) for m in METRICS}
        recording.close(metrics[SHOWN], [frame.metrics[SHOWN] for frame in frames])
        note = "" if metrics["rmse"] is not None else "no pixel whose depth is known"
        references = {
            f"{reference}/{m}": mean(found[i][m] for found in beside)
            for i, reference in enumerate(REFERENCES)
            for m in METRICS
        }
        return _ScoredClip(
            UnitScore(clip=name, n_frames=n, metrics=metrics, note=note), frames, references
        )

    def _score(
        self, rows: Sequence[_ScoredClip], dataset: Dataset, details: dict[str, Any]
    ) -> Score:
        """Average the clips that have a score."""
        if all(row.clip.metrics["rmse"] is None for row in rows):
            raise NotApplicableError(_nothing(dataset, "to score", self.config))
        left_out = sum(row.clip.metrics["rmse"] is None for row in rows)
        return clips_score(rows, METRICS, REFERENCES, {**details, "clips_left_out": left_out})


def _check_depth(dataset: Dataset) -> None:
    if any(clip.depth is None for clip in dataset.clips[:1]):
        raise NotApplicableError(
            f"{dataset.card.name}:{dataset.split} has no depth, which this protocol needs; "
            "choose a data set with depth, such as nyuv2 or moving-shapes@2"
        )


def true_depth(clip: ClipFeatures, t: int, config: DepthConfig) -> Depth | None:
    """Return the depth [H, W] of a frame, NaN where it is unknown or out of range.

    None where the clip has no depth.
    """
    if clip.clip.depth is None:
        return None
    depth = np.asarray(clip.clip.depth(t), np.float32)
    inside = (depth > config.min_depth) & (depth < config.max_depth)  # NaN is not
    return np.where(inside, depth, np.float32(np.nan))


def cropped(truth: Depth, crop: str) -> Depth:
    """Return a map of depth with NaN outside of the crop.

    Example:
        >>> inside = ~np.isnan(cropped(np.ones((480, 640), np.float32), "eigen"))
        >>> np.argwhere(inside)[[0, -1]].tolist(), int(inside.sum())
        ([[45, 41], [470, 600]], 238560)
    """
    if crop == "none":
        return truth
    rows, cols = (
        slice(round(low * n), round(high * n))
        for n, (low, high) in zip(truth.shape, EIGEN, strict=True)
    )
    kept = np.full_like(truth, np.nan)
    kept[rows, cols] = truth[rows, cols]
    return kept


@dataclass
class MeanDepth:
    """The mean depth at each place of some frames: what can be said without looking.

    Maps have the size of the first frame; others are brought to it by the nearest pixel.

    Example:
        >>> floor = MeanDepth()
        >>> floor.add(np.array([[1.0, np.nan]]))
        >>> floor.add(np.array([[3.0, np.nan]]))
        >>> floor.at((1, 2)).tolist()
        [[2.0, 2.0]]
    """

    frames: int = 0
    _size: tuple[int, int] = (0, 0)
    _total: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    _known: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    _maps: dict[tuple[int, ...], NDArray[np.float32]] = field(default_factory=dict)

    def add(self, depth: NDArray[np.floating[Any]]) -> None:
        """Add a map [H, W], NaN where nothing is known."""
        if not self.frames:
            self._size = (depth.shape[0], depth.shape[1])
            self._total, self._known = np.zeros(self._size), np.zeros(self._size, np.int64)
        if depth.shape != self._size:
            depth = resize_nearest(depth, self._size)
        known = ~np.isnan(depth)
        self._total[known] += depth[known]
        self._known += known
        self.frames += 1
        self._maps.clear()

    def at(self, size: tuple[int, ...]) -> NDArray[np.float32]:
        """Return the mean map at a size (H, W); where nothing was known, the nearest place's."""
        if size not in self._maps:
            means = np.full(self._size, np.nan)
            np.divide(self._total, self._known, out=means, where=self._known > 0)
            whole = grid_mean(means[..., None], self._size)[..., 0]
            self._maps[size] = resize_nearest(whole, size)
        return self._maps[size]


def learn(
    features: FeatureSet, config: DepthConfig, run: RunContext
) -> tuple[DepthHead, MeanDepth]:
    """Train a probe on all frames of some clips, and average their depth.

    A patch's depth is the mean of its pixels of known depth, its weight their share.

    Raises:
        NotApplicableError: no pixel has a known depth.
    """
    floor, sums = MeanDepth(), RidgeSums()
    ridge = config.targets == "regression"
    quota = max(1, config.max_patches // max(1, frame_count(features)))
    kept: list[tuple[NDArray[np.float32], ...]] = []
    for clip in features:
        for t, tokens in zip(clip.frames, clip.tokens, strict=True):
            truth = true_depth(clip, t, config)
            if truth is None:
                break
            floor.add(truth)
            depth, share = patch_depths(truth, (tokens.shape[0], tokens.shape[1]))
            known = np.flatnonzero(share)
            if not ridge:
                draw = [run.seed, int(t), *clip.clip.name.encode()]
                known = known[chosen(len(known), quota, draw)]
            x = tokens.reshape(-1, tokens.shape[-1])[known].astype(np.float32)
            if ridge:
                sums.add(x, depth[known], share[known].astype(np.float64))
            else:
                kept.append((x, depth[known], share[known]))
    if not (sums.patches or any(len(x) for x, *_ in kept)):
        raise NotApplicableError(_nothing(features.dataset, "to learn from", config))
    if ridge:
        return fit_ridge(sums, config), floor
    x, depth, share = (np.concatenate(parts) for parts in zip(*kept, strict=True))
    return fit_bins(x, depth, share, config, resolve_device(run.device)), floor


def patch_depths(
    truth: Depth, grid: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the mean known depth of each patch, row by row, and the share of known pixels."""
    known = ~np.isnan(truth)
    share = grid_mean(known[..., None].astype(np.float32), grid)
    return grid_mean(truth[..., None], grid).ravel(), share.ravel()


def _nothing(dataset: Dataset, purpose: str, config: DepthConfig) -> str:
    return (
        f"{dataset.card.name}:{dataset.split} has no pixel {purpose} whose depth is known and "
        f"between {config.min_depth:g} and {config.max_depth:g}; give the range of its depth as "
        "protocol.depth.min_depth=N and protocol.depth.max_depth=N"
    )


def levels(depth: Depth, farthest: float) -> NDArray[np.int64]:
    """Return the depth [H, W] in `LEVELS` equal steps from 0 to the farthest; VOID for NaN.

    Example:
        >>> levels(np.array([[0.1, 5.0, 10.0, np.nan]]), 10).tolist()
        [[0, 16, 31, 255]]
    """
    known = ~np.isnan(depth)
    steps = np.where(known, depth, 0) * (LEVELS / farthest)
    return np.where(known, steps.astype(np.int64).clip(0, LEVELS - 1), VOID)
