"""MAE: the encoder alone, or beside a decoder, with its final norm."""

from typing import Any

import pytest
import timm
import torch

from tvseg_bench.models.loading.families import Backbone
from tvseg_bench.models.mae import BACKBONES


def encoder(state: dict[str, Any]) -> Any:
    return {"model": state}


def with_decoder(state: dict[str, Any]) -> Any:
    decoder = {"decoder_embed.weight": torch.ones(2), "decoder_blocks.0.norm1.bias": torch.ones(2)}
    return {"model": {**state, **decoder, "mask_token": torch.zeros(1, 1, 2)}, "epoch": 1}


@pytest.mark.parametrize("backbone", BACKBONES, ids=lambda b: b.card.name)
def test_full_size(backbone: Backbone, full_size: Any) -> None:
    full_size(backbone, backbone.arch)
    config = timm.get_pretrained_cfg(backbone.timm)
    assert backbone.card.weights_url == config.url
    assert backbone.card.licence.lower() == config.license


@pytest.mark.parametrize("write", [encoder, with_decoder])
@pytest.mark.parametrize("backbone", BACKBONES, ids=lambda b: b.card.name)
def test_reads(backbone: Backbone, write: Any, family: Any) -> None:
    family.reads(backbone, write)


def test_refuses(family: Any) -> None:
    family.refuses(BACKBONES[0], encoder)


def test_the_final_norm_is_needed(family: Any) -> None:
    """A model fine-tuned with average pooling has `fc_norm` in its place."""
    state = family.state(BACKBONES[0])
    tuned = {
        name.replace("norm.", "fc_norm.") if name.startswith("norm") else name: value
        for name, value in state.items()
    }
    with pytest.raises(Exception, match=r"2 missing \(norm\.weight.*2 unexpected \(fc_norm"):
        family.load(BACKBONES[0], encoder(tuned))


def test_agrees_with_timm(family: Any) -> None:
    family.agrees_with_timm(BACKBONES[0], [(4, 4), (2, 3), (6, 5)])


def test_clusters(family: Any) -> None:
    family.clusters(family.load(BACKBONES[0], encoder(family.state(BACKBONES[0]))))
