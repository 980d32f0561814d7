"""Tiny ViTs with the real parameter names, so that checkpoints cost nothing."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from timm.models.vision_transformer import VisionTransformer

from tvseg_bench.benchmark.types import ModelCard

SIZES: dict[str, Any] = {
    "img_size": 32,
    "patch_size": 8,
    "embed_dim": 24,
    "depth": 3,
    "num_heads": 2,
    "num_classes": 0,
    "dynamic_img_size": True,
}


@pytest.fixture
def make_vit() -> Callable[..., VisionTransformer]:
    """Return a maker of tiny ViTs whose parameters are all different from zero."""

    def make(seed: int = 0, **options: Any) -> VisionTransformer:
        net = VisionTransformer(**{**SIZES, **options}).eval().requires_grad_(False)
        draw = torch.Generator().manual_seed(seed)
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=draw) * 0.3)
        return net

    return make


@pytest.fixture
def tiny_card() -> Callable[..., ModelCard]:
    def card(**fields: Any) -> ModelCard:
        known = {"name": "test/tiny", "patch_size": 8, "embed_dim": 24, "pos_interp": "timm"}
        return ModelCard(**{**known, **fields})

    return card


@pytest.fixture
def images() -> Callable[..., torch.Tensor]:
    def make(height: int = 32, width: int = 32, batch: int = 2) -> torch.Tensor:
        draw = torch.Generator().manual_seed(height + width)
        return torch.randn(batch, 3, height, width, generator=draw)

    return make
