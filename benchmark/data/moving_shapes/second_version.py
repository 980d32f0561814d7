"""Version 2: what is in a clip, drawn from a seed.

A category is a pair of faces, two patterns that have nothing in common, and an outline. In a clip
every thing turns from one of its category's faces to the other; colours are drawn anew for every
face, and light and tint drift. So nothing in a frame says that the two faces are one category:
who follows the thing finds out. The ground turns into another ground likewise. How long the clip
is, is not known here: a longer clip begins with the frames of a shorter one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

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
    things: tuple[int, int] = (2, 4),
) -> Scene:
    """Draw the scene of one clip: 2 to 4 things of as many of the categories given.

    In about a third of the clips one of them leaves the frame and comes back.
    """
    draws = Draws(seed)
    table = draws.table(NOISE_SIZE, NOISE_SIZE)
    light = _draw_light(draws)
    count = draws.between(*things)
    breadth = BREADTHS.get(count, MANY)
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
            motion = _draw_visit(draws, size, distance, breadth)
        else:
            motion = _draw_path(draws, size, distance, breadth, taken)
        drawn.append(_draw_thing(draws, kind, motion, distance, textures))
    return Scene(size, backdrop, tuple(drawn), light, table)


# ----------------------------------------------------------------------------- motion


def _share(size: Size, thousandths: int) -> int:
    """A part of the short side, Q16 pixels."""
    return min(size) * ONE * thousandths // 1000


def _swing(draws: Draws, centre: int, speed: int) -> Wave:
    """A wave of 16 to 40 frames that moves `speed` per frame where it is fastest."""
    period = draws.between(16, 40)
    amplitude = speed * period * 10430 >> 16  # 10430 / 65536 = 1 / 2π
    return Wave(centre, amplitude, TURN // period, draws.below(TURN))


def _swing_by(draws: Draws, centre: int, amplitude: int) -> Wave:
    return Wave(centre, amplitude, TURN // draws.between(16, 40), draws.below(TURN))


def _draw_radius(draws: Draws, size: Size, distance: int, breadth: tuple[int, int]) -> int:
    """Nearer things look larger: by two thirds from the farthest to the nearest."""
    near = draws.between(420, 540) * (11 * ONE - distance) // (9 * ONE)
    return _share(size, near * breadth[0] // 100)


def _draw_path(
    draws: Draws, size: Size, distance: int, breadth: tuple[int, int], taken: list[tuple[int, int]]
) -> ObjectPath:
    """A path in the frame, around the roomiest of a few places; notes it in `taken`."""

    def room(place: tuple[int, int]) -> int:
        return min(((place[0] - x) ** 2 + (place[1] - y) ** 2 for x, y in taken), default=0)

    height, width = size
    # the larger a thing, the nearer to the middle
    _, rim = breadth
    tries = [(draws.between(rim, 1000 - rim), draws.between(rim, 1000 - rim)) for _ in range(6)]
    x, y = max(((width * ONE * a // 1000, height * ONE * b // 1000) for a, b in tries), key=room)
    taken.append((x, y))
    radius = _draw_radius(draws, size, distance, breadth)
    return ObjectPath(
        x=_swing(draws, x, _share(size, draws.between(8, 26))),
        y=_swing(draws, y, _share(size, draws.between(8, 26))),
        radius=_swing_by(draws, radius, radius * draws.between(5, 18) // 100),
        angle=Wave(draws.below(TURN)),
        spin=draws.sign() * draws.below(TURN // 40),
    )


def _draw_visit(draws: Draws, size: Size, distance: int, breadth: tuple[int, int]) -> ObjectPath:
    """A path that leaves the frame over one side and comes back some six frames later."""
    height, width = size
    radius = _draw_radius(draws, size, distance, breadth)
    far = draws.below(2)
    across = draws.below(2)
    edge = (height if across else width) * ONE * far
    start = -TURN * draws.between(0, 24) // 100
    out = radius * 27 // 20 * (2 * far - 1)
    leave = Wave(edge, out, TURN // draws.between(12, 16), start)
    middle = (width if across else height) * ONE * draws.between(250, 750) // 1000
    along = _swing(draws, middle, _share(size, draws.between(6, 24)))
    return ObjectPath(
        x=along if across else leave,
        y=leave if across else along,
        radius=Wave(radius),
        angle=Wave(draws.below(TURN)),
        spin=draws.sign() * draws.below(TURN // 40),
    )


def _draw_camera(draws: Draws, size: Size) -> ObjectPath:
    """A slow pan, zoom and roll of the backdrop; its radius is a fifth of the short side."""
    height, width = size
    unit = _share(size, 200)
    return ObjectPath(
        x=_swing(draws, width * ONE // 2, _share(size, draws.between(2, 12))),
        y=_swing(draws, height * ONE // 2, _share(size, draws.between(2, 12))),
        radius=_swing_by(draws, unit, unit * draws.between(2, 8) // 100),
        angle=_swing(draws, draws.below(TURN), draws.below(TURN // 200)),
    )


# --------------------------------------------------------------------- looks and light


def _draw_turn(draws: Draws) -> Wave:
    """There and back in 18 to 22 frames, slowly enough to be followed."""
    return Wave(128, 132, TURN // draws.between(18, 22), draws.below(TURN))


def _draw_thing(
    draws: Draws, category: str, motion: ObjectPath, distance: int, textures: Collection[str]
) -> Thing:
    """A thing and its faces; one of the two colours of each is near the hue of the thing."""
    hue, value = draws.below(1536), draws.between(90, 200)
    faces = [
        _draw_cover(draws, name, hue + draws.between(-HUE, HUE), value)
        for name in FACES[category]
        if name in textures
    ]
    back = faces[1] if len(faces) > 1 else None
    return Thing(category, motion, faces[0], back, _draw_turn(draws), distance)


def _draw_cover(draws: Draws, pattern: str, hue: int, value: int) -> Surface:
    return Surface(
        pattern=pattern,
        along=pattern_axes(draws.below(TURN), draws.between(230, 360)),
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
    grounds = [_draw_ground(draws, p, hue + draws.between(-HUE, HUE), value) for p in patterns]
    return Thing(
        category="background",
        motion=_draw_camera(draws, size),
        surface=grounds[0],
        back=grounds[1] if len(grounds) > 1 else None,
        turn=_draw_turn(draws),
        distance=BACKDROP_DISTANCE,
    )


def _draw_ground(draws: Draws, pattern: str, hue: int, value: int) -> Surface:
    return Surface(
        pattern=pattern,
        along=pattern_axes(draws.below(TURN), draws.between(80, 130)),
        shift=(draws.below(NOISE_SIZE * ONE), draws.below(NOISE_SIZE * ONE)),
        colours=_draw_colours(draws, hue, value),
        grain=draws.between(20, 50),
        grain_rate=draws.between(7, 12) * ONE,
    )


def _draw_light(draws: Draws) -> Light:
    """Light and tint that swell and fade, nearly the same all over the frame."""
    return Light(
        gain=_swing_by(draws, draws.between(3500, 4200), draws.between(300, 700)),
        slope=_swing_by(draws, 0, draws.between(0, 200)),
        heading=Wave(draws.below(TURN), 0, 0, 0),
        offset=_swing_by(draws, draws.between(-8, 12), draws.between(0, 12)),
        tint=(_draw_tint(draws), _draw_tint(draws), _draw_tint(draws)),
    )


def _draw_tint(draws: Draws) -> Wave:
    return _swing_by(draws, draws.between(3750, 4300), draws.between(100, 350))
