"""Franca: the teacher, blocks in chunks, SwiGLU at every size."""

from typing import Any

import pytest
import torch

from tvseg_bench.models.franca import BACKBONES
from tvseg_bench.models.loading.families import Backbone

GATED = {768: (4096, 2048), 1024: (5472, 2736), 1536: (8192, 4096)}
"""Rows of `w12` and columns of `w3` in the official files."""


def official(state: dict[str, Any]) -> Any:
    found = {"module.backbone.mask_token": torch.zeros(1, 32)}
    for name, value in state.items():
        parts = name.replace("mlp.fc1", "mlp.w12").replace("mlp.fc2", "mlp.w3").split(".")
        if parts[0] == "blocks":
            parts.insert(1, str(int(parts[1]) // 2))
        found[f"module.backbone.{'.'.join(parts)}"] = value
    heads = {"module.dino_head.mlp.0.weight": torch.ones(2), "module.ibot_head.x": torch.ones(2)}
    return {"teacher": {**found, **heads}, "iteration": 1}


@pytest.mark.parametrize("backbone", BACKBONES, ids=lambda b: b.card.name)
def test_full_size(backbone: Backbone, full_size: Any) -> None:
    shapes = full_size(backbone, None)["shapes"]
    rows, cols = GATED[backbone.card.embed_dim]
    assert shapes["blocks.0.mlp.fc1.weight"][0] == rows
    assert shapes["blocks.0.mlp.fc2.weight"][1] == cols
    native = int(backbone.card.name.rpartition("-")[2])
    assert shapes["pos_embed"][1] == 1 + (native // 14) ** 2


@pytest.mark.parametrize("backbone", BACKBONES, ids=lambda b: b.card.name)
def test_reads(backbone: Backbone, family: Any) -> None:
    family.reads(backbone, official)


def test_refuses(family: Any) -> None:
    family.refuses(BACKBONES[0], official)


def test_agrees_with_timm_on_the_native_grid(family: Any) -> None:
    family.agrees_with_timm(BACKBONES[0], [(4, 4)])


def test_clusters(family: Any) -> None:
    family.clusters(family.load(BACKBONES[0], official(family.state(BACKBONES[0]))))
