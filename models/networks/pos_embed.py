"""Positional embeddings on another grid than they were trained on: two published conventions.

They agree on the native grid and differ on every other one, most when the grid shrinks, so the
family stands on each model's card (`pos_interp`).
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from tvseg_bench.benchmark.errors import ModelError

PosInterp = Literal["dino", "timm"]
"""dino: bicubic, not antialiased, the scale factor being (n + 0.1) / M (facebookresearch/dino
vision_transformer.py, and the hub models of DINOv2 without registers). timm: bicubic,
antialiased, by size (timm.layers.resample_abs_pos_embed, and DINOv2 with registers)."""

FAMILIES: tuple[str, ...] = get_args(PosInterp)

_DINO_OFFSET = 0.1


def interpolate_pos_embed(
    table: Tensor, grid: tuple[int, int], *, native: tuple[int, int], prefix: int, family: str
) -> Tensor:
    """Interpolate a table of positional embeddings to another grid.

    Args:
        table: [1, prefix + rows * cols, D] of the native grid, row-major after the prefix.
        grid: wanted (rows, cols).
        native: (rows, cols) of the table.
        prefix: entries before the patches (class token), which stay as they are.
        family: `dino` or `timm`.

    Returns:
        [1, prefix + grid[0] * grid[1], D], the table itself on the native grid.

    Raises:
        ModelError: if the family is unknown or the table does not hold the native grid.

    Example:
        >>> table = torch.arange(5.0).reshape(1, 5, 1)
        >>> wide = interpolate_pos_embed(table, (2, 4), native=(2, 2), prefix=1, family="dino")
        >>> wide.shape
        torch.Size([1, 9, 1])
    """
    if family not in FAMILIES:
        known = " or ".join(map(repr, FAMILIES))
        raise ModelError(f"unknown positional embedding family {family!r}; expected {known}")
    if table.shape[1] != prefix + native[0] * native[1]:
        raise ModelError(
            f"the positional embedding has {table.shape[1]} entries, expected {prefix} + "
            f"{native[0]} x {native[1]}"
        )
    if tuple(grid) == tuple(native):
        return table
    patches = table[:, prefix:].reshape(1, *native, -1).permute(0, 3, 1, 2).float()
    resize = _by_scale if family == "dino" else _by_size
    resized = resize(patches, grid).permute(0, 2, 3, 1).flatten(1, 2).to(table.dtype)
    return torch.cat([table[:, :prefix], resized], dim=1)


def _by_scale(patches: Tensor, grid: tuple[int, int]) -> Tensor:
    rows, cols = ((n + _DINO_OFFSET) / m for n, m in zip(grid, patches.shape[-2:], strict=True))
    return interpolate(patches, scale_factor=(rows, cols), mode="bicubic")


def _by_size(patches: Tensor, grid: tuple[int, int]) -> Tensor:
    return interpolate(patches, size=tuple(grid), mode="bicubic", antialias=True)
