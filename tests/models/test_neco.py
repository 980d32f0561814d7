"""NeCo: bare names of DINO and of DINOv2, with registers and with registers removed."""

from typing import Any

import pytest
import torch

from tvseg_bench.models.loading.families import Backbone
from tvseg_bench.models.neco import BACKBONES


def official(state: dict[str, Any]) -> Any:
    """Keep DINOv2's names where there are registers: one table for class token and patches."""
    if "reg_token" not in state:
        return state
    found = {name: value for name, value in state.items() if name != "reg_token"}
    found["register_tokens"] = state["reg_token"]
    found["pos_embed"] = torch.cat([torch.zeros(1, 1, 32), state["pos_embed"]], dim=1)
    return {**found, "mask_token": torch.zeros(1, 32)}


@pytest.mark.parametrize("backbone", BACKBONES, ids=lambda b: b.card.name)
def test_full_size(backbone: Backbone, full_size: Any) -> None:
    full_size(backbone, backbone.arch)
    contaminated = "timet" in backbone.card.name
    assert backbone.card.trained_on_eval_data == (("youtube-vos-2019",) if contaminated else ())
    assert backbone.card.pos_interp == "dino"


@pytest.mark.parametrize("backbone", BACKBONES, ids=lambda b: b.card.name)
def test_reads(backbone: Backbone, family: Any) -> None:
    family.reads(backbone, official)


@pytest.mark.parametrize("backbone", [BACKBONES[0], BACKBONES[5]], ids=lambda b: b.card.name)
def test_refuses(backbone: Backbone, family: Any) -> None:
    family.refuses(backbone, official)


@pytest.mark.parametrize("backbone", [BACKBONES[0], BACKBONES[5]], ids=lambda b: b.card.name)
def test_agrees_with_timm_on_the_native_grid_only(backbone: Backbone, family: Any) -> None:
    family.agrees_with_timm(backbone, [(4, 4)])
    with pytest.raises(AssertionError, match="not close"):
        family.agrees_with_timm(backbone, [(2, 3)])


def test_clusters(family: Any) -> None:
    family.clusters(family.load(BACKBONES[5], official(family.state(BACKBONES[5]))))
