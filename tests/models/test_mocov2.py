"""MoCo v2: the query encoder out of a training checkpoint with key encoder and queue."""

from typing import Any

import pytest
import torch

from tvseg_bench.models.loading.families import Backbone
from tvseg_bench.models.mocov2 import BACKBONES


def official(state: dict[str, Any]) -> Any:
    head = {"fc.0.weight": torch.ones(3, 3), "fc.2.bias": torch.ones(3)}
    query = {f"module.encoder_q.{name}": value for name, value in {**state, **head}.items()}
    key = {f"module.encoder_k.{name}": value + 1 for name, value in state.items()}
    queue = {"module.queue": torch.ones(3, 4), "module.queue_ptr": torch.zeros(1).long()}
    return {"epoch": 800, "arch": "resnet50", "state_dict": {**query, **key, **queue}}


@pytest.mark.parametrize("backbone", BACKBONES, ids=lambda b: b.card.name)
def test_full_size(backbone: Backbone, full_size: Any) -> None:
    full_size(backbone, "resnet50")


def test_reads(family: Any) -> None:
    family.reads(BACKBONES[0], official)


def test_reads_a_file_of_the_query_encoder_alone(family: Any) -> None:
    def alone(state: dict[str, Any]) -> Any:
        whole = official(state)["state_dict"]
        return {"state_dict": {name: t for name, t in whole.items() if "encoder_q" in name}}

    family.reads(BACKBONES[1], alone)


def test_refuses(family: Any) -> None:
    family.refuses(BACKBONES[0], official, "bn1.bias")


def test_agrees_with_timm(family: Any) -> None:
    family.agrees_with_timm(BACKBONES[0], [(2, 3), (3, 2)])


def test_clusters(family: Any) -> None:
    family.clusters(family.load(BACKBONES[0], official(family.state(BACKBONES[0]))))
