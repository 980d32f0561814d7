"""Which patches of a frame count: those that the backbone's class token attends to."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from tvseg_bench.benchmark.clustering.foreground_clusters import heavy_mask
from tvseg_bench.benchmark.errors import ModelError


@runtime_checkable
class AttentionBackbone(Protocol):
    """A `TrainableBackbone` that gives the attention of its class token."""

    def attention(self, state: Tensor, grid: tuple[int, int]) -> Tensor:
        """Map states [N, ...] to the class token's attention [N, h, w] in the last block, a mean
        over its heads."""


@torch.no_grad()
def foreground_masks(
    backbone: object, state: Tensor, grid: tuple[int, int], mass: float
) -> Tensor:
    """Return [B, T, h, w] 1 where a patch is foreground, else 0.

    Args:
        state: [B, T, ...] what `backbone.frozen` made of the frames.
        mass: share of the attention that the foreground holds; published: 0.65.

    Raises:
        ModelError: The backbone has no class token whose attention could be used.
    """
    if not isinstance(backbone, AttentionBackbone):
        raise ModelError(
            f"foreground=attention needs the attention of a class token, which "
            f"{type(backbone).__name__} does not have; choose foreground=none"
        )
    maps = backbone.attention(state.flatten(0, 1), grid).float().cpu().numpy()
    masks = torch.stack([torch.from_numpy(heavy_mask(saliency, mass)) for saliency in maps])
    return masks.to(state.device, torch.float32).view(*state.shape[:2], *grid)
