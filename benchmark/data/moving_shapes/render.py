"""Images, masks and exact motion of a scene, in whole numbers.

Pixel (row, column) covers [column, column + 1) × [row, row + 1); its centre decides masks and
flow, its covered share blends colours at the edges of things.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.data.moving_shapes.fixed_point import ONE, cosine, sine
from tvseg_bench.benchmark.data.moving_shapes.outlines import (
    OUTLINES,
    REACH,
    Local,
    Pose,
    coverage,
)
from tvseg_bench.benchmark.data.moving_shapes.scene import Light, Scene, Size, Thing
from tvseg_bench.benchmark.data.moving_shapes.texture import paint
from tvseg_bench.benchmark.types import Depth, Flow, Image

Ints = NDArray[np.int64]
Words = NDArray[np.int32]
Window = tuple[slice, slice]


def render_image(scene: Scene, t: int) -> Image:
    """Return the image of frame t, [H, W, 3] RGB uint8."""
    xs, ys = _centres(scene.size)
    canvas = _painted(scene.backdrop, scene, t, scene.backdrop.motion.pose(t).local(xs, ys))
    for thing in scene.things:
        pose = thing.motion.pose(t)
        window = _window(pose, scene.size)
        points = pose.local(xs[:, window[1]], ys[window[0]])
        share = coverage(OUTLINES[thing.category](*points.uv), pose.radius)
        below = canvas[:, window[0], window[1]]
        below += (_painted(thing, scene, t, points) - below) * share >> 8
    return np.ascontiguousarray(_lit(canvas, scene.light, t).transpose(1, 2, 0))


def _painted(thing: Thing, scene: Scene, t: int, points: Local) -> Words:
    """Return the colours [3, ...] of a thing in frame t: one face, or on the way to the other."""
    turned = min(max(thing.turn.at(t), 0), 256)
    if thing.back is None or turned == 0:
        return paint(thing.surface, scene.noise, points)
    behind = paint(thing.back, scene.noise, points)
    if turned == 256:
        return behind
    before = paint(thing.surface, scene.noise, points)
    return before + ((behind - before) * turned >> 8)


def render_instance(scene: Scene, t: int) -> NDArray[np.uint8]:
    """Return the ids [H, W] of frame t: 0 the backdrop, k the k-th thing of the scene."""
    xs, ys = _centres(scene.size)
    ids = np.zeros(scene.size, np.uint8)
    for k, thing in enumerate(scene.things, start=1):
        pose = thing.motion.pose(t)
        window = _window(pose, scene.size)
        ids[window][_inside(thing, pose, xs[:, window[1]], ys[window[0]])] = k
    return ids


def render_semantic(scene: Scene, t: int) -> NDArray[np.uint8]:
    """Return the semantic ids [H, W] of frame t."""
    ids = [body.semantic for body in (scene.backdrop, *scene.things)]
    return np.array(ids, np.uint8)[render_instance(scene, t)]


def render_flow(scene: Scene, t: int) -> Flow:
    """Return the motion [H, W, 2] (x, y) in pixels from frame t to t + 1 of the surface point
    seen at each pixel's centre; NaN where it is then outside the frame or behind something."""
    ids = render_instance(scene, t)
    flow = np.full((*scene.size, 2), np.nan, np.float32)
    for k, body in enumerate((scene.backdrop, *scene.things)):
        rows, cols = np.nonzero(ids == k)
        xs, ys = cols * ONE + ONE // 2, rows * ONE + ONE // 2
        dx, dy = body.motion.pose(t).carry(body.motion.pose(t + 1), xs, ys)
        seen = _visible(scene, k, t + 1, xs + dx, ys + dy)
        # |displacement| < 2**24: the division is exact in float32
        moved = np.stack([dx[seen], dy[seen]], axis=1).astype(np.float32) / np.float32(ONE)
        flow[rows[seen], cols[seen]] = moved
    return flow


def render_depth(scene: Scene, t: int) -> Depth:
    """Return the distance [H, W] of what is seen at each pixel's centre, exact in float32."""
    distances = [body.distance for body in (scene.backdrop, *scene.things)]
    table = np.array(distances, np.float32) / np.float32(ONE)
    depth: Depth = table[render_instance(scene, t)]
    return depth


def _centres(size: Size) -> tuple[Ints, Ints]:
    """Pixel centres, Q16: x [1, W] and y [H, 1]."""
    xs, ys = (np.arange(length, dtype=np.int64) * ONE + ONE // 2 for length in reversed(size))
    return xs[None], ys[:, None]


def _window(pose: Pose, size: Size) -> Window:
    """The part of the frame that a thing can touch, maybe empty."""
    reach = (pose.radius * REACH >> 16) + ONE

    def span(centre: int, length: int) -> slice:
        low, high = (centre - reach) >> 16, (centre + reach) >> 16
        return slice(min(max(low, 0), length), min(max(high + 1, 0), length))

    return span(pose.y, size[0]), span(pose.x, size[1])


def _inside(thing: Thing, pose: Pose, xs: Ints, ys: Ints) -> NDArray[np.bool_]:
    return OUTLINES[thing.category](*pose.local(xs, ys).uv) < 0


def _visible(scene: Scene, k: int, t: int, xs: Ints, ys: Ints) -> NDArray[np.bool_]:
    """Whether points of the body k are in the frame at t with no later thing before them."""
    height, width = scene.size
    seen = (xs >= 0) & (xs < width * ONE) & (ys >= 0) & (ys < height * ONE)
    for thing in scene.things[k:]:
        pose = thing.motion.pose(t)
        reach = pose.radius * REACH >> 16
        near = np.flatnonzero((np.abs(xs - pose.x) <= reach) & (np.abs(ys - pose.y) <= reach))
        seen[near] &= ~_inside(thing, pose, xs[near], ys[near])
    return seen


def _lit(canvas: Words, light: Light, t: int) -> NDArray[np.uint8]:
    """Put light on colours [3, H, W], which are changed."""
    _, height, width = canvas.shape
    xs, ys = _centres((height, width))
    reach = min(height, width) * ONE // 2
    slope, heading = light.slope.at(t), light.heading.at(t)
    to_right = (xs - width * ONE // 2) * (slope * cosine(heading) >> 30) // reach
    to_bottom = (ys - height * ONE // 2) * (slope * sine(heading) >> 30) // reach
    gain = (light.gain.at(t) + to_right + to_bottom).astype(np.int32)
    for plane, tint in zip(canvas, light.tint, strict=True):
        plane *= gain * tint.at(t) >> 12
        plane >>= 12
        plane += light.offset.at(t)
    return np.clip(canvas, 0, 255).astype(np.uint8)
