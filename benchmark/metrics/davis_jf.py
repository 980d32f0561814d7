"""J, F and their statistics over a sequence, as the DAVIS challenges define them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tvseg_bench.benchmark.errors import UsageError, did_you_mean
from tvseg_bench.benchmark.metrics.boundary import (
    TOLERANCE,
    FrameObjects,
    Mask,
    Pairs,
    contour_f,
    masks,
    tolerance_radius,
)
from tvseg_bench.benchmark.types import VOID

Rows: TypeAlias = NDArray[np.float64]
Bins = Literal["int", "uint8-compat"]
"""How the four quarters of a sequence are indexed. int: as meant. uint8-compat: with 8-bit
indices, as published, which gives NaN for the decay from 256 frames on."""

MAX_PROPOSALS = 20
"""How many objects an unsupervised result may hold."""


@dataclass(frozen=True, eq=False)
class JF:
    """Both measures per object and frame, within 0..1."""

    j: Rows
    """[N, T] region similarity."""
    f: Rows
    """[N, T] boundary measure."""


@dataclass(frozen=True)
class SequenceStatistics:
    """What DAVIS reports of the values of one object over time."""

    mean: float
    recall: float
    """Share of frames above 0.5; a NaN counts as a failure."""
    decay: float
    """Mean of the first quarter minus mean of the last."""


def region_j(truth: ArrayLike, predicted: ArrayLike, void: ArrayLike | None = None) -> float:
    """Return the IoU of two masks [H, W] without void pixels; 1 where both are empty.

    Source: davisvideochallenge/davis2017-evaluation davis2017/metrics.py (db_eval_iou).

    Example:
        >>> region_j([[1, 1, 0]], [[1, 0, 1]]), region_j([[0, 0]], [[0, 0]])
        (0.3333333333333333, 1.0)
    """
    true, pred = masks(truth, predicted, void)
    union = int((true | pred).sum())
    return int((true & pred).sum()) / union if union else 1.0


def object_scores(
    truth: FrameObjects, predicted: FrameObjects, radius: int, pairs: Pairs = "all"
) -> JF:
    """Return J and F [P, N] of the predicted with the true objects of one frame.

    Args:
        predicted: the predicted ones of the same frame, void already left out of both.
        pairs: which are compared; the others are 0. `same` needs P = N.

    Raises:
        UsageError: The frames differ in size.

    Example:
        >>> frame = FrameObjects([[0, 1, 1, 2, 2]], 2)
        >>> found = object_scores(frame, FrameObjects([[0, 1, 1, 0, 0]], 2), radius=1)
        >>> found.j.tolist(), found.f.tolist()
        ([[1.0, 0.0], [0.0, 0.0]], [[1.0, 0.6666666666666666], [0.0, 0.0]])
    """
    if truth.ids.shape != predicted.ids.shape:
        raise UsageError(
            f"the masks have the shapes {truth.ids.shape} (truth) and {predicted.ids.shape} "
            "(predicted); expected one [H, W] for both"
        )
    j = _region_table(truth, predicted)
    if pairs == "same":
        j = np.diag(np.diag(j))
    return JF(j, contour_f(truth, predicted, radius, pairs))


def _region_table(truth: FrameObjects, predicted: FrameObjects) -> Rows:
    """Return J [P, N]; pixels in a row that are alike are counted at once."""
    true, pred = truth.ids.ravel(), predicted.ids.ravel()
    changed = (true[1:] != true[:-1]) | (pred[1:] != pred[:-1])
    starts = np.concatenate([[0], np.flatnonzero(changed) + 1])[: true.size]
    n = truth.n + 1
    counts = np.bincount(
        pred[starts].astype(np.int64) * n + true[starts],
        weights=np.diff(starts, append=true.size),  # doubles hold every count of pixels
        minlength=(predicted.n + 1) * n,
    ).reshape(-1, n)
    shared = counts[1:, 1:]
    union = counts.sum(axis=1)[1:, None] + counts.sum(axis=0)[1:] - shared
    j: Rows = np.ones(shared.shape)
    np.divide(shared, union, out=j, where=union > 0)
    return j


def statistics(values: ArrayLike, bins: Bins = "int") -> SequenceStatistics:
    """Return mean, recall and decay of the values [T] of one object.

    The quarters end at round(linspace(1, T, 5)) and overlap by one frame.

    Raises:
        UsageError: There are no values, or bins is unknown.

    Source: davisvideochallenge/davis2017-evaluation davis2017/utils.py (db_statistics).

    Example:
        >>> statistics([1.0, 0.8, 0.6, 0.4])
        SequenceStatistics(mean=0.7, recall=0.75, decay=0.4)
    """
    if bins not in get_args(Bins):
        raise UsageError(did_you_mean("bins", str(bins), get_args(Bins)))
    series = np.asarray(values, np.float64)
    if series.ndim != 1 or not series.size:
        raise UsageError(f"statistics need the values [T] of one object; got {series.shape}")
    edges = np.round(np.linspace(1, series.size, 5) + 1e-10).astype(np.int64) - 1
    stops = edges + 1
    if bins == "uint8-compat":
        edges, stops = edges % 256, (edges % 256 + 1) % 256
    first = _nanmean(series[edges[0] : stops[1]])
    last = _nanmean(series[edges[3] : stops[4]])
    return SequenceStatistics(_nanmean(series), float((series > 0.5).mean()), first - last)


def semi_supervised(
    truth: ArrayLike,
    predicted: ArrayLike,
    n_objects: int | None = None,
    tolerance: float = TOLERANCE,
) -> JF:
    """Score tracked objects, whose ids are those of the truth; void is not used.

    The challenge leaves out the first and the last frame: pass the frames between them, and
    `n_objects` from the first one.

    Args:
        truth: [T, H, W] object ids 1..N; VOID counts as no object.
        predicted: [T, H, W] object ids; missing ones are empty.
        n_objects: N; None = the largest id of the first frame given.

    Raises:
        UsageError: The shapes differ, or ids above N are predicted.
    """
    true, pred = _sequences(truth, predicted)
    n = largest_id(true[0]) if n_objects is None else n_objects
    if largest_id(pred) > n:
        raise UsageError(
            f"object {largest_id(pred)} is predicted but there are {n} objects; "
            "the ids of the result must be those of the first frame"
        )
    void = np.zeros(true.shape, bool)
    tables = _tables(true, pred, void, (n, n), tolerance, "same")
    same = np.arange(n)
    return JF(tables.j[same, same], tables.f[same, same])


def unsupervised(
    truth: ArrayLike,
    predicted: ArrayLike,
    n_objects: int | None = None,
    tolerance: float = TOLERANCE,
) -> JF:
    """Score proposals, matched to the objects by the mean of J and F over the sequence.

    Args:
        truth: [T, H, W] object ids 1..N; VOID pixels are not counted.
        predicted: [T, H, W] proposal ids 1..20; where there are fewer than N, empty ones are
            added.
        n_objects: N; None = the largest id of the first frame.

    Returns:
        One row per object, in the order of the matched proposals.

    Raises:
        UsageError: The shapes differ, or there are more than 20 proposals.
    """
    scores = proposal_scores(truth, predicted, n_objects, tolerance)
    from scipy.optimize import linear_sum_assignment

    similarity = (scores.j.mean(-1) + scores.f.mean(-1)) / 2
    proposal, target = linear_sum_assignment(-similarity)
    return JF(scores.j[proposal, target], scores.f[proposal, target])


def proposal_scores(
    truth: ArrayLike,
    predicted: ArrayLike,
    n_objects: int | None = None,
    tolerance: float = TOLERANCE,
) -> JF:
    """Return J and F [P, N, T] of every proposal with every object; P is N at least."""
    true, pred = _sequences(truth, predicted)
    n = largest_id(true[0]) if n_objects is None else n_objects
    proposals = largest_id(pred)
    if proposals > MAX_PROPOSALS:
        raise UsageError(
            f"{proposals} proposals are more than the {MAX_PROPOSALS} that the unsupervised "
            "challenge allows; keep the best ones"
        )
    return _tables(true, pred, true == VOID, (max(n, proposals), n), tolerance)


def _tables(
    truth: NDArray[Any],
    predicted: NDArray[Any],
    void: Mask,
    counts: tuple[int, int],
    tolerance: float,
    pairs: Pairs = "all",
) -> JF:
    """Return J and F [P, N, T] of the predicted ids 1..P with the object ids 1..N."""
    radius = tolerance_radius(tolerance, truth.shape[1:])
    j, f = np.zeros((2, *counts, len(truth)))
    for t, ignored in enumerate(void):
        proposals, objects = (
            FrameObjects(np.where(ignored, 0, maps[t]), n)
            for maps, n in zip((predicted, truth), counts, strict=True)
        )
        found = object_scores(objects, proposals, radius, pairs)
        j[..., t], f[..., t] = found.j, found.f
    return JF(j, f)


def _sequences(truth: ArrayLike, predicted: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    true, pred = np.asarray(truth), np.asarray(predicted)
    if true.ndim != 3 or true.shape != pred.shape or not len(true):
        raise UsageError(
            f"truth has the shape {true.shape} and predicted {pred.shape}; "
            "expected one [T, H, W] for both"
        )
    return true, pred


def largest_id(labels: NDArray[Any]) -> int:
    """Return the largest id of a map that is not VOID, 0 where there is none."""
    return int(labels.max(initial=0, where=labels != VOID))


def _nanmean(values: Rows) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
