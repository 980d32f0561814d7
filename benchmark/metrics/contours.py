"""The compiled loops of F: contour pixels by object, and whether others lie within a disk.

That is asked for contour pixels only, of rows of bits, so nothing is ever dilated.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.compiled import compiled

Array = NDArray[Any]

ALL_BITS = np.uint64(0xFFFFFFFFFFFFFFFF)


@compiled()
def by_object(ids: Array, found: Array, n: int) -> tuple[Array, Array]:
    """Sort the pixels of all contours by the objects that they outline.

    A pixel is on the contour of every object that it or one of its three neighbours (right,
    lower, diagonal; in the last row and column the one that there is) is part of.

    Args:
        ids: [H, W] objects 1..n, 0 elsewhere.
        found: flat positions of the pixels unlike one of their neighbours, ascending.

    Returns:
        pixels [M] flat positions, starts [n + 1]: those of object k are
        pixels[starts[k - 1] : starts[k]].
    """
    height, width = ids.shape
    four = np.zeros(4, np.int64)
    owners = np.empty((len(found), 4), np.int64)
    starts = np.zeros(n + 2, np.int64)
    for i in range(len(found)):
        y, x = found[i] // width, found[i] % width
        inside = y < height - 1 and x < width - 1
        four[0] = ids[y, x]
        four[1] = ids[y, min(x + 1, width - 1)]
        four[2] = ids[min(y + 1, height - 1), x]
        four[3] = ids[y + 1, x + 1] if inside else four[0]
        for j in range(4):
            owner = four[j]
            for before in range(j):
                if four[before] == owner:
                    owner = 0
            owners[i, j] = owner
            if owner:
                starts[owner + 1] += 1
    for k in range(1, n + 1):
        starts[k + 1] += starts[k]
    place = starts.copy()
    pixels = np.empty(starts[n + 1], np.int64)
    for i in range(len(found)):
        for j in range(4):
            owner = owners[i, j]
            if owner:
                pixels[place[owner]] = found[i]
                place[owner] += 1
    return pixels, starts[1:]


@compiled()
def count_near(pixels: Array, others: Array, width: int, halves: Array) -> int:
    """Count the pixels that have one of the others within a disk.

    Args:
        pixels: [A] flat positions.
        others: [B] flat positions, ascending; one at least.
        halves: [R + 1] half the disk's width, 0..R rows from its centre.
    """
    radius = len(halves) - 1
    top, bottom = others[0] // width, others[-1] // width
    bits = np.zeros((bottom - top + 1, (width + 63) // 64), np.uint64)
    for other in others:
        x = other % width
        bits[other // width - top, x >> 6] |= np.uint64(1) << np.uint64(x & 63)
    n = 0
    for pixel in pixels:
        y, x = pixel // width - top, pixel % width
        near = False
        for step in range(2 * radius + 1):  # from the centre outwards: most have one close by
            away = (step + 1) >> 1
            row = y + away if step & 1 else y - away
            if row < 0 or row >= len(bits):
                continue
            low, high = max(x - halves[away], 0), min(x + halves[away], width - 1)
            first, last = low >> 6, high >> 6
            for word in range(first, last + 1):
                shown = bits[row, word]
                if word == first:
                    shown &= ALL_BITS << np.uint64(low & 63)
                if word == last:
                    shown &= ALL_BITS >> np.uint64(63 - (high & 63))
                if shown:
                    near = True
            if near:
                break
        n += near
    return n
