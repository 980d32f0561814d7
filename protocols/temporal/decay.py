"""How temporal scores fall with the distance of two frames: from d = 1 on, in powers of two.

A score at d is a mean over the pairs of frames t, t + d of a clip that say something, so its first
value is that of neighbours: `kept` is then `vc2`, `correct` `vc2_correct`, and `persistence` the
metric of that name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tvseg_bench.benchmark.metrics.contingency import Contingency, stacked
from tvseg_bench.protocols.common.scoring import mean
from tvseg_bench.protocols.temporal import DISTANCES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tvseg_bench.benchmark.metrics.matching import Match

    Map = NDArray[np.integer[Any]]

KEPT, CORRECT, PERSISTENCE = "kept", "correct", "persistence"

Curve = list[float | None]
"""A score at each of `DISTANCES`, None where no pair of frames says anything."""


def pixel_curves(
    truth: Sequence[Map],
    candidates: Mapping[str, tuple[Sequence[Map], Match]],
    void: int | None,
) -> dict[str, Curve]:
    """Return which share of pixels keeps its cluster, and which is right, after d frames.

    Of a pair of frames those pixels count whose true label is the same in both.

    Args:
        truth: T maps [H, W] of true labels.
        candidates: T maps [H, W] of clusters, and the labels of these; by prefix of the names.
        void: the true label whose pixels are not counted; None counts all.

    Returns:
        `kept` and `correct` of each candidate.

    Example:
        >>> from tvseg_bench.benchmark.metrics.matching import Match
        >>> truth, clusters = [np.array([[0, 0, 1, 255]])] * 2, [np.array([[4, 4, 5, 5]])] * 2
        >>> clusters[1] = np.array([[4, 5, 5, 5]])
        >>> match = Match(np.array([4, 5]), np.array([0, 1]))
        >>> found = pixel_curves(truth, {"": (clusters, match)}, 255)
        >>> [round(found[name][0], 3) for name in ("kept", "correct")], found["kept"][1]
        ([0.667, 0.667], None)
    """
    right = {
        name: [_labels(ids, match) == true for ids, true in zip(maps, truth, strict=True)]
        for name, (maps, match) in candidates.items()
    }
    known = [] if void is None else [true != void for true in truth]
    same, both = np.empty((2, *truth[0].shape), np.bool_)
    curves: dict[str, Curve] = {name + kind: [] for name in candidates for kind in (KEPT, CORRECT)}
    for d in DISTANCES:
        shares: dict[str, list[float]] = {name: [] for name in curves}
        for t in range(len(truth) - d):
            np.equal(truth[t], truth[t + d], out=same)
            if known:
                same &= known[t]
            pixels = np.count_nonzero(same)
            if not pixels:
                continue
            for name, (maps, _) in candidates.items():
                np.equal(maps[t], maps[t + d], out=both)
                both &= same
                kept = np.count_nonzero(both)
                np.logical_and(right[name][t], right[name][t + d], out=both)
                both &= same
                correct = np.count_nonzero(both)
                shares[name + KEPT].append(kept / pixels)
                shares[name + CORRECT].append(correct / pixels)
        for name, values in shares.items():
            curves[name].append(mean(values))
    return curves


def _labels(ids: Map, match: Match) -> Map:
    """Return the labels of a cluster map."""
    if ids.dtype == np.uint8:  # a look-up of 256 is faster than a search per pixel
        return np.take(match.apply(np.arange(256)).astype(np.int32), ids)
    return match.apply(ids)


def persistence_curve(frames: Sequence[Contingency]) -> Curve:
    """Return how much an object's shares of the clusters overlap after d frames.

    A mean over objects of the mean over the pairs of frames in which the object is seen.

    Args:
        frames: pixels by object and cluster, one table per frame; see `persistence`.
    """
    _, _, counts = stacked(frames)
    pixels = counts.sum(axis=2)
    curve: Curve = []
    for d in DISTANCES:
        both = (pixels[:-d] > 0) & (pixels[d:] > 0)
        common = np.minimum(
            counts[:-d] * pixels[d:, :, None], counts[d:] * pixels[:-d, :, None]
        ).sum(axis=2)
        overlaps = np.zeros(common.shape)
        np.divide(common, pixels[:-d] * pixels[d:], out=overlaps, where=both)
        pairs = both.sum(axis=0)
        of_objects = overlaps.sum(axis=0)[pairs > 0] / pairs[pairs > 0]
        curve.append(float(of_objects.mean()) if of_objects.size else None)
    return curve


def averaged(clips: Sequence[Mapping[str, Curve]]) -> dict[str, Any]:
    """Return the curves of a data set: means over the clips that have a value at a distance.

    With them `clips`, how many these are at each distance: long distances are said by long clips
    only.
    """
    names = list(dict.fromkeys(name for clip in clips for name in clip))
    columns = range(len(DISTANCES))
    curves = {
        name: [mean(c[name][i] for c in clips if name in c) for i in columns] for name in names
    }
    counts = [
        sum(c.get(KEPT, [None] * len(DISTANCES))[i] is not None for c in clips) for i in columns
    ]
    return {"distances": list(DISTANCES), "clips": counts, "curves": curves}
