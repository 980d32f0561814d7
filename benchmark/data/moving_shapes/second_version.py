"""Version 2: what is in a clip, drawn from a seed.

A category is a pair of faces, two patterns that have nothing in common, and an outline. In a clip
every thing turns from one of its category's faces to the other; colours are drawn anew for every
face, and light and tint drift. So nothing in a frame says that the two faces are one category:
who follows the thing finds out. The ground turns into another ground likewise. How long the clip
is, is not known here: a longer clip begins with the frames of a shorter one.
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
from tvseg_bench.benchmark.data.moving_shapes.texture import Colour, Surface, colour, pattern_axes
from tvseg_bench.benchmark.data.moving_shapes.vocabulary import FACES

HUE = 200
"""Of 1536: how far the hue of a face may be from that of its thing."""
BREADTHS = {1: (146, 340), 2: (120, 220), 3: (100, 170)}
MANY = (89, 140)
"""Number of things -> (their size in percent, how far from the rim in thousandths): few fill as
much of the frame as many."""
BACKDROP_DISTANCE = 8 * ONE
"""Of the ground from the camera; things stand between 1 and 7."""


def draw_scene(
    seed: int,
    size: Size,
    categories: Sequence[str],
    textures: Collection[str],
    backgrounds: Sequence[str],
    things: tuple[int, int],
) -> Scene:
    """Draw the scene of one clip: things of 2 to 4 of the categories given.

    In about a quarter of the clips one of them leaves the frame and comes back some six frames
    later.
    """
    draws = Draws(seed)
    table = draws.table(NOISE_SIZE, NOISE_SIZE)
    light = _draw_light(draws)
    count = draws.between(*things)
    breadth, rim = BREADTHS.get(count, MANY)
    visitor = draws.between(-8, count - 1) if count > 1 else -1
    kinds = draws.sample(categories, min(draws.between(2, 4), count, len(categories)))
    kinds = [kinds[k % len(kinds)] for k in range(count)]
    backdrop = _draw_backdrop(draws, size, backgrounds)
    taken: list[tuple[int, int]] = []
    drawn = []
    for k, kind in enumerate(draws.sample(kinds, count)):
        # the first is the farthest; each has its own slab of the way to the camera
        distance = 7 * ONE - (6 * ONE * k + draws.below(4 * ONE)) // count
        if k == visitor:
            path = motion.visit(
                draws, size, _draw_radius(draws, size, distance, breadth), (12, 16)
            )
        else:
            place = motion.roomiest(draws, size, taken, 6, (rim, 1000 - rim), (rim, 1000 - rim))
            radius = _draw_radius(draws, size, distance, breadth)
            path = motion.path_around(draws, size, place, radius, (8, 26))
        drawn.append(_draw_thing(draws, kind, path, distance, textures))
    return Scene(size, backdrop, tuple(drawn), light, table)


def _draw_radius(draws: Draws, size: Size, distance: int, breadth: int) -> int:
    """Nearer things look larger: by two thirds from the farthest to the nearest."""
    near = draws.between(420, 540) * (11 * ONE - distance) // (9 * ONE)
    return motion.share(size, near * breadth // 100)


def _draw_turn(draws: Draws) -> Wave:
    """There and back in 18 to 22 frames, slowly enough to be followed."""
    return Wave(128, 132, TURN // draws.between(18, 22), draws.below(TURN))


def _draw_thing(
    draws: Draws, category: str, path: ObjectPath, distance: int, textures: Collection[str]
) -> Thing:
    """A thing and its faces; one of the two colours of each is near the hue of the thing."""
    hue, value = draws.below(1536), draws.between(90, 200)
    faces = [
        _draw_surface(draws, name, (230, 360), hue + draws.between(-HUE, HUE), value)
        for name in FACES[category]
        if name in textures
    ]
    back = faces[1] if len(faces) > 1 else None
    return Thing(category, path, faces[0], back, _draw_turn(draws), distance)


def _draw_surface(
    draws: Draws, pattern: str, density: tuple[int, int], hue: int, value: int
) -> Surface:
    """A pattern of so many hundredths of periods per radius, in two colours."""
    return Surface(
        pattern=pattern,
        along=pattern_axes(draws.below(TURN), draws.between(*density)),
        shift=(draws.below(NOISE_SIZE * ONE), draws.below(NOISE_SIZE * ONE)),
        colours=_draw_colours(draws, hue, value),
        grain=draws.between(20, 50),
        grain_rate=draws.between(7, 12) * ONE,
    )


def _draw_colours(draws: Draws, hue: int, value: int) -> tuple[Colour, Colour]:
    """Two colours, the second up to a quarter of the circle away and brighter or darker."""
    second = value - 60 if value > 140 else value + 60
    return (
        colour(hue, draws.between(60, 170), value),
        colour(hue + draws.between(-380, 380), draws.between(60, 170), second),
    )


def _draw_backdrop(draws: Draws, size: Size, backgrounds: Sequence[str]) -> Thing:
    """The ground, which turns into another, coarser than things are."""
    hue, value = draws.below(1536), draws.between(90, 200)
    patterns = draws.sample(backgrounds, min(2, len(backgrounds)))
    grounds = [
        _draw_surface(draws, name, (80, 130), hue + draws.between(-HUE, HUE), value)
        for name in patterns
    ]
    return Thing(
        category="background",
        motion=motion.camera(draws, size),
        surface=grounds[0],
        back=grounds[1] if len(grounds) > 1 else None,
        turn=_draw_turn(draws),
        distance=BACKDROP_DISTANCE,
    )


def _draw_light(draws: Draws) -> Light:
    """Light and tint that swell and fade, nearly the same all over the frame."""
    return Light(
        gain=motion.swing_by(draws, draws.between(3500, 4200), draws.between(300, 700)),
        slope=motion.swing_by(draws, 0, draws.between(0, 200)),
        heading=Wave(draws.below(TURN)),
        offset=motion.swing_by(draws, draws.between(-8, 12), draws.between(0, 12)),
        tint=(_draw_tint(draws), _draw_tint(draws), _draw_tint(draws)),
    )


def _draw_tint(draws: Draws) -> Wave:
    return motion.swing_by(draws, draws.between(3750, 4300), draws.between(100, 350))
