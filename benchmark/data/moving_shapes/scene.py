"""What a clip is made of: things, their paths, their surfaces and the light.

A scene is a handful of whole numbers; `render` makes images of it. It does not know how
long the clip is: a longer clip begins with the frames of a shorter one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.data.moving_shapes.fixed_point import Wave
from tvseg_bench.benchmark.data.moving_shapes.outlines import Pose
from tvseg_bench.benchmark.data.moving_shapes.texture import Surface
from tvseg_bench.benchmark.data.moving_shapes.vocabulary import CATEGORIES

Size = tuple[int, int]
"""(height, width) in pixels."""

NOISE_SIZE = 64
STILL = Wave(0)


@dataclass(frozen=True)
class ObjectPath:
    """A curved path with turning, growing and shrinking, in Q16 pixels and angles."""

    x: Wave
    y: Wave
    radius: Wave
    angle: Wave
    spin: int = 0
    """Steady turning, angle per frame."""

    def pose(self, t: int) -> Pose:
        """Return where the body is in frame t."""
        angle = self.angle.at(t) + self.spin * t
        return Pose(self.x.at(t), self.y.at(t), angle, self.radius.at(t))


@dataclass(frozen=True)
class Thing:
    """An object, or the backdrop (category `background`, no outline)."""

    category: str
    motion: ObjectPath
    surface: Surface
    back: Surface | None = None
    """The other face of the same thing."""
    turn: Wave = STILL
    """How much of `back` is seen: 0 or less nothing, 256 or more nothing else."""
    distance: int = 0
    """From the camera, Q16; 0 where the version has no depth."""

    @property
    def semantic(self) -> int:
        """Return the semantic id, 0 for the backdrop."""
        return CATEGORIES.index(self.category) + 1 if self.category in CATEGORIES else 0


@dataclass(frozen=True)
class Light:
    """gain + slope along a heading, times a tint, plus an offset."""

    gain: Wave
    """Q12."""
    slope: Wave
    """Q12, gained from the centre of the frame to half a short side away."""
    heading: Wave
    """Angle in which the frame gets brighter."""
    offset: Wave
    """Levels of 255."""
    tint: tuple[Wave, Wave, Wave]
    """Q12 factors of red, green and blue."""


@dataclass(frozen=True)
class Scene:
    """Everything a frame is made of; the last of the things stands in front."""

    size: Size
    backdrop: Thing
    things: tuple[Thing, ...]
    light: Light
    noise: NDArray[np.int32] = field(compare=False)
