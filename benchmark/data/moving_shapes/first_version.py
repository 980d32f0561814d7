"""Version 1: what is in a clip, drawn from a seed.

The things, their paths, their surfaces and the light. How long the clip is, is not known here: a
longer clip begins with the frames of a shorter one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tvseg_bench.benchmark.data.moving_shapes import motion
from tvseg_bench.benchmark.data.moving_shapes.fixed_point import ONE, TURN, Draws, Wave
from tvseg_bench.benchmark.data.moving_shapes.scene import (
    NOISE_SIZE,
    Light,
    ObjectPath,
    Scene,
    Size,
    Thing,
)
from tvseg_bench.benchmark.data.moving_shapes.texture import Surface, colour, pattern_axes
from tvseg_bench.benchmark.data.moving_shapes.vocabulary import CATEGORY_LOOKS


def draw_scene(
    seed: int,
    size: Size,
    categories: Sequence[str],
    textures: Collection[str],
    backgrounds: Sequence[str],
) -> Scene:
    """Draw the scene of one clip: 3 to 5 things of 2 to 4 of the categories given.

    In more than half of the clips one of them leaves the frame and comes back.
    """
    draws = Draws(seed)
    table = draws.table(NOISE_SIZE, NOISE_SIZE)
    light = _draw_light(draws)
    backdrop = Thing("background", motion.camera(draws, size), _draw_ground(draws, backgrounds))
    count = draws.between(3, 5)
    visitor = draws.between(-3, count - 1)
    kinds = draws.sample(categories, min(draws.between(2, 4), count, len(categories)))
    kinds = [kinds[k % len(kinds)] for k in range(count)]
    taken: list[tuple[int, int]] = []
    things = []
    for k, kind in enumerate(draws.sample(kinds, count)):
        path = _draw_visit(draws, size) if k == visitor else _draw_path(draws, size, taken)
        things.append(Thing(kind, path, _draw_cover(draws, kind, textures)))
    return Scene(size, backdrop, tuple(things), light, table)


def _draw_path(draws: Draws, size: Size, taken: list[tuple[int, int]]) -> ObjectPath:
    """A path in the frame, around the roomiest of a few places; notes it in `taken`."""
    place = motion.roomiest(draws, size, taken, 5, (170, 830), (200, 800))
    radius = motion.share(size, draws.between(175, 270))
    return motion.path_around(draws, size, place, radius, (6, 36))


def _draw_visit(draws: Draws, size: Size) -> ObjectPath:
    """A path that leaves the frame and comes back some ten frames later."""
    return motion.visit(draws, size, motion.share(size, draws.between(170, 210)), (14, 18))


def _draw_cover(draws: Draws, category: str, textures: Collection[str]) -> Surface:
    """The surface of an object: one of its category's textures, hues around its category's."""
    eighth, own = CATEGORY_LOOKS[category]
    hue = eighth * 192 + draws.between(-280, 280)
    value = draws.between(105, 215)
    contrast = draws.between(70, 110)
    return Surface(
        pattern=draws.choice([name for name in own if name in textures]),
        along=pattern_axes(draws.below(TURN), draws.between(200, 330)),
        shift=(draws.below(NOISE_SIZE * ONE), draws.below(NOISE_SIZE * ONE)),
        colours=(
            colour(hue, draws.between(60, 190), value),
            colour(
                hue + draws.between(-120, 120),
                draws.between(40, 190),
                value - contrast if value > 145 else value + contrast,
            ),
        ),
        grain=draws.between(20, 50),
        grain_rate=draws.between(7, 12) * ONE,
    )


def _draw_ground(draws: Draws, backgrounds: Sequence[str]) -> Surface:
    """The surface of the backdrop: duller and coarser than objects are."""
    hue = draws.below(1536)
    value = draws.between(95, 170)
    contrast = draws.sign() * draws.between(25, 55)
    return Surface(
        pattern=draws.choice(backgrounds),
        along=pattern_axes(draws.below(TURN), draws.between(70, 130)),
        shift=(draws.below(NOISE_SIZE * ONE), draws.below(NOISE_SIZE * ONE)),
        colours=(
            colour(hue, draws.between(15, 90), value),
            colour(hue + draws.between(-200, 200), draws.between(15, 90), value + contrast),
        ),
        grain=draws.between(20, 50),
        grain_rate=draws.between(7, 12) * ONE,
    )


def _draw_light(draws: Draws) -> Light:
    """Light that swells and fades, with a gradient that swings about."""
    return Light(
        gain=motion.swing_by(draws, draws.between(3600, 4300), draws.between(200, 600)),
        slope=motion.swing_by(draws, draws.between(200, 700), draws.between(100, 400)),
        heading=motion.swing_by(draws, draws.below(TURN), draws.between(TURN // 16, TURN // 6)),
        offset=motion.swing_by(draws, draws.between(-8, 12), draws.between(0, 10)),
        tint=(
            Wave(draws.between(3850, 4350)),
            Wave(draws.between(3850, 4350)),
            Wave(draws.between(3850, 4350)),
        ),
    )
