"""Do labels stay put over time? Video consistency without flow, temporal consistency with it."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tvseg_bench.benchmark.errors import UsageError, did_you_mean
from tvseg_bench.benchmark.types import VOID

Windows = Literal["all", "vspw"]
"""Which windows of a clip count. all: each of the T - C + 1. vspw: all but the last, and none
of a clip of C frames (as published)."""

Agreement = Literal["stable", "correct"]
"""What a pixel has to do over a window. stable: keep its label, whatever it is. correct: have
the true label in every frame."""

Sampling = Literal["aligned", "vspw"]
"""Where a flow points. aligned: at pixel x + dx. vspw: coordinates scaled by 1 / (W - 1) and
read as if by 1 / W (as published), so that even zero flow loses the last column and row."""

Maps: TypeAlias = NDArray[np.integer[Any]]


def video_consistency(
    truth: ArrayLike,
    predicted: ArrayLike,
    length: int,
    *,
    agreement: Agreement = "stable",
    windows: Windows = "all",
    void: int | None = VOID,
) -> NDArray[np.float64]:
    """Return VC of every window of a clip: of the pixels whose true label stays, how many agree.

    A data set's VC is the mean over the windows of all clips, NaN left out. A constant map is
    perfectly stable, so read `stable` beside `correct`.

    Args:
        truth: [T, H, W] labels.
        predicted: [T, H, W] labels, or cluster ids for `stable`.
        length: C, the frames of a window.
        agreement: What a pixel has to do.
        windows: Which windows count.
        void: True label whose pixels are not counted; None counts all, as published.

    Returns:
        [windows] shares within 0..1; NaN where no pixel keeps its true label.

    Raises:
        UsageError: The shapes differ, the length is below 1, or a name is unknown.

    Source: VSPW, sssdddwww2/CVPR2021_VSPW_Implement VC_perclip.py.

    Example:
        >>> truth, cluster = np.zeros((3, 1, 2), int), np.array([[[5, 5]], [[5, 5]], [[5, 7]]])
        >>> video_consistency(truth, cluster, 2).tolist()
        [1.0, 0.5]
        >>> video_consistency(truth, cluster, 2, windows="vspw").tolist()
        [1.0]
    """
    true, pred = np.asarray(truth), np.asarray(predicted)
    if true.ndim != 3 or true.shape != pred.shape or length < 1:
        raise UsageError(
            f"truth has the shape {true.shape}, predicted {pred.shape} and a window {length} "
            "frames; expected one [T, H, W] for both and at least one frame"
        )
    _known("agreement", agreement, get_args(Agreement))
    _known("windows", windows, get_args(Windows))
    shares = np.full(max(len(true) - length + 1, 0), np.nan)
    static = agreed = np.zeros(true.shape[1:], np.int32)
    for t in range(len(true)):
        counted = np.ones(true[t].shape, bool) if void is None else true[t] != void
        static = _frames_kept(static, true, t) * counted
        agreed = _frames_kept(agreed, pred, t)
        if agreement == "correct":
            agreed = agreed * (pred[t] == true[t])
        stays = static >= length
        if total := int(stays.sum()):
            shares[t - length + 1] = int((stays & (agreed >= length)).sum()) / total
    return shares if windows == "all" else shares[:-1]


def _frames_kept(so_far: NDArray[np.int32], maps: Maps, t: int) -> NDArray[np.int32]:
    """Return for how many frames, up to and with t, each pixel [H, W] has had its label."""
    if t == 0:
        return so_far + np.int32(1)
    return np.where(maps[t] == maps[t - 1], so_far, 0) + np.int32(1)


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
    _known("sampling", sampling, get_args(Sampling))
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


def _known(kind: str, name: str, names: tuple[str, ...]) -> None:
    if name not in names:
        raise UsageError(did_you_mean(kind, str(name), names))
