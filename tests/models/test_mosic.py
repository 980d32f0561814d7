"""MoSiC: timm's names, bare or below two components; declared contamination."""

from typing import Any

import pytest

from tvseg_bench.models.loading.families import Backbone
from tvseg_bench.models.mosic import BACKBONES


def bare(state: dict[str, Any]) -> Any:
    return state


def below_two_components(state: dict[str, Any]) -> Any:
    return {f"feature_extractor.model.{name}": value for name, value in state.items()}


@pytest.mark.parametrize("backbone", BACKBONES, ids=lambda b: b.card.name)
def test_full_size(backbone: Backbone, full_size: Any) -> None:
    full_size(backbone, None if "dinov2" in backbone.card.name else backbone.arch)
    assert backbone.card.trained_on_eval_data == ("youtube-vos-2019",)


@pytest.mark.parametrize("write", [bare, below_two_components])
@pytest.mark.parametrize("backbone", BACKBONES, ids=lambda b: b.card.name)
def test_reads(backbone: Backbone, write: Any, family: Any) -> None:
    family.reads(backbone, write)


@pytest.mark.parametrize("backbone", [BACKBONES[0], BACKBONES[-1]], ids=lambda b: b.card.name)
def test_refuses(backbone: Backbone, family: Any) -> None:
    family.refuses(backbone, below_two_components)


@pytest.mark.parametrize("backbone", BACKBONES, ids=lambda b: b.card.name)
def test_agrees_with_timm(backbone: Backbone, family: Any) -> None:
    family.agrees_with_timm(backbone, [(4, 4), (2, 3), (6, 5)])


@pytest.mark.parametrize("backbone", [BACKBONES[0], BACKBONES[-1]], ids=lambda b: b.card.name)
def test_clusters(backbone: Backbone, family: Any) -> None:
    family.clusters(family.load(backbone, bare(family.state(backbone))))


@pytest.mark.parametrize("backbone", [BACKBONES[0], BACKBONES[-1]], ids=lambda b: b.card.name)
def test_attention_is_that_of_the_block(backbone: Backbone, family: Any) -> None:
    family.attends(family.load(backbone, bare(family.state(backbone))))
