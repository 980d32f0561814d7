"""Random views of images for image pre-training, as tensors: crops, mirroring and colours.

Every draw depends on a seed, the image's name and frame, and the step alone: not on the batch, on
the number of processes, or on what was drawn before, so a resumed or a divided run sees the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

import torch
from torch import Tensor
from torch.nn import functional

N_DRAWS = 16
"""Uniform numbers that a view is made of."""

_GREY = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in brightness (ITU-R BT.601)."""


@dataclass(frozen=True, kw_only=True)
class ViewVariation:
    """How much views may differ."""

    zoom: tuple[float, float] = (0.75, 1.33)
    """Pixels of the image per pixel of a view."""
    gain: float = 0.3
    """Contrast is multiplied by 1 ± this."""
    offset: float = 0.4
    """Brightness is shifted by up to this, in standard deviations of the normalisation."""
    tint: float = 0.1
    """Every channel is multiplied by 1 ± this."""
    slope: float = 0.3
    """Brightness rises by up to this, in standard deviations, from the middle to an edge."""
    hue: float = 0.1
    """Colours are turned by up to this part of the circle."""
    grey: float = 0.1
    """Share of views without colour."""


def draws(names: Sequence[str], seed: int, step: int, view: int) -> Tensor:
    """Return [N, N_DRAWS] uniform numbers for a view of each named image.

    Example:
        >>> a = draws(["x", "y"], seed=0, step=3, view=1)
        >>> bool((a[1] == draws(["y"], seed=0, step=3, view=1)[0]).all())
        True
    """
    rows = []
    for name in names:
        generator = torch.Generator().manual_seed(crc32(f"{seed}/{step}/{view}/{name}".encode()))
        rows.append(torch.rand(N_DRAWS, generator=generator))
    return torch.stack(rows)


def placements(u: Tensor, image: tuple[int, int], view: int, zoom: tuple[float, float]) -> Tensor:
    """Return [N, 2, 3] affine maps from a square view's coordinates to the image's, both -1..1.

    The view shows a window inside the image, as large as the zoom asks for and the image allows;
    half of the views are mirrored.

    Args:
        u: [N, N_DRAWS] of 0..1.
        image: (height, width) in pixels.
        view: side in pixels.
        zoom: pixels of the image per pixel of the view, least and most.
    """
    height, width = image
    scale = zoom[0] * (zoom[1] / zoom[0]) ** u[:, 0]
    side = (view * scale).clamp(max=min(height, width))
    half = torch.stack([side / width, side / height], dim=1)
    centre = (1 - half) * (2 * u[:, 1:3] - 1)
    mirror = torch.where(u[:, 3] < 0.5, -1.0, 1.0)
    maps = torch.zeros(len(u), 2, 3)
    maps[:, 0, 0] = half[:, 0] * mirror
    maps[:, 1, 1] = half[:, 1]
    maps[:, :, 2] = centre
    return maps


def cut(images: Tensor, maps: Tensor, side: int) -> Tensor:
    """Return the views [N, 3, side, side] that `placements` describe, bilinear."""
    size = [len(images), images.shape[1], side, side]
    grid = functional.affine_grid(maps.to(images), size, align_corners=False)
    return functional.grid_sample(
        images, grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )


def relight(images: Tensor, u: Tensor, variation: ViewVariation) -> Tensor:
    """Return images [N, 3, H, W] with other contrast, light, tint and hue, or grey.

    All of it is an affine map of the normalised channels: quick, and the same on every device.

    Args:
        images: normalised, so that 0 is a middling colour.
        u: [N, N_DRAWS] of 0..1.
    """
    centred = 2 * u - 1
    gain = (1 + variation.gain * centred[:, 4, None]) * (1 + variation.tint * centred[:, 5:8])
    turned = _hue(torch.pi * 2 * variation.hue * centred[:, 8])
    grey = torch.tensor(_GREY).expand(3, 3)
    mixed = torch.where(u[:, 9, None, None] < variation.grey, grey @ turned, turned)
    matrix = (gain[:, :, None] * mixed).to(images)
    lit = torch.einsum("nij,njhw->nihw", matrix, images)
    return lit + _shade(u, images, variation)[:, None]


def drawn_view(
    images: Tensor,
    names: Sequence[str],
    side: int,
    variation: ViewVariation,
    *,
    seed: int,
    step: int,
    view: int,
) -> tuple[Tensor, Tensor]:
    """Return where a view of each image looks [N, 2, 3], and its pixels [N, 3, side, side].

    Args:
        images: [N, 3, H, W], normalised.
        names: of the images, on which the draws depend.
        side: of the views, in pixels.
        view: its number among the views of a step.
    """
    u = draws(names, seed, step, view)
    maps = placements(u, (images.shape[-2], images.shape[-1]), side, variation.zoom)
    with torch.autocast(images.device.type, enabled=False):
        return maps, relight(cut(images, maps, side), u, variation)


def _shade(u: Tensor, images: Tensor, variation: ViewVariation) -> Tensor:
    """Return [N, H, W] what is added: an offset, and a slope in some direction."""
    ys, xs = (torch.linspace(-1, 1, n).to(images) for n in images.shape[-2:])
    angle = 2 * torch.pi * u[:, 11]
    across = (variation.slope * u[:, 12] * angle.cos()).to(images)[:, None, None] * xs
    down = (variation.slope * u[:, 12] * angle.sin()).to(images)[:, None, None] * ys[:, None]
    offset: Tensor = (variation.offset * (2 * u[:, 10] - 1)).to(images)[:, None, None]
    return offset + across + down


def _hue(angle: Tensor) -> Tensor:
    """Return [N, 3, 3] rotations of RGB about its grey axis by angles [N] (Rodrigues)."""
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    mean = torch.full((3, 3), 1 / 3)
    cross = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / 3**0.5
    return cos * torch.eye(3) + sin * cross + (1 - cos) * mean


def correspond(here: Tensor, there: Tensor, grid: int) -> tuple[Tensor, Tensor]:
    """Return where the patch centres of one view lie in another.

    Args:
        here: [N, 2, 3] placements of the view whose patches are asked for.
        there: [N, 2, 3] placements of the other.
        grid: patches along a side of the first.

    Returns:
        Positions [N, grid, grid, 2] as (x, y) in the other's -1..1, and [N, grid, grid] whether
        they are inside it.
    """
    size = [len(here), 1, grid, grid]
    points = functional.affine_grid(here, size, align_corners=False)  # in the image
    diagonal = torch.stack([there[:, 0, 0], there[:, 1, 1]], dim=1)
    found = (points - there[:, None, None, :, 2]) / diagonal[:, None, None]
    return found, (found.abs() <= 1).all(-1)
