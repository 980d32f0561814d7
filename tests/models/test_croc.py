"""CrOC: the teacher of a full checkpoint."""

from typing import Any

import pytest
import torch

from tvseg_bench.models.croc import BACKBONES
from tvseg_bench.models.loading.families import Backbone


def official(state: dict[str, Any]) -> Any:
    """Hold student and teacher, both with their heads."""
    found = {}
    for word, prefix, shift in (
        ("student", "module.backbone.", 1.0),
        ("teacher", "backbone.", 0.0),
    ):
        named = {f"{prefix}{name}": value + shift for name, value in state.items()}
        found[word] = {
            **named,
            f"{prefix.removesuffix('backbone.')}head.mlp.0.bias": torch.ones(2),
        }
    return {**found, "epoch": 300}


@pytest.mark.parametrize("backbone", BACKBONES, ids=lambda b: b.card.name)
def test_full_size(backbone: Backbone, full_size: Any) -> None:
    full_size(backbone, backbone.arch)


@pytest.mark.parametrize("backbone", BACKBONES, ids=lambda b: b.card.name)
def test_reads(backbone: Backbone, family: Any) -> None:
    family.reads(backbone, official)


def test_refuses(family: Any) -> None:
    family.refuses(BACKBONES[0], lambda state: {"teacher": official(state)["teacher"]})


def test_agrees_with_timm_on_the_native_grid(family: Any) -> None:
    family.agrees_with_timm(BACKBONES[0], [(4, 4)])


def test_clusters(family: Any) -> None:
    family.clusters(family.load(BACKBONES[0], official(family.state(BACKBONES[0]))))
