"""Version 1: what is in a clip, drawn from a seed.

The things, their paths, their surfaces and the light. How long the clip is, is not known here: a
longer clip begins with the frames of a shorter one.
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
    backdrop = Thing("background", _draw_camera(draws, size), _draw_ground(draws, backgrounds))
    count = draws.between(3, 5)
    visitor = draws.between(-3, count - 1)
    kinds = draws.sample(categories, min(draws.between(2, 4), count, len(categories)))
    kinds = [kinds[k % len(kinds)] for k in range(count)]
    taken: list[tuple[int, int]] = []
    things = []
    for k, kind in enumerate(draws.sample(kinds, count)):
        motion = _draw_visit(draws, size) if k == visitor else _draw_path(draws, size, taken)
        things.append(Thing(kind, motion, _draw_cover(draws, kind, textures)))
    return Scene(size, backdrop, tuple(things), light, table)


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


def _draw_path(draws: Draws, size: Size, taken: list[tuple[int, int]]) -> ObjectPath:
    """A path in the frame, around the roomiest of a few places; notes it in `taken`."""

    def room(place: tuple[int, int]) -> int:
        return min(((place[0] - x) ** 2 + (place[1] - y) ** 2 for x, y in taken), default=0)

    height, width = size
    tries = [(draws.between(170, 830), draws.between(200, 800)) for _ in range(5)]
    x, y = max(((width * ONE * a // 1000, height * ONE * b // 1000) for a, b in tries), key=room)
    taken.append((x, y))
    radius = _share(size, draws.between(175, 270))
    return ObjectPath(
        x=_swing(draws, x, _share(size, draws.between(6, 36))),
        y=_swing(draws, y, _share(size, draws.between(6, 36))),
        radius=_swing_by(draws, radius, radius * draws.between(5, 18) // 100),
        angle=Wave(draws.below(TURN)),
        spin=draws.sign() * draws.below(TURN // 40),
    )


def _draw_visit(draws: Draws, size: Size) -> ObjectPath:
    """A path that leaves the frame over one side and comes back some ten frames later."""
    height, width = size
    radius = _share(size, draws.between(170, 210))
    far = draws.below(2)
    across = draws.below(2)
    edge = (height if across else width) * ONE * far
    start = -TURN * draws.between(0, 24) // 100
    out = radius * 27 // 20 * (2 * far - 1)
    leave = Wave(edge, out, TURN // draws.between(14, 18), start)
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
        gain=_swing_by(draws, draws.between(3600, 4300), draws.between(200, 600)),
        slope=_swing_by(draws, draws.between(200, 700), draws.between(100, 400)),
        heading=_swing_by(draws, draws.below(TURN), draws.between(TURN // 16, TURN // 6)),
        offset=_swing_by(draws, draws.between(-8, 12), draws.between(0, 10)),
        tint=(
            Wave(draws.between(3850, 4350)),
            Wave(draws.between(3850, 4350)),
            Wave(draws.between(3850, 4350)),
        ),
    )
