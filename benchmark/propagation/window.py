"""Tiles of a patch grid, and what a window around each of their patches reaches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor

Window = Literal["square", "circle", "none"]
WINDOWS: tuple[str, ...] = get_args(Window)

Region: TypeAlias = tuple[int, int, int, int]
"""First row, row after the last, first column, column after the last."""

TILE_SIDE = 10
"""Patches; measured at 60 × 107 patches and radius 12. Smaller tiles are compared with fewer
patches outside the window, but their surroundings are gathered more often."""


@dataclass(frozen=True, eq=False)
class Tile:
    """A part of the grid and the part that the windows of its patches reach together."""

    target: Region
    reached: Region
    outside: Tensor | None
    """[n, n_reached] where a patch is outside the window of a target; None where none is."""

    @property
    def slices(self) -> tuple[slice, slice]:
        """The target's rows and columns."""
        top, bottom, left, right = self.target
        return slice(top, bottom), slice(left, right)

    @property
    def n(self) -> int:
        """Patches of the target."""
        return _count(self.target)

    @property
    def n_reached(self) -> int:
        """Patches that are reached."""
        return _count(self.reached)


def tiles(h: int, w: int, window: Window, radius: int, device: torch.device) -> list[Tile]:
    """Cut a grid [h, w] into tiles, row by row.

    Example:
        >>> [tile.reached for tile in tiles(10, 30, "square", 3, torch.device("cpu"))]
        [(0, 10, 0, 13), (0, 10, 7, 23), (0, 10, 17, 30)]
    """
    masks: dict[tuple[Region, Region], Tensor | None] = {}
    found = []
    for top, bottom in _spans(h):
        for left, right in _spans(w):
            target = (top, bottom, left, right)
            reached = (0, h, 0, w)
            if window != "none":
                rows = max(0, top - radius), min(h, bottom + radius)
                reached = (*rows, max(0, left - radius), min(w, right + radius))
            alike = _moved(target, top, left), _moved(reached, top, left)
            if alike not in masks:
                masks[alike] = _outside(target, reached, window, radius, device)
            found.append(Tile(target, reached, masks[alike]))
    return found


def _outside(
    target: Region, reached: Region, window: Window, radius: int, device: torch.device
) -> Tensor | None:
    """Return [n, n_reached] where a patch is outside a target's window, None where none is."""
    if window == "none":
        return None
    down = _differences(target[:2], reached[:2], device)[:, None, :, None]
    across = _differences(target[2:], reached[2:], device)[None, :, None, :]
    if window == "circle":
        outside = down**2 + across**2 > radius**2
    else:
        outside = (down.abs() > radius) | (across.abs() > radius)
    return outside.reshape(_count(target), _count(reached)) if bool(outside.any()) else None


def _differences(first: tuple[int, int], second: tuple[int, int], device: torch.device) -> Tensor:
    """Return [a, b] places of the first span minus places of the second."""
    return torch.arange(*first, device=device)[:, None] - torch.arange(*second, device=device)


def _spans(length: int) -> list[tuple[int, int]]:
    return [(i, min(i + TILE_SIDE, length)) for i in range(0, length, TILE_SIDE)]


def _moved(region: Region, top: int, left: int) -> Region:
    return region[0] - top, region[1] - top, region[2] - left, region[3] - left


def _count(region: Region) -> int:
    return (region[1] - region[0]) * (region[3] - region[2])
