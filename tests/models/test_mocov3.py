"""MoCo v3: the base encoder out of a training checkpoint, 12 heads at either size."""

from typing import Any

import pytest
import torch

from tvseg_bench.models.loading.backbones import create
from tvseg_bench.models.loading.families import Backbone
from tvseg_bench.models.mocov3 import BACKBONES


def official(state: dict[str, Any]) -> Any:
    found = {}
    for encoder, shift in (("base_encoder", 0.0), ("momentum_encoder", 1.0)):
        beside = {**state, "head.0.weight": torch.ones(2, 2), "head.1.running_mean": torch.ones(2)}
        found |= {f"module.{encoder}.{name}": value + shift for name, value in beside.items()}
    found |= {"module.predictor.0.weight": torch.ones(2, 2)}
    return {"epoch": 300, "arch": "vit_small", "state_dict": found}


@pytest.mark.parametrize("backbone", BACKBONES, ids=lambda b: b.card.name)
def test_full_size(backbone: Backbone, full_size: Any) -> None:
    full_size(backbone, backbone.arch)
    with torch.device("meta"):
        net: Any = create(backbone)
    assert net.blocks[0].attn.num_heads == 12


@pytest.mark.parametrize("backbone", BACKBONES, ids=lambda b: b.card.name)
def test_reads(backbone: Backbone, family: Any) -> None:
    family.reads(backbone, official)


def test_refuses(family: Any) -> None:
    family.refuses(BACKBONES[0], official)


def test_agrees_with_timm(family: Any) -> None:
    family.agrees_with_timm(BACKBONES[0], [(4, 4), (2, 3), (6, 5)])


def test_clusters(family: Any) -> None:
    family.clusters(family.load(BACKBONES[0], official(family.state(BACKBONES[0]))))
