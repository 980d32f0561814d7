"""Whole numbers only: sine, random draws and slow oscillations that are equal on every machine.

Units used by all modules of this folder: lengths are Q16 (`ONE` = one pixel, or one radius in an
object's own frame), angles are 1/65536 of a turn, sine and cosine are Q30 (`UNIT` = 1). Nothing
here touches floating point or a maths library, whose last bits differ between machines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")

ONE = 1 << 16
"""1 in Q16."""
TURN = 1 << 16
"""A full turn."""
UNIT = 1 << 30
"""1 in Q30."""

_TWO_PI_Q60 = 7244019458077122842


def sine(angle: int) -> int:
    """Return sin(2π · angle / TURN) in Q30, by its Taylor series in 60-bit fixed point.

    Example:
        >>> sine(0), sine(TURN // 4) == UNIT, sine(TURN // 12) == UNIT // 2
        (0, True, False)
        >>> sine(-TURN // 4) == -UNIT
        True
    """
    half, rest = divmod(angle % TURN, TURN // 2)
    x = min(rest, TURN // 2 - rest) * _TWO_PI_Q60 >> 16
    term = total = x
    for n in range(1, 12):
        term = -(term * x >> 60) * x // ((2 * n * (2 * n + 1)) << 60)
        total += term
    rounded = (total + (1 << 29)) >> 30
    return -rounded if half else rounded


def cosine(angle: int) -> int:
    """Return cos(2π · angle / TURN) in Q30.

    Example:
        >>> cosine(0) == UNIT, cosine(TURN // 4)
        (True, 0)
    """
    return sine(angle + TURN // 4)


class Draws:
    """Random choices made of raw PCG64 words alone.

    numpy promises the words for ever; it does not promise what `Generator` makes of them. The
    remainder of a 64-bit word is uneven by less than 1e-12 for every range used here.

    Example:
        >>> draws = Draws(0)
        >>> draws.between(3, 3), draws.choice("a"), len(draws.table(2, 3))
        (3, 'a', 2)
    """

    def __init__(self, seed: int) -> None:
        import numpy as np

        self._words = np.random.PCG64(seed)

    def below(self, n: int) -> int:
        """Return one of 0..n-1."""
        return int(self._words.random_raw()) % n

    def between(self, low: int, high: int) -> int:
        """Return one of low..high, both included."""
        return low + self.below(high - low + 1)

    def sign(self) -> int:
        """Return -1 or 1."""
        return 2 * self.below(2) - 1

    def choice(self, items: Sequence[T]) -> T:
        """Return one item."""
        return items[self.below(len(items))]

    def sample(self, items: Sequence[T], k: int) -> list[T]:
        """Return k different items in random order."""
        rest = list(items)
        return [rest.pop(self.below(len(rest))) for _ in range(k)]

    def table(self, rows: int, cols: int) -> NDArray[np.int32]:
        """Return a [rows, cols] table of 0..32767."""
        import numpy as np

        return (self._words.random_raw(rows * cols) >> 49).astype(np.int32).reshape(rows, cols)


@dataclass(frozen=True)
class Wave:
    """An integer that swings about its centre: centre + amplitude · sin(phase + rate · t).

    Example:
        >>> swing = Wave(100, 10, TURN // 4, 0)
        >>> [swing.at(t) for t in range(4)]
        [100, 110, 100, 90]
    """

    centre: int
    amplitude: int = 0
    rate: int = 0
    """Angle per frame."""
    phase: int = 0

    def at(self, t: int) -> int:
        """Return the value in frame t."""
        return self.centre + (self.amplitude * sine(self.phase + self.rate * t) >> 30)
