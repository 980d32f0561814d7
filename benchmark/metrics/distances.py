"""How far from the truth is an estimate? Errors of motion, of tracked points and of depth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tvseg_bench.benchmark.compiled import compiled
from tvseg_bench.benchmark.errors import UsageError

Array = NDArray[Any]
Sums = NDArray[np.float64]

BANDS = (1.0, 10.0, 40.0)
"""Pixels of true displacement that divide the bands; 10 and 40 are Sintel's."""
WITHIN = (1.0, 3.0, 5.0)
"""Pixels of error up to which a pixel counts as found."""
RATIO = 1.25
"""Ratio of estimated and true depth, or of true and estimated, below which a pixel is right."""


def endpoint_sums(estimate: ArrayLike, truth: ArrayLike) -> Sums:
    """Add up the errors of one flow over the pixels whose true motion is known.

    The sums of several frames add up; `endpoint_metrics` makes numbers of them.

    Args:
        estimate: [h, w, 2] displacement (x, y) in pixels of the truth, finite, of any size: it is
            brought to the truth's bilinearly, as torch's `interpolate` does.
        truth: [H, W, 2] displacement, NaN where it is unknown or the point is hidden.

    Returns:
        [bands, 2 + thresholds] pixels, summed error, and pixels within each of `WITHIN`; a row for
        each band of true displacement that `BANDS` divide.

    Raises:
        UsageError: The arrays have other shapes.

    Example:
        >>> truth = np.zeros((1, 2, 2), np.float32)
        >>> truth[0, 1] = np.nan
        >>> endpoint_sums(np.full((1, 1, 2), [3.0, 4.0]), truth)[0].tolist()
        [1.0, 5.0, 0.0, 0.0, 1.0]
    """
    given, true = np.asarray(estimate, np.float32), np.asarray(truth, np.float32)
    for name, flow in (("the estimated flow", given), ("the true flow", true)):
        if flow.ndim != 3 or flow.shape[2] != 2 or 0 in flow.shape:
            raise UsageError(f"{name} has the shape {flow.shape}; expected [H, W, 2]")
    sums = np.zeros((len(BANDS) + 1, 2 + len(WITHIN)))
    low, high, share = _between(true.shape[1], given.shape[1])
    top, bottom, down = _between(true.shape[0], given.shape[0])
    _add_errors(
        np.ascontiguousarray(given),
        np.ascontiguousarray(true),
        (top, bottom, down),
        (low, high, share),
        np.array(BANDS, np.float32),
        np.array(WITHIN, np.float32),
        sums,
    )
    return sums


def endpoint_metrics(sums: Sums) -> dict[str, float | None]:
    """Return the numbers of some frames from their summed `endpoint_sums`.

    Returns:
        `epe`, the mean end-point error in pixels; `within_1`, `within_3`, `within_5`, shares of
        the pixels; `epe_moving` of pixels that move by 1 pixel or more; `epe_s0_10`, `epe_s10_40`
        and `epe_s40` by true displacement in pixels. None where there is no such pixel.

    Source: Baker et al., A Database and Evaluation Methodology for Optical Flow, 2011 (end-point
        error, share of errors above a threshold); Butler et al., Sintel, 2012 (by displacement).
    """
    whole, moving = sums.sum(axis=0), sums[1:].sum(axis=0)
    found: dict[str, float | None] = {"epe": _ratio(whole[1], whole[0])}
    for i, limit in enumerate(WITHIN):
        found[f"within_{limit:g}"] = _ratio(whole[2 + i], whole[0])
    bands = {"moving": moving, "s0_10": sums[:2].sum(axis=0), "s10_40": sums[2], "s40": sums[3]}
    for name, part in bands.items():
        found[f"epe_{name}"] = _ratio(part[1], part[0])
    return found


def grid_mean(truth: ArrayLike, grid: tuple[int, int]) -> NDArray[np.float32]:
    """Return the mean of the known values in every cell of a grid, what one value a patch can say.

    A pixel belongs to the cell that holds its centre; a cell without a known pixel takes the mean
    of the nearest one that has some, and 0 where none has.

    Args:
        truth: [H, W, C], NaN where nothing is known.
        grid: (rows, cols) of the cells.

    Returns:
        [rows, cols, C]

    Example:
        >>> grid_mean([[[1.0], [3.0], [np.nan], [np.nan]]], (1, 2)).ravel().tolist()
        [2.0, 2.0]
    """
    values = np.ascontiguousarray(truth, np.float32)
    height, width, channels = values.shape
    sums, counts = np.zeros((*grid, channels)), np.zeros(grid, np.int64)
    rows = (2 * np.arange(height) + 1) * grid[0] // (2 * height)
    cols = (2 * np.arange(width) + 1) * grid[1] // (2 * width)
    _add_cells(values, rows, cols, sums, counts)
    if not counts.any():
        return np.zeros((*grid, channels), np.float32)
    means = (sums / np.maximum(counts, 1)[..., None]).astype(np.float32)
    if counts.all():
        return means
    from scipy.ndimage import distance_transform_edt

    at = distance_transform_edt(counts == 0, return_distances=False, return_indices=True)
    filled: NDArray[np.float32] = means[at[0], at[1]]
    return filled


def within_thresholds(
    distances: ArrayLike, thresholds: Mapping[str, float]
) -> dict[str, float | None]:
    """Return the share of points that end within each threshold; None without a known point.

    A point of infinite distance counts as missed, one of NaN not at all.

    Args:
        distances: [...] of estimated to true points.
        thresholds: name -> largest distance that counts as found.

    Example:
        >>> within_thresholds([0.5, 3.0, np.nan, np.inf], {"near": 1.0, "far": 4.0})
        {'near': 0.3333333333333333, 'far': 0.6666666666666666}
    """
    known = np.asarray(distances, np.float64)
    known = known[~np.isnan(known)]
    return {
        name: float((known <= limit).mean()) if known.size else None
        for name, limit in thresholds.items()
    }


def depth_sums(estimate: ArrayLike, truth: ArrayLike) -> Sums:
    """Add up the errors of a map of depth over the pixels whose true depth is known.

    The sums of several frames add up; `depth_metrics` makes numbers of them.

    Args:
        estimate: [H, W], finite.
        truth: [H, W] in the same unit, above 0; NaN where nothing is known.

    Returns:
        [4] pixels, summed squares of the difference, summed differences over the true depth,
        pixels of which the larger of both depths is less than `RATIO` times the smaller.

    Raises:
        UsageError: the shapes differ.

    Example:
        >>> depth_sums([[2.0, 3.0, 9.0]], [[2.0, 2.0, np.nan]]).tolist()
        [2.0, 1.0, 0.5, 1.0]
    """
    given, true = np.asarray(estimate, np.float32), np.asarray(truth, np.float32)
    if given.shape != true.shape:
        raise UsageError(
            f"the estimated depth has the shape {given.shape}, the true one {true.shape}; "
            "bring both to one size"
        )
    known = ~np.isnan(true)
    d, t = given[known], true[known]
    error = np.abs(d - t)
    right = np.maximum(d, t) < RATIO * np.minimum(d, t)
    return np.array(
        [
            t.size,
            np.square(error).sum(dtype=np.float64),
            (error / t).sum(dtype=np.float64),
            np.count_nonzero(right),
        ],
        np.float64,
    )


def depth_metrics(sums: Sums) -> dict[str, float | None]:
    """Return the numbers of some frames from their summed `depth_sums`.

    Returns:
        `rmse`, the root of the mean squared difference, in the unit of the depth; `abs_rel`, the
        mean difference over the true depth; `delta_1`, the share of pixels whose ratio is less
        than 1.25. None where no depth is known.

    Source: Eigen, Puhrsch & Fergus, Depth Map Prediction from a Single Image, 2014.

    Example:
        >>> depth_metrics(np.array([4.0, 16.0, 1.0, 3.0]))
        {'rmse': 2.0, 'abs_rel': 0.25, 'delta_1': 0.75}
    """
    pixels, squares, relative, right = sums.tolist()
    if not pixels:
        return {"rmse": None, "abs_rel": None, "delta_1": None}
    return {
        "rmse": float(np.sqrt(squares / pixels)),
        "abs_rel": relative / pixels,
        "delta_1": right / pixels,
    }


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole > 0 else None


def _between(pixels: int, cells: int) -> tuple[Array, Array, Array]:
    """Return the two cells that each pixel of a side lies between, and its share of the second."""
    place = ((np.arange(pixels) + 0.5) * (cells / pixels) - 0.5).clip(0, cells - 1)
    low = place.astype(np.int64)
    return low, np.minimum(low + 1, cells - 1), (place - low).astype(np.float32)


@compiled()
def _add_errors(
    given: Array,
    truth: Array,
    down: tuple[Array, Array, Array],
    right: tuple[Array, Array, Array],
    bands: Array,
    within: Array,
    sums: Array,
) -> None:
    """Add pixels, errors and pixels within the thresholds to the row of their band."""
    height, width = truth.shape[:2]
    line = np.empty((given.shape[1], 2), np.float32)
    for y in range(height):
        top, bottom, share = down[0][y], down[1][y], down[2][y]
        for c in range(given.shape[1]):
            for k in range(2):
                line[c, k] = given[top, c, k] + share * (given[bottom, c, k] - given[top, c, k])
        for x in range(width):
            u, v = truth[y, x, 0], truth[y, x, 1]
            if np.isnan(u) or np.isnan(v):
                continue
            a, b, part = right[0][x], right[1][x], right[2][x]
            du = line[a, 0] + part * (line[b, 0] - line[a, 0]) - u
            dv = line[a, 1] + part * (line[b, 1] - line[a, 1]) - v
            error = np.sqrt(du * du + dv * dv)
            length = u * u + v * v
            band = 0
            for limit in bands:
                if length >= limit * limit:
                    band += 1
            sums[band, 0] += 1
            sums[band, 1] += error
            for i in range(len(within)):
                if error <= within[i]:
                    sums[band, 2 + i] += 1


@compiled()
def _add_cells(values: Array, rows: Array, cols: Array, sums: Array, counts: Array) -> None:
    """Add the known values to their cells, and count them."""
    height, width, channels = values.shape
    for y in range(height):
        for x in range(width):
            known = True
            for c in range(channels):
                if np.isnan(values[y, x, c]):
                    known = False
            if known:
                counts[rows[y], cols[x]] += 1
                for c in range(channels):
                    sums[rows[y], cols[x], c] += values[y, x, c]
