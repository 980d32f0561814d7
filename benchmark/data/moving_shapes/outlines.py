"""Where things are: poses in fixed point, and the outlines of the categories.

An outline is a function of an object's own coordinates (u, v), Q16 in units of its radius with v
downwards, to the signed distance from the edge (Q16, negative inside). The distance is exact at
the edge to first order, which is where it is used: for coverage and for inside or outside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.data.moving_shapes.fixed_point import ONE, TURN, UNIT, cosine, sine

Ints = NDArray[np.int64]
Words = NDArray[np.int32]
Outline = Callable[[Ints, Ints], Ints]

REACH = ONE * 5 // 4
"""No outline goes further than this from the centre, in radii."""


class Local(NamedTuple):
    """Points in a body's own frame, kept as a part that depends on the image's x and a part
    that depends on its y: (u, v) = (u_x + u_y, v_x + v_y), Q16 radii. Whole windows of pixels stay
    one-dimensional until they are needed."""

    u_x: Ints
    u_y: Ints
    v_x: Ints
    v_y: Ints

    @property
    def uv(self) -> tuple[Ints, Ints]:
        """u and v, in full."""
        return self.u_x + self.u_y, self.v_x + self.v_y

    def laid(self, along: tuple[int, int], shift: tuple[int, int]) -> tuple[Words, Words]:
        """Return coordinates along a Q16 vector and across it, shifted, as 32-bit words."""
        a, b = along
        x = ((a * self.u_x + b * self.v_x) >> 16) + shift[0], (a * self.u_y + b * self.v_y) >> 16
        y = ((a * self.v_x - b * self.u_x) >> 16) + shift[1], (a * self.v_y - b * self.u_y) >> 16
        return (
            x[0].astype(np.int32) + x[1].astype(np.int32),
            y[0].astype(np.int32) + y[1].astype(np.int32),
        )


@dataclass(frozen=True)
class Pose:
    """A similarity: position (Q16 pixels from the top left corner), angle, radius (Q16 pixels)."""

    x: int
    y: int
    angle: int
    radius: int

    def local(self, xs: Ints, ys: Ints) -> Local:
        """Map image coordinates (Q16 pixels, broadcast against each other) to the body's own."""
        a = cosine(self.angle) * ONE // self.radius
        b = sine(self.angle) * ONE // self.radius
        dx, dy = xs - self.x, ys - self.y
        return Local(a * dx >> 30, b * dy >> 30, -b * dx >> 30, a * dy >> 30)

    def carry(self, later: Pose, xs: Ints, ys: Ints) -> tuple[Ints, Ints]:
        """Return how far (x, y; Q16 pixels) the body's points at (xs, ys) are from there when it
        is at `later`."""
        turn = later.angle - self.angle
        a = cosine(turn) * later.radius // self.radius - UNIT
        b = sine(turn) * later.radius // self.radius
        dx, dy = xs - self.x, ys - self.y
        half = UNIT >> 1
        return (
            (later.x - self.x) + ((a * dx - b * dy + half) >> 30),
            (later.y - self.y) + ((b * dx + a * dy + half) >> 30),
        )


def coverage(distance: Ints, radius: int) -> Words:
    """Return how much of a pixel lies inside (0..256), from its centre's distance to the edge.

    Example:
        >>> coverage(np.array([-ONE, 0, ONE // 32, ONE]), 8 * ONE).tolist()
        [256, 128, 64, 0]
    """
    pixels = (distance * radius) >> 16
    share: Words = np.clip(128 - (pixels >> 8), 0, 256).astype(np.int32)
    return share


# --------------------------------------------------------------------------- outlines


def _part(hundredths: int) -> int:
    return hundredths * ONE // 100


def _circle(u: Ints, v: Ints, radius: int) -> Ints:
    """(|p|² - r²) / 2r, whose slope at the edge is 1."""
    return (((u * u + v * v) >> 16) - (radius * radius >> 16)) * (ONE * ONE // (2 * radius)) >> 16


def _sides(u: Ints, v: Ints, n: int, inner: int) -> Ints:
    """Distances to the n lines of a regular polygon, one point up, [n, ...]."""
    angles = [TURN * (2 * k + 1) // (2 * n) for k in range(n)]
    normals = [(sine(angle) >> 14, -cosine(angle) >> 14) for angle in angles]
    return np.stack([((nx * u + ny * v) >> 16) - inner for nx, ny in normals])


def _polygon(n: int, inner: int) -> Outline:
    def outline(u: Ints, v: Ints) -> Ints:
        distance: Ints = _sides(u, v, n, inner).max(axis=0)
        return distance

    return outline


def _star(u: Ints, v: Ints) -> Ints:
    """Five points: inside are the points beyond at most one of the five sides."""
    distance: Ints = np.partition(_sides(u, v, 5, _part(38)), 3, axis=0)[3]
    return distance


def _cross(u: Ints, v: Ints) -> Ints:
    long, wide = _part(105), _part(40)
    u, v = np.abs(u), np.abs(v)
    return np.minimum(np.maximum(u - long, v - wide), np.maximum(v - long, u - wide))


def _crescent(u: Ints, v: Ints) -> Ints:
    u = u + _part(25)
    return np.maximum(_circle(u, v, ONE), -_circle(u - _part(70), v, _part(75)))


OUTLINES: dict[str, Outline] = {
    "disc": lambda u, v: _circle(u, v, _part(92)),
    "square": lambda u, v: np.maximum(np.abs(u), np.abs(v)) - _part(80),
    "triangle": _polygon(3, _part(60)),
    "star": _star,
    "ring": lambda u, v: np.maximum(_circle(u, v, _part(105)), -_circle(u, v, _part(50))),
    "cross": _cross,
    "crescent": _crescent,
    "hexagon": _polygon(6, _part(83)),
}
