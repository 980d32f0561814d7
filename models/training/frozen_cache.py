"""A cache of the output of frozen blocks, for frames that come again as the same pixels."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn

from tvseg_bench.models.training.objectives.objective_types import ClipBatch

LIMIT_BYTES = 2 * 2**30
"""Of states that are held; the oldest are dropped first."""


class CachingBackbone(nn.Module):
    """A backbone whose frozen part is computed once per frame; in all else it is the backbone."""

    def __init__(self, backbone: Any) -> None:
        super().__init__()
        self.backbone = backbone
        self.dim: int = backbone.dim
        self._bytes = 0
        self._held: OrderedDict[tuple[str, int], Tensor] = OrderedDict()
        self._keys: list[tuple[str, int]] = []

    def expect(self, batch: ClipBatch) -> None:
        """Set which frames the next call of `frozen` with this many images is about."""
        self._keys = [
            (name, t)
            for name, frames in zip(batch.names, batch.frames, strict=True)
            for t in frames
        ]

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Return (h, w) for images of this size."""
        grid: tuple[int, int] = self.backbone.grid(height, width)
        return grid

    @torch.no_grad()
    def frozen(self, images: Tensor) -> Tensor:
        """Return the states of the expected frames, computed where they are not held."""
        if len(images) != len(self._keys):
            state: Tensor = self.backbone.frozen(images)
            return state
        new = [i for i, key in enumerate(self._keys) if key not in self._held]
        fresh = dict(zip(new, self.backbone.frozen(images[new]), strict=True)) if new else {}
        states = [fresh[i] if i in fresh else self._held[key] for i, key in enumerate(self._keys)]
        for i, state in fresh.items():
            self._store(self._keys[i], state)
        return torch.stack(states)

    def tuned(self, state: Tensor, grid: tuple[int, int]) -> Tensor:
        """Do what the backbone does."""
        features: Tensor = self.backbone.tuned(state, grid)
        return features

    def forward(self, images: Tensor) -> Tensor:
        """Map images [N, 3, H, W] to features [N, h, w, D]."""
        return self.tuned(self.backbone.frozen(images), self.grid(*images.shape[-2:]))

    def _store(self, key: tuple[str, int], state: Tensor) -> None:
        if key in self._held:
            return
        self._held[key] = state.clone()
        self._bytes += state.nbytes
        while self._bytes > LIMIT_BYTES and self._held:
            _, dropped = self._held.popitem(last=False)
            self._bytes -= dropped.nbytes
