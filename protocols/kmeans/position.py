"""How much of features, clusters or labels the place in the frame explains.

A diagnosis: features whose clusters are bands of the frame can score well where the truth is a sky
above a ground. Values y of patches are regressed on a quadratic of their place,

    y = b0 + b1 u + b2 v + b3 u² + b4 uv + b5 v² + rest,    u, v within -1..1,

and R² is the share of the variance of y, summed over its dimensions, that is not in the rest. For
clusters y is the indicator of membership, one dimension each. Only sums are kept: a 6 x 6 matrix
of the places, and 6 numbers per dimension.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.types import VOID, Score
from tvseg_bench.protocols.common.ground_truth import FrameTruth
from tvseg_bench.protocols.common.scoring import UnitResult, average
from tvseg_bench.protocols.kmeans import POSITION_METRICS
from tvseg_bench.protocols.kmeans.clusters import FittedClusters

Floats = NDArray[np.float64]

FEATURES, CLUSTERS = POSITION_METRICS
ORACLE = f"oracle/{CLUSTERS}"
"""What the place explains of the true labels."""

_NOTHING = 1e-12
"""Share of the squares below which a variance is rounding."""


@dataclass(frozen=True, eq=False)
class PlaceSums:
    """What a regression on the place needs of some patches; sums of disjoint patches add up."""

    places: Floats
    """[6, 6] summed products of the terms of the quadratic."""
    products: Floats
    """[6, D] summed products of these terms and the values."""
    squares: float
    """Summed squares of all values."""

    def __add__(self, other: PlaceSums) -> PlaceSums:
        """Return the sums of both, whose values have the same dimensions."""
        return PlaceSums(
            self.places + other.places,
            self.products + other.products,
            self.squares + other.squares,
        )

    def r2(self) -> float | None:
        """Return the share 0..1 of the variance that a quadratic of the place explains.

        None where the values do not vary. Values that have nothing to do with the place have
        about 5 / (patches - 1).
        """
        count = self.places[0, 0]
        if not count:
            return None
        of_mean = float((self.products[0] ** 2).sum() / count)
        variance = self.squares - of_mean
        if variance <= _NOTHING * self.squares:
            return None
        inverse = np.linalg.pinv(self.places, rcond=1e-10, hermitian=True)
        explained = float(np.vdot(self.products, inverse @ self.products)) - of_mean
        return min(max(explained / variance, 0.0), 1.0)


def quadratic(grid: tuple[int, int]) -> Floats:
    """Return the terms [rows * cols, 6] of a quadratic at the centres of the patches.

    Example:
        >>> quadratic((1, 2)).tolist()
        [[1.0, -0.5, 0.0, 0.25, -0.0, 0.0], [1.0, 0.5, 0.0, 0.25, 0.0, 0.0]]
    """
    v, u = (axis.ravel() for axis in np.meshgrid(*map(_centres, grid), indexing="ij"))
    return np.stack([np.ones_like(u), u, v, u * u, u * v, v * v], axis=1)


def _centres(n: int) -> Floats:
    return (2 * np.arange(n) + 1) / n - 1.0


def sums_of_values(values: NDArray[np.floating[Any]]) -> PlaceSums:
    """Return the sums of the features [T, rows, cols, D] of some frames."""
    frames, rows, cols, dims = values.shape
    terms = quadratic((rows, cols))
    over_time = values.sum(axis=0, dtype=np.float64).reshape(-1, dims)
    squares = sum(float(np.vdot(f, f)) for f in (frame.astype(np.float64) for frame in values))
    return PlaceSums(frames * (terms.T @ terms), terms.T @ over_time, squares)


def sums_of_ids(ids: NDArray[np.integer[Any]], n: int) -> PlaceSums:
    """Return the sums of the memberships of some frames' patches.

    Args:
        ids: [T, rows, cols] within 0..n - 1; patches with other ids are left out.
        n: how many ids there are: D of the sums.
    """
    frames, rows, cols = ids.shape
    patches = rows * cols
    at, where = ids.reshape(frames, patches), np.arange(patches)
    known = (at >= 0) & (at < n)
    flat = (where * n + at)[known]
    counts = np.bincount(flat, minlength=patches * n).reshape(patches, n).astype(np.float64)
    terms = quadratic((rows, cols))
    places = terms.T @ (counts.sum(axis=1)[:, None] * terms)
    return PlaceSums(places, terms.T @ counts, float(counts.sum()))


@dataclass(frozen=True, eq=False)
class Placed:
    """The sums of the features, the clusters and the true labels of some frames."""

    features: PlaceSums
    clusters: PlaceSums
    labels: PlaceSums

    def __add__(self, other: Placed) -> Placed:
        """Return the sums of both, whose clusters and labels are numbered alike."""
        return Placed(
            self.features + other.features,
            self.clusters + other.clusters,
            self.labels + other.labels,
        )

    def metrics(self) -> dict[str, float | None]:
        """Return `position_r2` and `position_r2_clusters`."""
        return {FEATURES: self.features.r2(), CLUSTERS: self.clusters.r2()}

    def references(self) -> dict[str, float | None]:
        """Return what the true labels have in place of clusters."""
        return {ORACLE: self.labels.r2()}


def placed(
    tokens: NDArray[np.floating[Any]],
    truth: Sequence[FrameTruth],
    found: FittedClusters,
    labels: Sequence[int],
) -> Placed:
    """Return the sums of some frames.

    Args:
        tokens: [T, rows, cols, d], as they were clustered.
        truth: of these frames; a patch has the label of the pixel at its centre.
        labels: those that count, ascending; void never does.
    """
    grid = (tokens.shape[1], tokens.shape[2])
    known = np.array([label for label in labels if label != VOID], np.int64)
    true = np.stack([_at_centres(frame.mask, grid) for frame in truth])
    numbers = np.full(true.shape, -1)
    if known.size:
        at = np.searchsorted(known, true).clip(max=known.size - 1)
        numbers = np.where(known[at] == true, at, -1)
    return Placed(
        sums_of_values(tokens),
        sums_of_ids(found.patches(tokens), len(found.centers)),
        sums_of_ids(numbers, len(known)),
    )


def _at_centres(mask: NDArray[np.integer[Any]], grid: tuple[int, int]) -> NDArray[np.integer[Any]]:
    """Return the labels [rows, cols] of the pixels that hold the centres of the patches."""
    rows, cols = (
        (2 * np.arange(n) + 1) * side // (2 * n) for n, side in zip(grid, mask.shape, strict=True)
    )
    found: NDArray[np.integer[Any]] = mask[rows[:, None], cols]
    return found


def with_unit_position(unit: UnitResult, place: Placed) -> UnitResult:
    """Return the result of a frame or clip, and what the place explains beside it."""
    return replace(
        unit,
        metrics={**unit.metrics, **place.metrics()},
        references={**unit.references, **place.references()},
    )


def with_position(
    score: Score, clips: Sequence[Placed], step: int, together: Placed | None
) -> Score:
    """Return the score of a data set matched as one, and what the place explains beside it.

    Args:
        clips: one per row of the score.
        step: clips in a row whose mean weighs as one.
        together: the sum of all clips; None where their clusters are not numbered alike.
    """
    rows = [
        replace(row, metrics={**row.metrics, **one.metrics()})
        for row, one in zip(score.clips, clips, strict=True)
    ]
    return replace(
        score,
        metrics={**score.metrics, **_averaged([row.metrics for row in rows], step)},
        clips=rows,
        references={
            **score.references,
            ORACLE: average([one.labels.r2() for one in clips], step),
        },
        details={**score.details, **({} if together is None else _pooled(together))},
    )


def _pooled(together: Placed) -> dict[str, dict[str, float | None]]:
    """Return R² of one quadratic for all clips, which finds what stands at one place in all."""
    return {
        "position_r2_of_all_clips": {
            "features": together.features.r2(),
            "clusters": together.clusters.r2(),
            "labels": together.labels.r2(),
        }
    }


def _averaged(rows: Sequence[Mapping[str, float | None]], step: int) -> dict[str, float | None]:
    return {name: average([row[name] for row in rows], step) for name in POSITION_METRICS}
