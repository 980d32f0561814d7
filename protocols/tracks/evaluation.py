"""Points of the first frame followed through a clip: joints of a body, or any points.

Nothing is trained: a point is where the frame looks most like the point did in the first frame.
Points that the first frame does not show are not followed, and a frame in which a point is hidden
says nothing of it. The points held still are the floor, the true places rounded to the middle of
their patch the oracle.

Sources: Li et al., UVC, 2019, and Jabri et al., CRW, 2020 (PCK of JHMDB); Doersch et al., TAP-Vid,
2022 (share within 1 to 16 pixels); Zheng et al., PointOdyssey, 2023 (survival).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from tvseg_bench.benchmark.devices import resolve_device
from tvseg_bench.benchmark.errors import NotApplicableError
from tvseg_bench.benchmark.evaluation import Needs, RunContext, UnitOutcome
from tvseg_bench.benchmark.metrics.distances import within_thresholds
from tvseg_bench.benchmark.metrics.matching import Match
from tvseg_bench.benchmark.propagation.propagate import PropagationRule, Propagator
from tvseg_bench.benchmark.types import Score, UnitScore, View
from tvseg_bench.protocols.common.correspondence import directions, place_of, refined
from tvseg_bench.protocols.common.feature_sets import without_tokens
from tvseg_bench.protocols.common.scoring import clips_score, mean
from tvseg_bench.protocols.tracks import METRICS

if TYPE_CHECKING:
    from tvseg_bench.benchmark.evaluation import Recorder
    from tvseg_bench.benchmark.types import ClipFeatures, Dataset, FeatureSet
    from tvseg_bench.protocols.tracks import TracksConfig

Places = NDArray[np.float64]
"""[T, P, 2] (x, y) in pixels; NaN where a point is hidden."""
Values = dict[str, float | None]
REFERENCES = ("constant", "oracle")
PIXELS = (1, 2, 4, 8, 16)
"""Thresholds of `delta_avg`, where the frame is brought to `SIDE` x `SIDE` pixels."""
SIDE = 256
PCK = {"pck_10": 0.1, "pck_20": 0.2}
DRAWN = 254
"""Points at most that pictures show."""


@dataclass(frozen=True)
class TrackedClip:
    """What is kept of a clip, as plain values."""

    clip: UnitScore
    frames: tuple[UnitScore, ...]
    """Of the frames behind the first one."""
    references: dict[str, float | None]
    """`constant/delta_avg`, ...; empty where the clip has no score."""
    joints: dict[str, tuple[tuple[int, int, int], ...]]
    """`model`, `constant`, `oracle` -> for each joint its frames, and those within 0.1 and 0.2 of
    the reference length; empty where points have no names."""
    points: int
    """Those that are followed."""


@dataclass(frozen=True)
class Truth:
    """The points of a clip that are followed."""

    places: Places
    size: tuple[int, int]
    """(H, W) of the frames."""
    chosen: NDArray[np.intp]
    """Their rows among the clip's points."""
    n_points: int
    """All of the clip's points."""
    named: bool
    """Whether they have names, as joints of a body have."""


@dataclass(frozen=True)
class PointTracks:
    """The protocol with its configuration."""

    config: TracksConfig
    needs = Needs(unit="clip")
    row_type = TrackedClip

    def view(self, dataset: Dataset) -> View:
        """Return what the model is shown."""
        return self.config.view(dataset)

    def check_dataset(self, dataset: Dataset) -> None:
        """Raise NotApplicableError where there are no points, or nothing moves."""
        name = f"{dataset.card.name}:{dataset.split}"
        if all(clip.n_frames < 2 for clip in dataset.clips):
            raise NotApplicableError(
                f"{name} holds still images, and points are followed from frame to frame; choose "
                "a data set of videos"
            )
        if any(clip.points is None for clip in dataset.clips[:1]):
            raise NotApplicableError(
                f"{name} has no points, which this protocol follows; choose a data set of joints "
                "or tracked points, such as jhmdb"
            )

    def evaluate(self, features: FeatureSet, run: RunContext) -> Score:
        """Follow the points of every clip."""
        self.check_dataset(features.dataset)
        return self.combine(list(self.score_clips(features, run)), features.dataset)

    def score_clips(self, features: FeatureSet, run: RunContext) -> Iterator[TrackedClip]:
        """Follow the points of some clips in a row."""
        run.recorder.on_begin("labels", "instance", "delta_avg", "delta_avg")
        for clip in features:
            yield self._clip(clip, run)

    def combine(self, rows: Sequence[TrackedClip], dataset: Dataset) -> Score:
        """Average the clips that have a score, or PCK over the kinds of joints.

        Raises:
            NotApplicableError: no clip has a point that can be followed.
        """
        if not any(row.points for row in rows):
            raise NotApplicableError(
                f"no clip of {dataset.card.name}:{dataset.split} shows a point in its first frame "
                "and again in a later one; choose another data set"
            )
        details = {
            "clips_left_out": sum(not row.points for row in rows),
            "points": sum(row.points for row in rows),
        }
        score = clips_score(rows, METRICS, REFERENCES, details)
        if self.config.average == "clips":
            return score
        over_joints = {
            f"{name}/{m}": value
            for name in REFERENCES
            for m, value in _over_joints(rows, name).items()
        }
        return replace(
            score,
            metrics={**score.metrics, **_over_joints(rows, "model")},
            references={**score.references, **over_joints},
        )

    def _clip(self, clip: ClipFeatures, run: RunContext) -> TrackedClip:
        """Follow the points of one clip."""
        name, n = clip.clip.name, len(clip.frames)
        truth = _truth(clip)
        if truth is None:
            note = "a single frame" if n < 2 else "no point is seen in the first frame and again"
            empty = UnitScore(clip=name, n_frames=n, metrics=dict.fromkeys(METRICS), note=note)
            return TrackedClip(empty, (), {}, {}, 0)
        grid = (clip.tokens.shape[1], clip.tokens.shape[2])
        first = truth.places[:1]
        maps = {
            "model": _in_pixels(self._followed(clip, truth, run.device), grid, truth.size),
            "constant": np.broadcast_to(first, truth.places.shape),
            "oracle": _in_pixels(
                np.rint(_in_patches(truth.places, truth.size, grid)), grid, truth.size
            ),
        }
        scored = {key: self._scored(places, truth) for key, places in maps.items()}
        whole, of_frames = scored["model"]
        _record(run.recorder, clip, maps["model"], truth, whole, of_frames)
        return TrackedClip(
            UnitScore(clip=name, n_frames=n, metrics=whole),
            tuple(
                UnitScore(clip=name, frame=int(t), metrics=found)
                for t, found in zip(clip.frames[1:], of_frames, strict=True)
            ),
            {f"{key}/{m}": value for key in REFERENCES for m, value in scored[key][0].items()},
            {key: self._joints(places, truth) for key, places in maps.items()},
            len(truth.chosen),
        )

    @torch.no_grad()
    def _followed(self, clip: ClipFeatures, truth: Truth, device: str) -> Places:
        """Return where the points are found [T, P, 2], in patches."""
        config, place = self.config, resolve_device(device)
        grid = (clip.tokens.shape[1], clip.tokens.shape[2])
        start = _in_patches(truth.places[:1], truth.size, grid)[0]
        weights = torch.from_numpy(_bilinear(start, grid)).to(place)
        frames = (directions(frame, place) for frame in clip.tokens)
        first = next(frames)
        found = [start]
        if config.follow == "propagation":
            rule = PropagationRule(
                temperature=config.temperature,
                topk=config.topk,
                radius=config.radius,
                n_context=config.n_context,
            )
            carried = Propagator(first[None], weights.view(1, -1, *grid), rule)
            for frame in frames:
                soft = carried.step(frame[None])[0].flatten(1)
                best = soft.argmax(dim=1)
                # the logarithm makes the softmax a mean by the soft labels themselves
                there = refined(soft.clamp_min(1e-12).log(), best, grid, config.window, 1.0)
                lost = (soft.amax(dim=1) <= 0).cpu().numpy()
                found.append(np.where(lost[:, None], found[-1], there.cpu().numpy()))
            return np.stack(found)
        looked = torch.nn.functional.normalize(weights @ first.flatten(0, 1), dim=1)
        for frame in frames:
            alike = looked @ frame.flatten(0, 1).T
            best = alike.argmax(dim=1)
            at = refined(alike, best, grid, config.window, config.temperature)
            found.append((at if config.window else place_of(best, grid[1])).cpu().numpy())
        return np.stack(found)

    def _scored(self, places: Places, truth: Truth) -> tuple[Values, list[Values]]:
        """Return the metrics of a clip and of its frames behind the first."""
        relative = np.array([SIDE / truth.size[1], SIDE / truth.size[0]])
        apart = np.linalg.norm((places - truth.places) * relative, axis=-1)[1:]
        shares = self._relative(places, truth)
        of_frames = [
            {**_delta(row), "survival": None, **self._pck(part, truth)}
            for row, part in zip(apart, shares, strict=True)
        ]
        whole = {**_delta(apart), "survival": self._survival(apart), **self._pck(shares, truth)}
        return whole, of_frames

    def _survival(self, apart: Places) -> float | None:
        """Return the mean share of the frames before a point is first too far away."""
        lost = np.nan_to_num(apart, nan=0.0) > self.config.failure
        alive = ~np.logical_or.accumulate(lost, axis=0)
        return float(alive.mean()) if np.isfinite(apart).any() else None

    def _relative(self, places: Places, truth: Truth) -> Places:
        """Return the distances [T - 1, P] by the reference length of each frame."""
        true = truth.places[1:]
        seen = ~np.isnan(true[..., 0])
        low = np.where(seen[..., None], true, np.inf).min(axis=1)
        high = np.where(seen[..., None], true, -np.inf).max(axis=1)
        sides = np.where(np.isfinite(low), high, np.nan) - np.where(np.isfinite(low), low, np.nan)
        if self.config.reference == "long-side":
            length = sides.max(axis=-1)
        else:
            length = 0.6 * np.hypot(sides[:, 0], sides[:, 1])
        apart = np.linalg.norm(places[1:] - true, axis=-1)
        shares: Places = apart / np.where(length > 0, length, np.nan)[:, None]
        return shares

    def _pck(self, shares: Places, truth: Truth) -> Values:
        if not truth.named:
            return dict.fromkeys(PCK)
        return within_thresholds(shares, PCK)

    def _joints(self, places: Places, truth: Truth) -> tuple[tuple[int, int, int], ...]:
        """Return the counts of every joint, of which those that are not followed have none."""
        if not truth.named:
            return ()
        shares = self._relative(places, truth)
        counts = np.zeros((truth.n_points, 1 + len(PCK)), np.int64)
        counts[truth.chosen, 0] = (~np.isnan(shares)).sum(axis=0)
        for i, limit in enumerate(PCK.values(), start=1):
            counts[truth.chosen, i] = (shares <= limit).sum(axis=0)
        return tuple((int(a), int(b), int(c)) for a, b, c in counts)


def _delta(apart: Places) -> Values:
    """Return the mean share within the thresholds of TAP-Vid."""
    found = within_thresholds(apart, {str(n): float(n) for n in PIXELS})
    return {"delta_avg": mean(found.values())}


def _truth(clip: ClipFeatures) -> Truth | None:
    """Return the points that the first frame shows, and some later one; None without any."""
    read = clip.clip.points
    if read is None or len(clip.frames) < 2:
        return None
    places = np.stack([np.asarray(read(t), np.float64) for t in clip.frames])
    places[np.isnan(places).any(axis=-1)] = np.nan
    seen = ~np.isnan(places[..., 0])
    chosen = np.flatnonzero(seen[0] & seen[1:].any(axis=0))
    if not chosen.size:
        return None
    height, width = clip.clip.image(clip.frames[0]).shape[:2]
    named = len(clip.clip.point_names) > 0
    return Truth(places[:, chosen], (height, width), chosen, places.shape[1], named)


def _in_patches(places: Places, size: tuple[int, int], grid: tuple[int, int]) -> Places:
    """Return places in pixels as places in patches; centres of the first ones are at 0."""
    share = np.array([grid[1] / size[1], grid[0] / size[0]])
    last = np.array([grid[1] - 1, grid[0] - 1])
    inside: Places = ((places + 0.5) * share - 0.5).clip(0, last)
    return inside


def _in_pixels(places: Places, grid: tuple[int, int], size: tuple[int, int]) -> Places:
    """Return places in patches as places in pixels."""
    share = np.array([size[1] / grid[1], size[0] / grid[0]])
    pixels: Places = (places + 0.5) * share - 0.5
    return pixels


def _bilinear(places: Places, grid: tuple[int, int]) -> NDArray[np.float32]:
    """Return the weights [P, rows * cols] of the four patches around each place; they sum to 1."""
    rows, cols = grid
    x, y = (np.abs(np.arange(n) - places[:, i : i + 1]) for i, n in ((0, cols), (1, rows)))
    near_x, near_y = (np.maximum(1 - away, 0) for away in (x, y))
    weights = near_y[:, :, None] * near_x[:, None, :]
    return np.asarray(weights.reshape(len(places), -1), np.float32)


def _over_joints(rows: Sequence[TrackedClip], name: str) -> Values:
    """Return PCK as a mean over the kinds of joints, each over all frames of all clips."""
    counts = [np.array(row.joints[name]) for row in rows if row.joints.get(name)]
    if not counts or len({len(one) for one in counts}) > 1:
        return {}
    total = np.sum(counts, axis=0)
    known = total[total[:, 0] > 0]
    shares = known[:, 1:] / known[:, :1]
    return (
        {m: float(v) for m, v in zip(PCK, shares.mean(axis=0), strict=True)} if len(known) else {}
    )


def _record(
    recorder: Recorder,
    clip: ClipFeatures,
    places: Places,
    truth: Truth,
    whole: Values,
    of_frames: Sequence[Values],
) -> None:
    """Hand over the points as disks, where they are found and where they truly are."""
    if not recorder.active:
        return
    slim, grid = without_tokens(clip), (clip.tokens.shape[1], clip.tokens.shape[2])
    recorder.on_features(slim, clip.tokens)
    for t, (found, true) in enumerate(zip(places, truth.places, strict=True)):
        hidden = np.where(np.isnan(true), np.nan, found)
        recorder.on_frame(slim, t, _drawn(hidden, truth.size), _drawn(true, truth.size), grid)
    ids = np.arange(min(len(truth.chosen), DRAWN) + 1)
    series = [None, *(found["delta_avg"] for found in of_frames)]
    outcome = UnitOutcome(whole["delta_avg"], series)
    recorder.on_unit(slim, range(len(places)), Match(ids, ids), outcome=outcome)


def _drawn(places: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a map in which point p is a disk of the label p + 1."""
    shown = np.zeros(size, np.uint8)
    radius = max(1.0, 0.015 * float(np.hypot(*size)))
    reach = int(radius)
    down, right = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disk = np.hypot(down, right) <= radius
    for p, (x, y) in enumerate(places[:DRAWN]):
        if np.isnan(x):
            continue
        rows, cols = down[disk] + round(float(y)), right[disk] + round(float(x))
        inside = (rows >= 0) & (rows < size[0]) & (cols >= 0) & (cols < size[1])
        shown[rows[inside], cols[inside]] = p + 1
    return shown
