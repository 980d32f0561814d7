"""The vocabulary of moving-shapes, and which part of it training never sees."""

from __future__ import annotations

CATEGORY_LOOKS: dict[str, tuple[int, tuple[str, str]]] = {
    "disc": (0, ("dots", "rounds")),
    "square": (3, ("checker", "gingham")),
    "triangle": (6, ("stripes", "ribbons")),
    "star": (1, ("zigzag", "waves")),
    "ring": (4, ("bricks", "blocks")),
    "cross": (7, ("lattice", "mesh")),
    "crescent": (2, ("blotches", "veins")),
    "hexagon": (5, ("scales", "ramps")),
}
"""Category -> (middle of its hues in eighths of the circle, its family of two textures).

Hues spread over more than a third of the circle around the middle, so that they hint at a
category but do not determine it; the texture family, or the outline, does."""

FACES: dict[str, tuple[str, str]] = {
    "disc": ("dots", "stripes"),
    "square": ("checker", "blotches"),
    "triangle": ("lattice", "scales"),
    "star": ("zigzag", "rounds"),
    "ring": ("bricks", "waves"),
    "cross": ("gingham", "veins"),
    "crescent": ("ramps", "blocks"),
    "hexagon": ("mesh", "ribbons"),
}
"""Category -> its two faces in version 2; each pattern is one category's."""

CATEGORIES = tuple(CATEGORY_LOOKS)
"""Semantic ids 1..8, in this order; 0 is the background."""

TEXTURES = tuple(name for _, family in CATEGORY_LOOKS.values() for name in family)
BACKGROUNDS = ("clouds", "planks", "ripples", "pebbles")

HELD_OUT_CATEGORIES = ("ring", "crescent")
"""Categories that no training clip shows."""
HELD_OUT_TEXTURES = ("rounds", "ribbons", "mesh")
"""Textures that no training clip shows; their categories have the other one."""
HELD_OUT_BACKGROUNDS = ("pebbles",)
"""Backgrounds that no training clip shows."""


def _without(names: tuple[str, ...], held_out: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names that are not held out, in their order.

    Example:
        >>> _without(BACKGROUNDS, HELD_OUT_BACKGROUNDS)
        ('clouds', 'planks', 'ripples')
    """
    return tuple(name for name in names if name not in held_out)


SEEN_CATEGORIES = _without(CATEGORIES, HELD_OUT_CATEGORIES)
SEEN_TEXTURES = _without(TEXTURES, HELD_OUT_TEXTURES)
SEEN_BACKGROUNDS = _without(BACKGROUNDS, HELD_OUT_BACKGROUNDS)
