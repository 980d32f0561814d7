"""Points followed by their surroundings' brightness: pyramidal Lucas-Kanade, for whole batches.

From frame to frame a point's window is moved to where it differs least from the next frame, by
Gauss-Newton steps on the squared difference, from the coarsest level of a pyramid to the finest.
A point is visible where it is inside the frame and following it back leads to where it came from.

Source: B. Lucas and T. Kanade 1981; J.-Y. Bouguet 2000 (the pyramid).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample, pad

_LEAST_SIDE = 16
"""Pixels of the coarsest level, at least."""


@dataclass(frozen=True, kw_only=True)
class LucasKanade:
    """A `Tracker` without weights."""

    radius: int = 5
    """Of the window, in pixels of every level: (2 r + 1)² of them."""
    levels: int = 4
    """Of the pyramid, at most; each halves the sides."""
    steps: int = 8
    """Gauss-Newton steps per level."""
    furthest_return: float = 1.0
    """Pixels that a point may be off after it was followed forth and back."""

    @torch.no_grad()
    def track(self, clips: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Follow points [B, P, 2] of the first frames through clips [B, T, 3, H, W].

        Returns:
            tracks [B, T, P, 2] and visible [B, T, P]; a point that was lost stays lost.
        """
        pyramids = [self._pyramid(clips[:, t].float().mean(1)) for t in range(clips.shape[1])]
        sides = queries.new_tensor([clips.shape[-1], clips.shape[-2]])
        tracks = [queries.float()]
        visible = [torch.ones_like(queries[..., 0], dtype=torch.bool)]
        for before, after in pairwise(pyramids):
            there = self._moved(before, after, tracks[-1])
            back = self._moved(after, before, there)
            found = (back - tracks[-1]).norm(dim=-1) <= self.furthest_return
            inside = ((there > -0.5) & (there < sides - 0.5)).all(-1)
            tracks.append(torch.where(visible[-1][..., None], there, tracks[-1]))
            visible.append(visible[-1] & found & inside)
        return torch.stack(tracks, 1), torch.stack(visible, 1)

    def _pyramid(self, grey: Tensor) -> list[Tensor]:
        """Return the levels [B, h, w] of frames [B, H, W], the finest first."""
        levels = [grey]
        while len(levels) < self.levels and min(levels[-1].shape[1:]) >= 2 * _LEAST_SIDE:
            levels.append(avg_pool2d(levels[-1][:, None], 2)[:, 0])
        return levels

    def _moved(self, before: list[Tensor], after: list[Tensor], points: Tensor) -> Tensor:
        """Return where points [B, P, 2] of one frame are in another."""
        shift = torch.zeros_like(points)
        for level in reversed(range(len(before))):
            scale = 2.0**level
            places = (points + 0.5) / scale - 0.5
            shift = self._refined(before[level], after[level], places, shift / scale) * scale
        return points + shift

    def _refined(self, before: Tensor, after: Tensor, places: Tensor, shift: Tensor) -> Tensor:
        """Return the shifts [B, P, 2] of windows that make one frame's the other's."""
        r = torch.arange(-self.radius, self.radius + 1, device=before.device)
        offsets = torch.stack(torch.meshgrid(r, r, indexing="xy"), -1).flatten(0, 1)
        window = places[:, :, None] + offsets  # [B, P, window, 2]
        maps = torch.cat([before[:, None], _gradients(before)], 1)
        around = _read(maps, window)
        here, slopes = around[..., :1], around[..., 1:]
        # [B, P, 2, 2]; what has no structure stays where it is
        normal = slopes.mT @ slopes
        trace = normal.diagonal(dim1=-2, dim2=-1).sum(-1)[..., None, None]
        ridge = torch.eye(2, device=before.device) * (1e-4 * trace + 1e-6)
        inverse = torch.linalg.inv(normal + ridge)
        for _ in range(self.steps):
            there = _read(after[:, None], window + shift[:, :, None])
            step = inverse @ (slopes.mT @ (here - there))
            shift = shift + step[..., 0].clamp(-self.radius, self.radius)
        return shift


def _gradients(frames: Tensor) -> Tensor:
    """Return central differences [B, 2, h, w] along x and y, per pixel."""
    wide = pad(frames[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    along_x = (wide[:, 1:-1, 2:] - wide[:, 1:-1, :-2]) / 2
    along_y = (wide[:, 2:, 1:-1] - wide[:, :-2, 1:-1]) / 2
    return torch.stack([along_x, along_y], 1)


def _read(maps: Tensor, places: Tensor) -> Tensor:
    """Return maps [B, C, h, w] at places [B, P, n, 2] in pixels: [B, P, n, C]."""
    sides = places.new_tensor([maps.shape[-1], maps.shape[-2]])
    grid = (2 * places + 1) / sides - 1
    return grid_sample(maps, grid, padding_mode="border", align_corners=False).permute(0, 2, 3, 1)
