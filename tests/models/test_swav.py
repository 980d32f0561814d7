"""SwAV: the ResNet-50 out of a distributed checkpoint, head and prototypes left aside."""

from typing import Any

import torch

from tvseg_bench.models.swav import BACKBONES

(BACKBONE,) = BACKBONES


def official(state: dict[str, Any]) -> Any:
    beside = {
        "projection_head.0.weight": torch.ones(2, 2),
        "projection_head.1.running_mean": torch.ones(2),
        "prototypes.weight": torch.ones(3, 2),
    }
    return {f"module.{name}": value for name, value in {**state, **beside}.items()}


def test_full_size(full_size: Any) -> None:
    full_size(BACKBONE, "resnet50")


def test_reads(family: Any) -> None:
    family.reads(BACKBONE, official)


def test_refuses(family: Any) -> None:
    family.refuses(BACKBONE, official, "bn1.bias")


def test_agrees_with_timm(family: Any) -> None:
    family.agrees_with_timm(BACKBONE, [(2, 3), (3, 2)])


def test_clusters(family: Any) -> None:
    family.clusters(family.load(BACKBONE, official(family.state(BACKBONE))))
