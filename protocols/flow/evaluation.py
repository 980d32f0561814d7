"""Zero-shot flow: each patch goes to the one of the next frame that looks most like it.

Nothing is trained and no label is needed: the displacement of the patches, brought to pixels
bilinearly, is compared with the true motion. The zero-motion map is the floor, the true motion
averaged in every patch the oracle.

Sources: Baker et al., 2011 (end-point error); Butler et al., Sintel, 2012 (by displacement); Tang
et al., DIFT, 2023 (nearest features as correspondence).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tvseg_bench.benchmark.data.files.flow_files import FlowFolder
from tvseg_bench.benchmark.devices import resolve_device
from tvseg_bench.benchmark.errors import DataError, NotApplicableError
from tvseg_bench.benchmark.evaluation import Needs, RunContext
from tvseg_bench.benchmark.metrics.distances import (
    Sums,
    endpoint_metrics,
    endpoint_sums,
    grid_mean,
)
from tvseg_bench.benchmark.types import VOID, Score, UnitScore, View
from tvseg_bench.protocols.common.correspondence import directions
from tvseg_bench.protocols.common.map_recording import MapRecording
from tvseg_bench.protocols.common.scoring import clips_score
from tvseg_bench.protocols.flow import METRICS
from tvseg_bench.protocols.flow.correspondence import displacements

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tvseg_bench.benchmark.types import Clip, ClipFeatures, Dataset, FeatureSet, Flow
    from tvseg_bench.protocols.flow import FlowConfig

REFERENCES = ("constant", "oracle")
SECTORS = 8
"""Directions of motion that pictures tell apart; 0 is what holds still."""
STILL = 0.5
"""Pixels below which pictures show no motion."""
SHOWN = "within_3"
"""What pictures are chosen by: a share, which they can be ordered and drawn by."""


@dataclass(frozen=True)
class FollowedPatches:
    """What is kept of a clip, as plain values."""

    clip: UnitScore
    frames: tuple[UnitScore, ...]
    """Of the frames whose patches were looked for."""
    references: dict[str, float | None]
    """`constant/epe`, ...; empty where the clip has no score."""


@dataclass(frozen=True)
class FeatureFlow:
    """The protocol with its configuration."""

    config: FlowConfig
    needs = Needs(unit="clip")
    row_type = FollowedPatches

    def view(self, dataset: Dataset) -> View:
        """Return what the model is shown."""
        return self.config.view(dataset)

    def check_dataset(self, dataset: Dataset) -> None:
        """Refuse data without motion.

        Raises:
            NotApplicableError: the data set has no flow, or no clip is long enough.
            DataError: the folder of flow is another data set's.
        """
        name, distance = f"{dataset.card.name}:{dataset.split}", self.config.distance
        if all(clip.n_frames <= distance for clip in dataset.clips):
            raise NotApplicableError(
                f"no clip of {name} has more than {distance} frame{'s' if distance > 1 else ''}, "
                "and motion leads from one to another; choose a data set of videos"
            )
        folder = self.config.flow_dir
        if folder is None and any(clip.flow is None for clip in dataset.clips[:1]):
            raise NotApplicableError(
                f"{name} has no optical flow, which this protocol needs; give a folder with it as "
                "protocol.flow.flow_dir=DIR"
            )
        if folder is not None and not any((folder / c.name).is_dir() for c in dataset.clips):
            raise DataError(
                f"{folder} holds no flow of {dataset.card.name}: there is no folder "
                f"{dataset.clips[0].name!r}, nor one of another clip; fix protocol.flow.flow_dir"
            )

    def evaluate(self, features: FeatureSet, run: RunContext) -> Score:
        """Follow the patches of every clip; average the clips, which weigh alike."""
        self.check_dataset(features.dataset)
        return self.combine(list(self.score_clips(features, run)), features.dataset)

    def score_clips(self, features: FeatureSet, run: RunContext) -> Iterator[FollowedPatches]:
        """Follow the patches of some clips in a row."""
        run.recorder.on_begin("labels", "instance", "share within 3 px", "share within 3 px")
        for clip in features:
            yield self._clip(clip, run)

    def combine(self, rows: Sequence[FollowedPatches], dataset: Dataset) -> Score:
        """Average the clips that have a score.

        Raises:
            NotApplicableError: no clip has a pixel whose motion is known.
        """
        if all(row.clip.metrics["epe"] is None for row in rows):
            raise NotApplicableError(
                f"no clip of {dataset.card.name}:{dataset.split} has a pixel whose motion is "
                f"known at distance={self.config.distance}; choose another data set"
            )
        details = {
            "clips_left_out": sum(row.clip.metrics["epe"] is None for row in rows),
            "frames": sum(len(row.frames) for row in rows),
        }
        return clips_score(rows, METRICS, REFERENCES, details)

    def _clip(self, clip: ClipFeatures, run: RunContext) -> FollowedPatches:
        """Follow the patches of one clip from every frame that has another at the distance."""
        n, distance, name = len(clip.frames), self.config.distance, clip.clip.name
        read = self._reader(clip.clip) if n > distance else None
        if read is None:
            note = f"{n} frames are too few" if n <= distance else "no folder of flow"
            empty = UnitScore(clip=name, n_frames=n, metrics=dict.fromkeys(METRICS), note=note)
            return FollowedPatches(empty, (), {})
        place = resolve_device(run.device)
        rows, cols = clip.tokens.shape[1:3]
        units = [directions(frame, place) for frame in clip.tokens[:distance]]
        recording = MapRecording(run.recorder, clip, SECTORS + 1)
        frames: list[UnitScore] = []
        sums: list[tuple[Sums, Sums, Sums]] = []
        for t in range(n - distance):
            units.append(directions(clip.tokens[t + distance], place))
            truth = chained(read, clip.frames[t], distance)
            height, width = truth.shape[:2]
            moved = displacements(units.pop(0), units[-1], self.config)
            moved *= np.array([width / cols, height / rows], np.float32)
            nothing = np.zeros((1, 1, 2), np.float32)
            maps = (moved, nothing, grid_mean(truth, (rows, cols)))
            found = [endpoint_sums(one, truth) for one in maps]
            sums.append((found[0], found[1], found[2]))
            metrics = endpoint_metrics(found[0])
            frames.append(UnitScore(clip=name, frame=int(clip.frames[t]), metrics=metrics))
            if recording.active:
                shown = sectors(_dense(moved, (height, width)))
                recording.frame(t, shown, sectors(truth))
        whole = [endpoint_metrics(np.sum(parts, axis=0)) for parts in zip(*sums, strict=True)]
        recording.close(whole[0][SHOWN], [frame.metrics[SHOWN] for frame in frames])
        known = whole[0]["epe"] is not None
        note = "" if known else "no pixel whose motion is known"
        return FollowedPatches(
            UnitScore(clip=name, n_frames=n, metrics=whole[0], note=note),
            tuple(frames),
            {
                f"{prefix}/{m}": value
                for prefix, values in zip(REFERENCES, whole[1:], strict=True)
                for m, value in values.items()
            }
            if known
            else {},
        )

    def _reader(self, clip: Clip) -> Callable[[int], Flow] | None:
        """Return the reader of a clip's flow, None where the folder holds none of it."""
        if self.config.flow_dir is None:
            return clip.flow
        height, width = clip.image(0).shape[:2]
        return FlowFolder(self.config.flow_dir).clip(clip, (height, width))


def chained(read: Callable[[int], Flow], start: int, distance: int) -> Flow:
    """Return the motion over several frames, followed from one to the next.

    Args:
        read: gives the flow [H, W, 2] from a frame to the next.
        start: the first frame.
        distance: frames to go, 1 or more.

    Returns:
        [H, W, 2], NaN where a point is hidden or leaves the frame on the way.
    """
    flow = np.asarray(read(start), np.float32)
    height, width = flow.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    for t in range(start + 1, start + distance):
        flow = flow + _sampled(np.asarray(read(t), np.float32), y + flow[..., 1], x + flow[..., 0])
    return flow


def _sampled(flow: Flow, y: NDArray[np.float32], x: NDArray[np.float32]) -> Flow:
    """Read a flow at places between pixels, bilinearly; NaN beside a NaN and outside."""
    height, width = flow.shape[:2]
    inside = (y >= 0) & (y <= height - 1) & (x >= 0) & (x <= width - 1)  # NaN is not
    y, x = np.where(inside, y, 0), np.where(inside, x, 0)
    top, left = y.astype(np.intp), x.astype(np.intp)
    down, right = (y - top)[..., None], (x - left)[..., None]
    bottom, beside = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    upper = _mixed(flow[top, left], flow[top, beside], right)
    lower = _mixed(flow[bottom, left], flow[bottom, beside], right)
    return np.where(inside[..., None], _mixed(upper, lower, down), np.float32(np.nan))


def _mixed(
    first: NDArray[np.float32], second: NDArray[np.float32], share: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the mean of two by the share of the second; the first alone where that is 0."""
    mixed: NDArray[np.float32] = np.where(share > 0, first + share * (second - first), first)
    return mixed


def sectors(flow: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the direction of motion [H, W] as a number for pictures.

    0 holds still; 1 to `SECTORS` go round from the right downwards; VOID where nothing is known.

    Example:
        >>> sectors(np.array([[[0.0, 0.1], [5.0, 0.0], [0.0, 5.0], [np.nan, 0.0]]])).tolist()
        [[0, 1, 3, 255]]
    """
    known = ~np.isnan(flow).any(axis=-1)
    x, y = (np.where(known, flow[..., i], 0) for i in range(2))
    turn = np.rint(np.arctan2(y, x) / (2 * np.pi) * SECTORS).astype(np.int64) % SECTORS
    ids = np.where(np.hypot(x, y) < STILL, 0, 1 + turn)
    return np.where(known, ids, VOID)


def _dense(moved: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Bring displacements [rows, cols, 2] to the size (H, W), bilinearly."""
    import torch
    from torch.nn.functional import interpolate

    low = torch.from_numpy(moved).permute(2, 0, 1)[None]
    dense = interpolate(low, size, mode="bilinear", align_corners=False)[0]
    return np.asarray(dense.permute(1, 2, 0).numpy())
