"""DINOv3: rotary positions, storage tokens, a key without bias; ConvNeXt with its last norm."""

import re
from typing import Any

import pytest
import timm
import torch

from tvseg_bench.models.dinov3 import BACKBONES
from tvseg_bench.models.loading.families import Backbone

VITS = tuple(b for b in BACKBONES if b.arch.startswith("vit"))
CONVNEXTS = tuple(b for b in BACKBONES if b not in VITS)
SMALL, PLUS, LARGEST = VITS[0], VITS[1], VITS[-1]


def official(state: dict[str, Any]) -> Any:
    """Name the tensors as the hub does; what the masked bias of the key holds is never used."""
    found = {"mask_token": torch.zeros(1, 32), "rope_embed.periods": torch.ones(4)}
    found |= {"local_cls_norm.weight": torch.ones(32), "local_cls_norm.bias": torch.ones(32)}
    for name, value in state.items():
        if name.endswith("q_bias"):
            junk = torch.full_like(value, 9.0)
            parts = (value, junk, state[name.replace("q_bias", "v_bias")])
            found[name.replace("q_bias", "qkv.bias")] = torch.cat(parts)
            found[name.replace("q_bias", "qkv.bias_mask")] = torch.ones(96)
        elif not name.endswith("v_bias"):
            for old, new in (("reg_token", "storage_tokens"), ("fc1_g", "w1"), ("fc1_x", "w2")):
                name = name.replace(old, new)
            name = name.replace("fc2", "w3") if "blocks.0.mlp.fc1_g.weight" in state else name
            found[re.sub(r"gamma_([12])", r"ls\1.gamma", name)] = value
    return found


def as_timm(state: dict[str, Any]) -> Any:
    return state


def official_convnext(state: dict[str, Any]) -> Any:
    found = {"norms.3.weight": torch.ones(24), "norms.3.bias": torch.ones(24)}
    for name, value in state.items():
        name = name.replace("stem.", "downsample_layers.0.").replace("head.norm", "norm")
        name = re.sub(r"stages\.(\d)\.downsample", r"downsample_layers.\1", name)
        name = name.replace("blocks.", "").replace("conv_dw", "dwconv")
        found[name.replace("mlp.fc", "pwconv")] = value
    return found


@pytest.mark.parametrize("backbone", BACKBONES, ids=lambda b: b.card.name)
def test_cards_agree_with_timm(backbone: Backbone, full_size: Any) -> None:
    full_size(backbone, backbone.arch if backbone in VITS else None)
    config = timm.get_pretrained_cfg(backbone.timm)
    assert (backbone.card.mean, backbone.card.std) == (config.mean, config.std)
    assert backbone.card.pos_interp == ("rope" if backbone in VITS else None)
    assert re.search(r"-[0-9a-f]{8}\.pth$", str(backbone.card.weights_url))


@pytest.mark.parametrize("write", [official, as_timm])
@pytest.mark.parametrize("backbone", VITS, ids=lambda b: b.card.name)
def test_reads(backbone: Backbone, write: Any, family: Any) -> None:
    family.reads(backbone, write)


@pytest.mark.parametrize("write", [official_convnext, as_timm])
@pytest.mark.parametrize("backbone", CONVNEXTS, ids=lambda b: b.card.name)
def test_reads_convnext(backbone: Backbone, write: Any, family: Any) -> None:
    family.reads(backbone, write)


def test_the_official_names_are_other_names(family: Any) -> None:
    assert not set(official(family.state(PLUS))) & {"reg_token", "blocks.0.mlp.fc1_g.weight"}
    convnext = official_convnext(family.state(CONVNEXTS[0]))
    assert {"downsample_layers.0.0.weight", "stages.0.0.dwconv.weight", "norm.bias"} <= set(
        convnext
    )
    assert "downsample_layers.3.1.weight" in convnext


@pytest.mark.parametrize("backbone", [SMALL, PLUS, LARGEST], ids=lambda b: b.card.name)
def test_refuses(backbone: Backbone, family: Any) -> None:
    family.refuses(backbone, official)


def test_refuses_convnext(family: Any) -> None:
    family.refuses(CONVNEXTS[0], official_convnext, "head.norm.bias")


def test_agrees_with_timm(family: Any) -> None:
    for backbone in (SMALL, PLUS, LARGEST):
        family.agrees_with_timm(backbone, [(4, 4), (2, 3), (6, 5)])


def test_convnext_ends_with_its_norm(family: Any) -> None:
    model = family.load(CONVNEXTS[0], official_convnext(family.state(CONVNEXTS[0])))
    frame = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        maps = model.net.forward_features(frame)
        expected = model.net.head.norm(maps).flatten(2).transpose(1, 2)
        torch.testing.assert_close(model.extract(frame).tokens, expected)
    assert (expected.std(dim=2) - maps.flatten(2).std(dim=1)).abs().min() > 1e-3


@pytest.mark.parametrize("backbone", [SMALL, CONVNEXTS[0]], ids=lambda b: b.card.name)
def test_clusters(backbone: Backbone, family: Any) -> None:
    family.clusters(family.load(backbone, family.state(backbone)))


@pytest.mark.parametrize("backbone", VITS, ids=lambda b: b.card.name)
def test_attention_is_that_of_the_block(backbone: Backbone, family: Any) -> None:
    family.attends(family.load(backbone, as_timm(family.state(backbone))))


def test_a_feature_map_has_no_attention(family: Any) -> None:
    model = family.load(CONVNEXTS[0], as_timm(family.state(CONVNEXTS[0])))
    assert not hasattr(model, "extract_attention")
