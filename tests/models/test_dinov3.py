"""DINOv3: addresses and names of the release; ConvNeXt with its last norm, without attention."""

import re
from typing import Any

import pytest
import torch

from tvseg_bench.models.dinov3 import BACKBONES
from tvseg_bench.models.loading.families import Backbone
from tvseg_bench.tests.models.official_files import dinov3_convnext, dinov3_hub

CONVNEXT = next(b for b in BACKBONES if b.arch.startswith("convnext"))


@pytest.mark.parametrize("backbone", BACKBONES, ids=lambda b: b.card.name)
def test_the_address_ends_in_a_checksum(backbone: Backbone) -> None:
    assert re.search(r"-[0-9a-f]{8}\.pth$", str(backbone.card.weights_url))


def test_the_official_names_are_other_names(family: Any) -> None:
    assert not set(dinov3_hub(family.state(BACKBONES[1]))) & {
        "reg_token",
        "blocks.0.mlp.fc1_g.weight",
    }
    convnext = dinov3_convnext(family.state(CONVNEXT))
    assert {"downsample_layers.0.0.weight", "stages.0.0.dwconv.weight", "norm.bias"} <= set(
        convnext
    )
    assert "downsample_layers.3.1.weight" in convnext


def test_convnext_ends_with_its_norm(family: Any) -> None:
    model = family.load(CONVNEXT, dinov3_convnext(family.state(CONVNEXT)))
    frame = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        maps = model.net.forward_features(frame)
        expected = model.net.head.norm(maps).flatten(2).transpose(1, 2)
        torch.testing.assert_close(model.extract(frame).tokens, expected)
    assert (expected.std(dim=2) - maps.flatten(2).std(dim=1)).abs().min() > 1e-3


def test_a_feature_map_has_no_attention(family: Any) -> None:
    model = family.load(CONVNEXT, family.state(CONVNEXT))
    assert not hasattr(model, "extract_attention")
