"""How things and the camera move, as both versions draw it: waves, paths, visits."""

from __future__ import annotations

from tvseg_bench.benchmark.data.moving_shapes.fixed_point import ONE, TURN, Draws, Wave
from tvseg_bench.benchmark.data.moving_shapes.scene import ObjectPath, Size


def share(size: Size, thousandths: int) -> int:
    """Return a part of the short side, Q16 pixels."""
    return min(size) * ONE * thousandths // 1000


def swing_by(draws: Draws, centre: int, amplitude: int) -> Wave:
    """Draw a wave of 16 to 40 frames."""
    return Wave(centre, amplitude, TURN // draws.between(16, 40), draws.below(TURN))


def _swing(draws: Draws, centre: int, speed: int) -> Wave:
    """A wave of 16 to 40 frames that moves `speed` per frame where it is fastest."""
    period = draws.between(16, 40)
    amplitude = speed * period * 10430 >> 16  # 10430 / 65536 = 1 / 2π
    return Wave(centre, amplitude, TURN // period, draws.below(TURN))


def roomiest(
    draws: Draws,
    size: Size,
    taken: list[tuple[int, int]],
    tries: int,
    across: tuple[int, int],
    down: tuple[int, int],
) -> tuple[int, int]:
    """Draw some places, and return the one that is farthest from all others; note it in `taken`.

    Args:
        across: thousandths of the width within which places lie.
        down: the same of the height.
    """

    def room(place: tuple[int, int]) -> int:
        return min(((place[0] - x) ** 2 + (place[1] - y) ** 2 for x, y in taken), default=0)

    height, width = size
    drawn = [(draws.between(*across), draws.between(*down)) for _ in range(tries)]
    places = [(width * ONE * a // 1000, height * ONE * b // 1000) for a, b in drawn]
    taken.append(max(places, key=room))
    return taken[-1]


def path_around(
    draws: Draws, size: Size, place: tuple[int, int], radius: int, speed: tuple[int, int]
) -> ObjectPath:
    """Draw a path around a place, with turning, growing and shrinking.

    Args:
        speed: thousandths of the short side per frame, least and most.
    """
    return ObjectPath(
        x=_swing(draws, place[0], share(size, draws.between(*speed))),
        y=_swing(draws, place[1], share(size, draws.between(*speed))),
        radius=swing_by(draws, radius, radius * draws.between(5, 18) // 100),
        angle=Wave(draws.below(TURN)),
        spin=draws.sign() * draws.below(TURN // 40),
    )


def visit(draws: Draws, size: Size, radius: int, period: tuple[int, int]) -> ObjectPath:
    """Draw a path that leaves the frame over one side and comes back.

    Args:
        period: frames from one return to the next, least and most.
    """
    height, width = size
    far = draws.below(2)
    across = draws.below(2)
    edge = (height if across else width) * ONE * far
    start = -TURN * draws.between(0, 24) // 100
    out = radius * 27 // 20 * (2 * far - 1)
    leave = Wave(edge, out, TURN // draws.between(*period), start)
    middle = (width if across else height) * ONE * draws.between(250, 750) // 1000
    along = _swing(draws, middle, share(size, draws.between(6, 24)))
    return ObjectPath(
        x=along if across else leave,
        y=leave if across else along,
        radius=Wave(radius),
        angle=Wave(draws.below(TURN)),
        spin=draws.sign() * draws.below(TURN // 40),
    )


def camera(draws: Draws, size: Size) -> ObjectPath:
    """Draw a slow pan, zoom and roll of the backdrop; its radius is a fifth of the short side."""
    height, width = size
    unit = share(size, 200)
    return ObjectPath(
        x=_swing(draws, width * ONE // 2, share(size, draws.between(2, 12))),
        y=_swing(draws, height * ONE // 2, share(size, draws.between(2, 12))),
        radius=swing_by(draws, unit, unit * draws.between(2, 8) // 100),
        angle=_swing(draws, draws.below(TURN), draws.below(TURN // 200)),
    )
