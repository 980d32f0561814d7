"""DINOv2: official names with and without registers, SwiGLU, chunks; timm's own names."""

from typing import Any

import pytest
import timm
import torch

from tvseg_bench.models.dinov2 import BACKBONES
from tvseg_bench.models.loading.families import Backbone

PLAIN, REGISTERS = BACKBONES[:4], BACKBONES[4:]
GIANT = BACKBONES[3]


def official(state: dict[str, Any]) -> Any:
    """Name the tensors as the hub does, and give the class token its position back."""
    found = {"mask_token": torch.zeros(1, 32)}
    for name, value in state.items():
        if "fc1" in name and value.shape[0] == 2 * state[name.replace("fc1", "fc2")].shape[-1]:
            name = name.replace("fc1", "w12")
        found[name.replace("reg_token", "register_tokens")] = value
    if "reg_token" in state:
        position = torch.full((1, 1, 32), 0.25)
        found["cls_token"] = state["cls_token"] - position
        found["pos_embed"] = torch.cat([position, state["pos_embed"]], dim=1)
    return found


def swiglu(state: dict[str, Any]) -> Any:
    return {n.replace("fc1", "w12").replace("fc2", "w3"): v for n, v in state.items()}


def as_timm(state: dict[str, Any]) -> Any:
    return state


def chunked(state: dict[str, Any]) -> Any:
    """Keep blocks two by two, numbered through, below what training puts before them."""
    found = {}
    for name, value in state.items():
        parts = name.split(".")
        if parts[0] == "blocks":
            parts.insert(1, str(int(parts[1]) // 2))
        found[f"module.backbone.{'.'.join(parts)}"] = value
    return {"teacher": {**found, "module.dino_head.mlp.0.weight": torch.zeros(2)}}


@pytest.mark.parametrize("backbone", BACKBONES, ids=lambda b: b.card.name)
def test_cards_agree_with_timm(backbone: Backbone, full_size: Any) -> None:
    full_size(backbone, backbone.arch)
    config = timm.get_pretrained_cfg(backbone.timm)
    assert backbone.card.weights_url == config.url
    assert backbone.card.licence.lower() == config.license
    assert backbone.card.pos_interp == ("dino" if backbone in PLAIN else "timm")


@pytest.mark.parametrize("write", [official, as_timm, chunked])
@pytest.mark.parametrize("backbone", BACKBONES, ids=lambda b: b.card.name)
def test_reads(backbone: Backbone, write: Any, family: Any) -> None:
    family.reads(backbone, write)


def test_reads_swiglu(family: Any) -> None:
    family.reads(GIANT, swiglu)


@pytest.mark.parametrize("backbone", [PLAIN[0], REGISTERS[0]], ids=lambda b: b.card.name)
def test_refuses(backbone: Backbone, family: Any) -> None:
    family.refuses(backbone, official)


def test_one_of_two_chunks_is_missing(family: Any) -> None:
    state = family.state(PLAIN[0])
    content = chunked({name: value for name, value in state.items() if "blocks.2" not in name})
    with pytest.raises(Exception, match=r"holds a ViT/14 \(dim 32, depth 2\), not a ViT/14 .*3\)"):
        family.load(PLAIN[0], content)


def test_two_tensors_of_one_name(family: Any) -> None:
    state = family.state(PLAIN[0])
    content = {**state, **{n.replace("s.0.", "s.0.0."): v for n, v in state.items()}}
    with pytest.raises(Exception, match=r"holds two tensors for blocks\.0\."):
        family.load(PLAIN[0], content)


def test_agrees_with_timm(family: Any) -> None:
    family.agrees_with_timm(REGISTERS[0], [(4, 4), (2, 3), (6, 5)])
    family.agrees_with_timm(PLAIN[0], [(4, 4)])
    family.agrees_with_timm(GIANT, [(4, 4)])


def test_differs_from_timm_where_the_card_says_so(family: Any) -> None:
    assert "timm does otherwise" in PLAIN[0].card.notes
    with pytest.raises(AssertionError, match="not close"):
        family.agrees_with_timm(PLAIN[0], [(2, 3)])


@pytest.mark.parametrize("backbone", [PLAIN[0], REGISTERS[0]], ids=lambda b: b.card.name)
def test_clusters(backbone: Backbone, family: Any) -> None:
    family.clusters(family.load(backbone, official(family.state(backbone))))
