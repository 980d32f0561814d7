"""iBOT: backbone files and full checkpoints, teacher or student as it was released."""

from typing import Any

import pytest
import torch

from tvseg_bench.models.ibot import BACKBONES
from tvseg_bench.models.loading.families import Backbone


def backbone_file(state: dict[str, Any]) -> Any:
    return {"state_dict": state}


def full_checkpoint(state: dict[str, Any], student: float = 1.0, teacher: float = 0.0) -> Any:
    """Hold two backbones, with heads and what stands for masked patches."""
    beside = {"backbone.masked_embed": torch.zeros(1, 32), "head.mlp.0.weight": torch.zeros(2)}
    return {
        word: {**{f"backbone.{name}": v + shift for name, v in state.items()}, **beside}
        for word, shift in (("student", student), ("teacher", teacher))
    }


def with_the_right_student(state: dict[str, Any]) -> Any:
    return full_checkpoint(state, student=0.0, teacher=1.0)


@pytest.mark.parametrize("backbone", BACKBONES, ids=lambda b: b.card.name)
def test_full_size(backbone: Backbone, full_size: Any) -> None:
    full_size(backbone, backbone.arch)


@pytest.mark.parametrize("backbone", BACKBONES, ids=lambda b: b.card.name)
def test_reads(backbone: Backbone, family: Any) -> None:
    family.reads(backbone, backbone_file)
    large = backbone.card.name.endswith("in22k")
    family.reads(backbone, with_the_right_student if large else full_checkpoint)


def test_refuses(family: Any) -> None:
    family.refuses(BACKBONES[0], backbone_file)


def test_agrees_with_timm_on_the_native_grid(family: Any) -> None:
    family.agrees_with_timm(BACKBONES[0], [(4, 4)])


def test_clusters(family: Any) -> None:
    family.clusters(family.load(BACKBONES[0], backbone_file(family.state(BACKBONES[0]))))
