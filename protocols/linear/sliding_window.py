"""Sliding-window inference on the logits of whole frames."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.clustering.upsampling import Axis


def windows(length: int, window: int, stride: int) -> list[tuple[int, int]]:
    """Return (start, end) of the windows along one side; the last one is shifted inside.

    Source: mmsegmentation's and DINOv3's slide inference (dinov3/eval/segmentation/inference.py).

    Example:
        >>> windows(43, 32, 21)
        [(0, 32), (11, 43)]
        >>> windows(20, 32, 21)
        [(0, 20)]
    """
    count = max(0, -(-(length - window) // stride)) + 1
    ends = [min(i * stride + window, length) for i in range(count)]
    return [(max(0, end - window), end) for end in ends]


def slide(
    logits: NDArray[np.floating[Any]], patch: int, window: int, stride: int
) -> NDArray[np.float32]:
    """Upsample logits [h, w, C] window by window and average where windows overlap.

    Args:
        patch: pixels of a patch's side.
        window: side of a window in pixels, rounded to patches.
        stride: distance of windows in pixels, rounded to patches.

    Returns:
        [h * patch, w * patch, C].

    Example:
        >>> slide(np.ones((5, 6, 2)), 4, 16, 8).shape
        (20, 24, 2)
    """
    rows, cols, classes = logits.shape
    side, step = max(1, round(window / patch)), max(1, round(stride / patch))
    total = np.zeros((rows * patch, cols * patch, classes), np.float32)
    count = np.zeros((rows * patch, cols * patch, 1), np.float32)
    for top, bottom in windows(rows, side, step):
        for left, right in windows(cols, side, step):
            y = Axis(bottom - top, (bottom - top) * patch).matrix
            x = Axis(right - left, (right - left) * patch).matrix
            part = logits[top:bottom, left:right]
            pixels = slice(top * patch, bottom * patch), slice(left * patch, right * patch)
            total[pixels] += np.einsum("yi,ijc,xj->yxc", y, part, x, optimize=True)
            count[pixels] += 1
    total /= count
    return total
