"""Run-length encoded masks in the two forms of COCO: a list of counts, or a string that packs it.

A mask is read down its columns, the leftmost first, as runs of 0 and of 1 in turn; the first run
is of 0 and may be empty. In a string each count is written in groups of five bits, the lowest
first, as characters from `0` on; the sixth bit says that another group follows, the fifth of the
last group is the sign. From the fourth count on, what is written is the difference to the count
two before.
(cocodataset/cocoapi, common/maskApi.h and maskApi.c; read for the format, written anew.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.errors import DataError

MAX_GROUPS = 8
"""Groups of five bits in one count: 40 bits, far more than an image has pixels."""


def decode_rle(rle: Any, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the mask [H, W] of one object in one frame.

    Args:
        rle: `{"size": [H, W], "counts": [...]}`, or with a string of counts; not trusted.
        size: (H, W) that it must have.

    Raises:
        DataError: It has another form or size, or its runs do not fill it exactly; the text goes
            on from the name of the file.

    Example:
        >>> decode_rle({"size": [2, 3], "counts": [1, 2, 3]}, (2, 3)).astype(int).tolist()
        [[0, 1, 0], [1, 0, 0]]
        >>> decode_rle({"size": [2, 3], "counts": "123"}, (2, 3)).astype(int).tolist()
        [[0, 1, 0], [1, 0, 0]]
    """
    height, width = size
    if not isinstance(rle, dict) or "counts" not in rle:
        raise DataError('has a mask that is not of the form {"size": [H, W], "counts": ...}')
    if rle.get("size") != [height, width]:
        raise DataError(f"has a mask of size {rle.get('size')!r:.40} instead of {[height, width]}")
    counts = rle["counts"]
    runs = unpack_counts(counts) if isinstance(counts, str) else counts
    pixels = height * width
    if not isinstance(runs, list) or not all(type(n) is int and 0 <= n <= pixels for n in runs):
        raise DataError(f"has a mask whose counts are not a list of numbers from 0 to {pixels}")
    if (total := sum(runs)) != pixels:
        raise DataError(
            f"has a mask whose runs cover {total} pixels instead of {height} x {width} = {pixels}"
        )
    ones = np.arange(len(runs)) % 2 == 1
    return np.repeat(ones, np.array(runs, np.int64)).reshape(width, height).T


def unpack_counts(text: str) -> list[int]:
    """Return the counts that a string packs.

    Raises:
        DataError: It holds other characters, ends within a count, or has one that is too long.

    Example:
        >>> unpack_counts("52203"), unpack_counts("0X1")
        ([5, 2, 2, 2, 5], [0, 40])
    """
    counts: list[int] = []
    value = groups = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or groups == MAX_GROUPS:
            raise DataError("has a mask whose string of counts is damaged")
        value |= (bits & 31) << (5 * groups)
        groups += 1
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << (5 * groups)
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = groups = 0
    if groups:
        raise DataError("has a mask whose string of counts ends too early")
    return counts
