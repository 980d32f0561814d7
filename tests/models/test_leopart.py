"""Leopart: Lightning checkpoints with head and prototypes, or the state dict alone."""

from typing import Any

import pytest
import torch

from tvseg_bench.models.leopart import BACKBONES
from tvseg_bench.models.loading.families import Backbone


def state_dict(state: dict[str, Any]) -> Any:
    beside = {
        "model.projection_head.0.weight": torch.ones(2, 2),
        "model.prototypes.weight": torch.ones(3, 2),
    }
    return {**{f"model.{name}": value for name, value in state.items()}, **beside}


def lightning(state: dict[str, Any]) -> Any:
    return {"epoch": 50, "state_dict": state_dict(state), "optimizer_states": [{"state": {}}]}


@pytest.mark.parametrize("backbone", BACKBONES, ids=lambda b: b.card.name)
def test_full_size(backbone: Backbone, full_size: Any) -> None:
    full_size(backbone, backbone.arch)


@pytest.mark.parametrize("write", [state_dict, lightning])
@pytest.mark.parametrize("backbone", BACKBONES, ids=lambda b: b.card.name)
def test_reads(backbone: Backbone, write: Any, family: Any) -> None:
    family.reads(backbone, write)


def test_refuses(family: Any) -> None:
    family.refuses(BACKBONES[0], lightning)


def test_agrees_with_timm_on_the_native_grid(family: Any) -> None:
    family.agrees_with_timm(BACKBONES[0], [(4, 4)])


def test_clusters(family: Any) -> None:
    family.clusters(family.load(BACKBONES[0], lightning(family.state(BACKBONES[0]))))
