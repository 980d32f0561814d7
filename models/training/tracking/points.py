"""Features at points of a frame that lie anywhere, not at the centres of patches."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from tvseg_bench.benchmark.errors import UsageError, did_you_mean

Sampling = Literal["nearest", "bilinear", "latent"]
"""nearest, bilinear: as if the map had been upsampled so to the frame's size and read at the
nearest pixel; points outside the frame count as its border. latent: between patches, at the exact
place, as `LatentGrid` reads it."""

LatentGrid = Literal["centres", "sides", "corners", "stretched"]
"""Where pixel x of W lies on a map that reaches from -1 to 1. centres: 2 (x + ½) / W - 1, where
it really is. sides: 2 x / W - 1. corners: 2 x / (W - 1) - 1, and the centres of the corner patches
are at ±1. stretched: the same, and the outer sides of the corner patches are at ±1."""

Outside = Literal["border", "zeros"]
"""What lies outside the map where places are `latent`."""


def features_at(
    features: Tensor,
    points: Tensor,
    size: tuple[int, int],
    *,
    sampling: Sampling = "nearest",
    latent_grid: LatentGrid = "centres",
    outside: Outside = "border",
) -> Tensor:
    """Read features at points, with a gradient for the features.

    The map is never upsampled: what an upsampled one would hold at a pixel is computed there.

    Args:
        features: [N, h, w, D].
        points: [N, P, 2] (x, y) in pixels.
        size: (H, W) of the frames, pixels.

    Returns:
        [N, P, D].

    Raises:
        UsageError: An unknown sampling.

    Example:
        >>> features = torch.arange(4.0).view(1, 2, 2, 1)
        >>> points = torch.tensor([[[0.0, 0.0], [3.0, 0.0], [-9.0, 2.6]]])
        >>> features_at(features, points, (4, 4)).flatten().tolist()
        [0.0, 1.0, 2.0]
        >>> features_at(features, points, (4, 4), sampling="bilinear").flatten().tolist()
        [0.0, 1.0, 2.0]
    """
    if sampling not in get_args(Sampling):
        raise UsageError(did_you_mean("sampling", sampling, get_args(Sampling)))
    sides = points.new_tensor([size[1], size[0]])
    pixels = torch.minimum(points.round().clamp_min(0), sides - 1)
    if sampling == "nearest":
        return _nearest(features, pixels, size)
    if sampling == "bilinear":
        return _between(features, (2 * pixels + 1) / sides - 1, "border", corners=False)
    places = {
        "centres": (2 * points + 1) / sides - 1,
        "sides": 2 * points / sides - 1,
        "corners": 2 * points / (sides - 1) - 1,
        "stretched": 2 * points / (sides - 1) - 1,
    }[latent_grid]
    return _between(features, places, outside, corners=latent_grid == "corners")


def _nearest(features: Tensor, pixels: Tensor, size: tuple[int, int]) -> Tensor:
    _, h, w, dim = features.shape
    x, y = pixels.long().unbind(-1)
    index = (y * h // size[0]) * w + x * w // size[1]
    return features.flatten(1, 2).gather(1, index[..., None].expand(-1, -1, dim))


def _between(features: Tensor, places: Tensor, outside: str, *, corners: bool) -> Tensor:
    exact = torch.promote_types(features.dtype, torch.float32)
    maps = features.permute(0, 3, 1, 2).to(exact)
    grid = places[:, :, None].to(exact)
    found = grid_sample(maps, grid, padding_mode=outside, align_corners=corners)
    return found[..., 0].mT
