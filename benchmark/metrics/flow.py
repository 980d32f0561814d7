"""Does a label follow the motion? Consistency of consecutive frames along optical flow."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tvseg_bench.benchmark.errors import UsageError, did_you_mean
from tvseg_bench.benchmark.metrics.contingency import Contingency, contingency
from tvseg_bench.benchmark.metrics.iou import class_counts, mean_iou
from tvseg_bench.benchmark.metrics.matching import match
from tvseg_bench.benchmark.types import VOID

Map: TypeAlias = NDArray[np.integer[Any]]

NOWHERE = -1
"""The id of a pixel that is not compared."""

Sampling = Literal["aligned", "vspw"]
"""Where a flow points. aligned: at pixel x + dx. vspw: coordinates scaled by 1 / (W - 1) and
read as if by 1 / W (as published), so that even zero flow loses the last column and row."""


def warp_labels(
    labels: ArrayLike, flow: ArrayLike, sampling: Sampling = "aligned", outside: int = VOID
) -> NDArray[np.int64]:
    """Fetch for each pixel of frame t the label of frame t + 1 that its motion points to.

    The temporal consistency of a clip is the mean IoU of `predicted[t]` and the warped
    `predicted[t + 1]` over all pairs, from one summed contingency table.

    Args:
        labels: [H, W] labels of frame t + 1.
        flow: [H, W, 2] displacement (x, y) from frame t to t + 1; NaN where there is none.
        sampling: How a displacement is turned into a pixel (nearest).
        outside: The label of a pixel that points outside or nowhere; 0 as published.

    Raises:
        UsageError: The shapes do not fit, or sampling is unknown.

    Sources: VSPW TC_cal.py (flowwarp); Liu et al. 2020, irfanICMLL/ETC tool/eval_tc.py.

    Example:
        >>> right = np.zeros((1, 3, 2))
        >>> right[..., 0] = 1
        >>> warp_labels([[4, 5, 6]], right).tolist()
        [[5, 6, 255]]
    """
    if sampling not in get_args(Sampling):
        raise UsageError(did_you_mean("sampling", str(sampling), get_args(Sampling)))
    source, motion = np.asarray(labels), np.asarray(flow, np.float32)
    if source.ndim != 2 or motion.shape != (*source.shape, 2):
        raise UsageError(
            f"labels have the shape {source.shape} and the flow {motion.shape}; "
            "expected [H, W] and [H, W, 2]"
        )
    height, width = source.shape
    y = _target(np.arange(height, dtype=np.float32)[:, None] + motion[..., 1], height, sampling)
    x = _target(np.arange(width, dtype=np.float32) + motion[..., 0], width, sampling)
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    rows, columns = (np.where(inside, at, 0).astype(np.intp) for at in (y, x))
    return np.where(inside, source[rows, columns].astype(np.int64), np.int64(outside))


def _target(position: NDArray[np.float32], pixels: int, sampling: Sampling) -> NDArray[np.float32]:
    """Return the nearest pixel to each position along one side, in the precision of the source."""
    if sampling == "vspw":
        unit = 2 * position / np.float32(max(pixels - 1, 1)) - 1
        position = (((unit + 1) * pixels - 1) / 2).astype(np.float32)
    return np.rint(position)


def warped_table(before: ArrayLike, after: ArrayLike, flow: ArrayLike) -> Contingency:
    """Count the pixels of frame t by the id that their motion leads to, and by their own.

    Pixels whose motion is NaN (occluded), leads out of the frame, or leads from or to an id of
    -1 (void) are left out.

    Args:
        before: [H, W] ids of frame t, -1 where they do not count.
        after: [H, W] ids of frame t + 1, likewise.
        flow: [H, W, 2] displacement (x, y) in pixels from t to t + 1.

    Raises:
        UsageError: The shapes do not fit.

    Example:
        >>> right = np.zeros((1, 3, 2))
        >>> right[..., 0] = 1
        >>> warped_table([[7, 7, 8]], [[8, 7, -1]], right).table.tolist()
        [[1]]
    """
    # int64 first: bytes cannot hold NOWHERE
    led_to = warp_labels(np.asarray(after, np.int64), flow, outside=NOWHERE)
    table = contingency(led_to, np.asarray(before, np.int64), void=NOWHERE)
    return table.select(clusters=table.clusters[table.clusters != NOWHERE])


def flow_consistency(table: Contingency) -> float | None:
    """Return the mean IoU over ids of own and led-to pixels, within 0..1; None without any.

    TC of a clip, from the summed tables of its pairs. A constant map scores 1.

    Source: Liu et al. 2020, irfanICMLL/ETC tool/eval_tc.py; VSPW TC_cal.py, without their loss of
    the last row and column.

    Example:
        >>> flow_consistency(Contingency(np.arange(2), np.arange(2), np.array([[3, 0], [1, 4]])))
        0.775
    """
    ids = np.union1d(table.labels, table.clusters)
    square = table.select(ids, ids)
    return mean_iou(class_counts(square, match(square, "identity")), "skip-unpredicted")


def occluded(forward: ArrayLike, backward: ArrayLike) -> NDArray[np.bool_]:
    """Return where motion there and back does not lead home: what is hidden in the next frame.

    |f(x) + b(x + f(x))|^2 > 0.01 (|f(x)|^2 + |b(x + f(x))|^2) + 0.5, with b at the nearest pixel;
    also where the motion is NaN or leads out of the frame.

    Args:
        forward: [H, W, 2] displacement (x, y) in pixels from t to t + 1.
        backward: [H, W, 2] the same from t + 1 to t.

    Raises:
        UsageError: The shapes do not fit.

    Source: Sundaram, Brox & Keutzer 2010, equation 5.

    Example:
        >>> still, away = np.zeros((1, 2, 2)), np.full((1, 2, 2), [0.0, 9.0])
        >>> occluded(still, still).tolist(), occluded(still, away).tolist()
        ([[False, False]], [[True, True]])
    """
    there, back = np.asarray(forward, np.float32), np.asarray(backward, np.float32)
    if there.ndim != 3 or there.shape[2] != 2 or there.shape != back.shape:
        raise UsageError(
            f"forward flow has the shape {there.shape} and backward {back.shape}; "
            "expected one [H, W, 2] for both"
        )
    height, width = there.shape[:2]
    pixels = np.arange(height * width).reshape(height, width)
    target = warp_labels(pixels, there, outside=NOWHERE)
    led_back = back.reshape(-1, 2)[target]
    gap = ((there + led_back) ** 2).sum(-1)
    allowed = 0.01 * ((there**2).sum(-1) + (led_back**2).sum(-1)) + 0.5
    hidden: NDArray[np.bool_] = (target == NOWHERE) | ~(gap <= allowed)
    return hidden
