"""What surfaces look like: patterns in fixed point, mixed from two colours, with a fine grain.

A pattern maps its own coordinates (x, y), Q16 in periods, to the share of the second colour
(0..256). Its edges are soft over about two pixels at the periods in use, so that nothing flickers
when it moves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.data.moving_shapes.fixed_point import ONE, cosine, sine
from tvseg_bench.benchmark.data.moving_shapes.outlines import Local

Words = NDArray[np.int32]
Pattern = Callable[[Words, Words, Words], Words]
"""(x, y, noise table) -> share of the second colour."""

HALF = ONE // 2

Colour = tuple[int, int, int]
"""RGB, 0..255."""


@dataclass(frozen=True)
class Surface:
    """A pattern laid on a body: which, how dense, how turned, in which colours."""

    pattern: str
    along: tuple[int, int]
    """Q16 periods per radius: x = (along · (u, v)) + shift, y its perpendicular."""
    shift: tuple[int, int]
    """Q16 periods, which also picks the place in the noise."""
    colours: tuple[Colour, Colour]
    grain: int
    """Depth of the fine brightness noise, of 256."""
    grain_rate: int
    """Q16 cells of that noise per radius."""


def pattern_axes(angle: int, per_radius: int) -> tuple[int, int]:
    """Return `Surface.along` for a direction and a density in hundredths of periods per radius.

    Example:
        >>> pattern_axes(0, 300) == (3 * ONE, 0)
        True
    """
    length = per_radius * ONE // 100
    return cosine(angle) * length >> 30, sine(angle) * length >> 30


def paint(surface: Surface, table: Words, points: Local) -> Words:
    """Return the colours [3, ...] of a surface at points of its body, 0..255 before any light.

    `table` is the noise: [n, n] of 0..32767, n a power of two.
    """
    mix = PATTERNS[surface.pattern](*points.laid(surface.along, surface.shift), table)
    fine = noise(*points.laid((surface.grain_rate, 0), surface.shift), table)
    shade = 256 + ((fine - HALF // 2) * surface.grain >> 14)
    out = np.empty((3, *mix.shape), np.int32)
    for plane, p, q in zip(out, *surface.colours, strict=True):
        np.multiply(mix, q - p, out=plane)
        plane >>= 8
        plane += p
        plane *= shade
        plane >>= 8
    return np.minimum(out, 255, out=out)


def colour(hue: int, saturation: int, value: int) -> Colour:
    """Return RGB of a hue (1536 to the circle), saturation and value (0..255).

    Example:
        >>> colour(0, 255, 200), colour(512, 255, 255), colour(77, 0, 90)
        ((200, 0, 0), (0, 255, 0), (90, 90, 90))
    """
    sector, rest = divmod(hue % 1536, 256)
    low = value * (255 - saturation) // 255
    rise = low + (value - low) * rest // 256
    fall = value - (value - low) * rest // 256
    wheel: tuple[Colour, ...] = (
        (value, rise, low),
        (fall, value, low),
        (low, value, rise),
        (low, fall, value),
        (rise, low, value),
        (value, low, fall),
    )
    return wheel[sector]


def noise(x: Words, y: Words, table: Words) -> Words:
    """Return smooth value noise (0..32767): the table at whole coordinates, blended between."""
    n = len(table)
    flat = table.ravel()
    left, above = (x >> 16) & (n - 1), ((y >> 16) & (n - 1)) * n
    right, below = (left + 1) & (n - 1), (above + n) & (n * n - 1)
    sx, sy = _ease(x), _ease(y)
    top, bottom = flat[above + left], flat[below + left]
    top += (flat[above + right] - top) * sx >> 15
    bottom += (flat[below + right] - bottom) * sx >> 15
    return top + ((bottom - top) * sy >> 15)


def _ease(x: Words) -> Words:
    """3f² - 2f³ of the fraction f, Q15."""
    f = (x & (ONE - 1)) >> 1
    return (f * f >> 15) * (3 * HALF - 2 * f) >> 15


def _triangle_wave(x: Words) -> Words:
    """Straight up and down between -16384 and 16384, once per period."""
    height: Words = np.abs((x & (ONE - 1)) - HALF) - ONE // 4
    return height


def _round_wave(x: Words) -> Words:
    """A sine drawn with parabolas, between -16384 and 16384."""
    w = _triangle_wave(x)
    height: Words = w * (HALF - np.abs(w)) >> 14
    return height


def _edge(w: Words) -> Words:
    """Turn a height into a share: 0 below, 256 above, a soft step at zero."""
    share: Words = np.clip(128 + (w >> 5), 0, 256)
    return share


def _cell(x: Words) -> Words:
    """Distance to the middle of the cell, 0..ONE / 2."""
    distance: Words = np.abs((x & (ONE - 1)) - HALF)
    return distance


def _from_middle(x: Words, y: Words) -> Words:
    """Squared distance from the middle of the cell, ONE where its sides' middles are 4 off."""
    cx, cy = _cell(x), _cell(y)
    return (cx * cx >> 15) + (cy * cy >> 15)


def _ramps(x: Words) -> Words:
    rise = x & (ONE - 1)
    share: Words = np.minimum(rise >> 8, (ONE - rise) >> 5)
    return share


def _bricks(x: Words, y: Words, table: Words) -> Words:
    staggered = (x >> 1) + ((y >> 16) & 1) * HALF
    return _edge(np.minimum(ONE - 2 * _cell(staggered), HALF - _cell(y)) - ONE // 8)


def _mesh(x: Words, y: Words, table: Words) -> Words:
    slanted = np.maximum(_triangle_wave((x >> 1) + y), _triangle_wave((x >> 1) - y))
    return _edge(np.maximum(_triangle_wave(x), slanted) - ONE * 5 // 32)


def _clouds(x: Words, y: Words, table: Words) -> Words:
    coarse, fine = noise(x, y, table), noise(3 * x, 3 * y, table)
    share: Words = np.clip((2 * coarse + fine - HALF) >> 7, 0, 256)
    return share


def _planks(x: Words, y: Words, table: Words) -> Words:
    fibre = noise(8 * x, y >> 1, table) >> 7
    gap = np.clip((_cell(x) - ONE * 15 // 32) >> 3, 0, 256)
    share: Words = np.maximum(fibre, gap)
    return share


def _ripples(x: Words, y: Words, table: Words) -> Words:
    bent = x + 2 * noise(x >> 1, y >> 1, table)
    return 128 + (_round_wave(2 * bent) >> 7)


PATTERNS: dict[str, Pattern] = {
    "dots": lambda x, y, _: _edge(ONE * 11 // 50 - _from_middle(x, y)),
    "rounds": lambda x, y, _: _edge(ONE * 3 // 20 - np.abs(_from_middle(x, y) - ONE * 6 // 25)),
    "checker": lambda x, y, _: _edge(_triangle_wave(x) * _triangle_wave(y) >> 12),
    "gingham": lambda x, y, _: (_edge(_triangle_wave(x)) + _edge(_triangle_wave(y))) >> 1,
    "stripes": lambda x, y, _: _edge(_triangle_wave(x)),
    "ribbons": lambda x, y, _: _edge(
        np.maximum(_triangle_wave(x), _triangle_wave(x + HALF) - ONE // 8)
    ),
    "zigzag": lambda x, y, _: _edge(_triangle_wave(x + _triangle_wave(y >> 1))),
    "waves": lambda x, y, _: _edge(_triangle_wave(x + _round_wave(y >> 1))),
    "bricks": _bricks,
    "blocks": lambda x, y, _: _edge(HALF - np.maximum(_cell(x), _cell(y)) - ONE // 8),
    "lattice": lambda x, y, _: _edge(np.maximum(_triangle_wave(x), _triangle_wave(y)) - ONE // 8),
    "mesh": _mesh,
    "blotches": lambda x, y, table: _edge(3 * (noise(x, y, table) - HALF // 2)),
    "veins": lambda x, y, table: _edge(ONE // 16 - np.abs(noise(x, y, table) - HALF // 2)),
    "scales": lambda x, y, _: _ramps(x + _round_wave(y >> 1)),
    "ramps": lambda x, y, _: _ramps(x),
    "clouds": _clouds,
    "planks": _planks,
    "ripples": _ripples,
    "pebbles": lambda x, y, table: np.abs(2 * noise(2 * x, 2 * y, table) - HALF) >> 7,
}
