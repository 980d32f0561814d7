"""Compiled loops over one cell: the cells between patches are visited, instead of all pixels.

A cell is the set of pixels with the same four patches (a, b above, c, d below) around them.
Within it every score is a convex combination of the four corner scores, so
- where one cluster wins all four corners it owns the cell, at the price of a few additions;
- a cluster that some other one beats at all four corners cannot win a pixel and drops out;
- what is left (two clusters, mostly) is compared pixel by pixel.

A pixel at the offsets (x, y) from a scores a + (b - a) x + (c - a) y + (d - b - c + a) xy. The
sum of a cluster's scores in a cell, and the weights of its corners in the cluster's mean, follow
from the moments (n, sum x, sum y, sum xy) of its pixels alone.

Everything here is called with arrays that `upsampling` and `lloyd` have prepared and checked.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numba.extending import intrinsic
from numpy.typing import NDArray

from tvseg_bench.benchmark.compiled import FINITE, compiled

Array = NDArray[Any]
Scores = NDArray[np.floating[Any]]
Number: TypeAlias = Any
"""A float of the precision that is computed in."""

BLOCK = 16
"""Clusters are padded to a multiple of this, so that the compiler knows the length of loops."""
NEVER = -1e30
"""The score of a column that is padding."""


@intrinsic  # type: ignore[untyped-decorator]
def larger(_typing: Any, first: Any, second: Any) -> Any:
    """Return the larger of two numbers; loops over it are vectorised, unlike over `max`."""

    def build(_context: Any, builder: Any, _signature: Any, numbers: Any) -> Any:
        flags = ("nnan", "nsz")
        above = builder.fcmp_ordered(">", *numbers, flags=flags)
        return builder.select(above, *numbers, flags=flags)

    return (first(first, second), build) if first == second else None


@compiled(**FINITE)
def winners(scores: Scores, width: int, won: Array) -> None:
    """Write the best of scores [n, :width] to won [n]; the lowest on ties."""
    for q in range(len(scores)):
        top = scores[q, 0]
        block = 0
        for b in range(0, width, BLOCK):
            high = scores[q, b]
            for j in range(BLOCK):
                high = larger(high, scores[q, b + j])
            if high > top:
                top = high
                block = b
        k = block
        while scores[q, k] != top:
            k += 1
        won[q] = k


@compiled(**FINITE)
def floors(scores: Scores, won: Array, corners: Array, floor: Scores) -> None:
    """Write to floor [n] what a column needs at a patch to matter in any cell around it.

    A cell's best score is nowhere below the lowest corner of any one cluster.
    """
    floor[:] = -NEVER
    for cell in range(len(corners)):
        a, b, c, d = corners[cell, 0], corners[cell, 1], corners[cell, 2], corners[cell, 3]
        sure = scores.dtype.type(NEVER)
        for q in (a, b, c, d):
            k = won[q]
            least = larger(
                larger(-scores[a, k], -scores[b, k]), larger(-scores[c, k], -scores[d, k])
            )
            sure = larger(sure, -least)
        for q in (a, b, c, d):
            floor[q] = -larger(-floor[q], -sure)


@compiled(**FINITE)
def compact(scores: Scores, floor: Scores, alive: Array, columns: Array, small: Scores) -> int:
    """Copy the columns of scores [n, P] that reach the floor anywhere to small [n, P].

    Returns how many there are (padded to whole blocks); columns [P] holds their numbers.
    """
    rows, padded = scores.shape
    alive[:] = 0
    for q in range(rows):
        need = floor[q]
        for k in range(padded):
            alive[k] |= 1 if scores[q, k] >= need else 0
    n = 0
    for k in range(padded):
        columns[n] = k
        n += alive[k]
    width: int = min(padded, (n + BLOCK - 1) // BLOCK * BLOCK)
    for q in range(rows):
        for j in range(n):
            small[q, j] = scores[q, columns[j]]
        for j in range(n, width):
            small[q, j] = NEVER
    return width


@compiled(**FINITE)
def survivors(
    scores: Scores, a: int, b: int, c: int, d: int, rival: int, found: Array, n: int
) -> int:
    """Filter found[:n] to what reaches the rival's score at some corner; return their number."""
    ra, rb, rc, rd = scores[a, rival], scores[b, rival], scores[c, rival], scores[d, rival]
    left = 0
    for i in range(n):
        k = found[i]
        found[left] = k
        above, below = (scores[a, k] >= ra) | (scores[b, k] >= rb), (scores[c, k] >= rc)
        left += above | below | (scores[d, k] >= rd)
    return left


@compiled(**FINITE)
def contenders(
    scores: Scores, width: int, a: int, b: int, c: int, d: int, won: Array, found: Array
) -> int:
    """Write the columns that may win a pixel between the patches a, b, c, d to found.

    A column drops out that some corner's winner beats at all four corners. Ascending, so that
    the lowest column wins ties. Returns their number.
    """
    ref = won[a]
    most = scores[a, ref] + scores[b, ref] + scores[c, ref] + scores[d, ref]
    for k in (won[b], won[c], won[d]):
        total = scores[a, k] + scores[b, k] + scores[c, k] + scores[d, k]
        if total > most:
            most = total
            ref = k
    ra, rb, rc, rd = scores[a, ref], scores[b, ref], scores[c, ref], scores[d, ref]
    zero = scores.dtype.type(0)
    n = 0
    for start in range(0, width, BLOCK):
        hits = 0
        for k in range(start, start + BLOCK):
            above = larger(scores[a, k] - ra, scores[b, k] - rb)
            below = larger(scores[c, k] - rc, scores[d, k] - rd)
            hits += 1 if larger(above, below) >= zero else 0
        if hits > 0:
            for k in range(start, start + BLOCK):
                found[n] = k
                above = larger(scores[a, k] - ra, scores[b, k] - rb)
                below = larger(scores[c, k] - rc, scores[d, k] - rd)
                n += larger(above, below) >= zero
    if n > 2:
        for rival in (won[a], won[b], won[c], won[d]):
            if rival != ref:
                n = survivors(scores, a, b, c, d, rival, found, n)
    return n


@compiled(**FINITE)
def label_pixels(
    scores: Scores, a: int, b: int, c: int, d: int, found: Array, n: int,
    tx: Scores, ty: Scores, txy: Scores, start: int, end: int, value: Scores, label: Array,
) -> None:  # fmt: skip
    """Write the position in found[:n] of the best column for the pixels start:end of a cell."""
    for i in range(n):
        k = found[i]
        base = scores[a, k]
        dx = scores[b, k] - base
        dy = scores[c, k] - base
        dxy = scores[d, k] - scores[b, k] - dy
        if i == 0:
            for p in range(end - start):
                q = start + p
                value[p] = base + dx * tx[q] + dy * ty[q] + dxy * txy[q]
                label[p] = 0
        else:
            for p in range(end - start):
                q = start + p
                s = base + dx * tx[q] + dy * ty[q] + dxy * txy[q]
                label[p] = i if s > value[p] else label[p]
                value[p] = s if s > value[p] else value[p]


@compiled(**FINITE)
def add_pixels(
    scores: Scores, weights: Scores, counts: Array, a: int, b: int, c: int, d: int, k: int,
    n: Number, sx: Number, sy: Number, sxy: Number,
) -> Number:  # fmt: skip
    """Give column k the n pixels with these moments; return the sum of their scores."""
    if n > 0:
        weights[a, k] += n - sx - sy + sxy
        weights[b, k] += sx - sxy
        weights[c, k] += sy - sxy
        weights[d, k] += sxy
        counts[k] += int(n)
        base = scores[a, k]
        dx = scores[b, k] - base
        dy = scores[c, k] - base
        return base * n + dx * sx + dy * sy + (scores[d, k] - scores[b, k] - dy) * sxy
    return scores.dtype.type(0)


@compiled(**FINITE)
def split_between_two(
    scores: Scores, weights: Scores, counts: Array, a: int, b: int, c: int, d: int,
    low: int, high: int, tx: Scores, ty: Scores, txy: Scores, start: int, end: int,
    m0: Number, mx: Number, my: Number, mxy: Number,
) -> Number:  # fmt: skip
    """Divide the pixels of a cell between two columns; return the sum of the best scores."""
    base = scores[a, high] - scores[a, low]
    dx = scores[b, high] - scores[b, low] - base
    dy = scores[c, high] - scores[c, low] - base
    dxy = scores[d, high] - scores[d, low] - base - dx - dy
    zero, one = scores.dtype.type(0), scores.dtype.type(1)
    n, sx, sy, sxy = zero, zero, zero, zero
    for p in range(start, end):
        won = base + dx * tx[p] + dy * ty[p] + dxy * txy[p] > zero
        n += one if won else zero
        sx += tx[p] if won else zero
        sy += ty[p] if won else zero
        sxy += txy[p] if won else zero
    total = add_pixels(scores, weights, counts, a, b, c, d, high, n, sx, sy, sxy)
    n, sx, sy, sxy = m0 - n, mx - sx, my - sy, mxy - sxy
    return total + add_pixels(scores, weights, counts, a, b, c, d, low, n, sx, sy, sxy)


@compiled(**FINITE)
def add_labelled_pixels(
    scores: Scores, weights: Scores, counts: Array, a: int, b: int, c: int, d: int,
    found: Array, n: int, tx: Scores, ty: Scores, txy: Scores, start: int, end: int,
    m0: Number, mx: Number, my: Number, mxy: Number, label: Array,
) -> Number:  # fmt: skip
    """Add up the pixels of n columns by their labels; return the sum of the scores."""
    zero, one = scores.dtype.type(0), scores.dtype.type(1)
    total = zero
    for i in range(1, n):
        m, sx, sy, sxy = zero, zero, zero, zero
        for p in range(end - start):
            won = label[p] == i
            m += one if won else zero
            sx += tx[start + p] if won else zero
            sy += ty[start + p] if won else zero
            sxy += txy[start + p] if won else zero
        total += add_pixels(scores, weights, counts, a, b, c, d, found[i], m, sx, sy, sxy)
        m0, mx, my, mxy = m0 - m, mx - sx, my - sy, mxy - sxy
    return total + add_pixels(scores, weights, counts, a, b, c, d, found[0], m0, mx, my, mxy)
