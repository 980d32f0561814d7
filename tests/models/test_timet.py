"""TimeT: student before teacher, two-component prefixes, and the nearest prototype."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch.nn.functional import gelu, interpolate, linear

from tvseg_bench.benchmark.errors import ModelError
from tvseg_bench.benchmark.types import Segmenter
from tvseg_bench.models.loading.families import Backbone
from tvseg_bench.models.timet import BACKBONES

WIDTHS = (32, 12, 10, 8, 6)


def head(prefix: str) -> dict[str, Any]:
    draw = torch.Generator().manual_seed(5)
    found = {}
    for i, (inner, outer) in enumerate(pairwise(WIDTHS)):
        found[f"{prefix}{2 * i}.weight"] = torch.randn(outer, inner, generator=draw)
        found[f"{prefix}{2 * i}.bias"] = torch.randn(outer, generator=draw)
    return found


PROTOTYPES = torch.randn(7, 6, generator=torch.Generator().manual_seed(6))


def released(state: dict[str, Any]) -> Any:
    named = {f"feature_extractor.backbone.{name}": value for name, value in state.items()}
    return {**named, **head("feature_extractor.head."), "prototypes": PROTOTYPES}


def with_teacher(state: dict[str, Any]) -> Any:
    teacher = {f"teacher.backbone.{name}": value + 1 for name, value in state.items()}
    beside = {**head("teacher.head."), "teacher_prototypes": PROTOTYPES + 1}
    return {**released(state), **teacher, **beside}


def checkpoint(state: dict[str, Any]) -> Any:
    return {"epoch": 3, "global_step": 9, "model": with_teacher(state), "optimizer": {"state": {}}}


def other_components(state: dict[str, Any]) -> Any:
    return {f"a.b.{name}": value for name, value in state.items()}


@pytest.mark.parametrize("backbone", BACKBONES, ids=lambda b: b.card.name)
def test_full_size(backbone: Backbone, full_size: Any) -> None:
    full_size(backbone, backbone.arch)
    assert backbone.card.trained_on_eval_data == ("youtube-vos-2019",)


@pytest.mark.parametrize("write", [released, with_teacher, checkpoint, other_components])
def test_reads(write: Any, family: Any) -> None:
    family.reads(BACKBONES[0], write)


def test_refuses(family: Any) -> None:
    family.refuses(BACKBONES[0], released)


@pytest.mark.parametrize("write", [released, with_teacher, checkpoint])
def test_segments_by_the_nearest_prototype(write: Any, family: Any) -> None:
    model = family.load(BACKBONES[0], write(family.state(BACKBONES[0])))
    assert isinstance(model, Segmenter)
    images = torch.rand(2, 3, 32, 48)
    with torch.no_grad():
        found = model.segment(images)
        projected = model.extract(images).tokens
    layers = head("")
    for i in range(0, 8, 2):
        projected = linear(projected, layers[f"{i}.weight"], layers[f"{i}.bias"])
        projected = gelu(projected) if i < 6 else projected
    cosines = torch.cosine_similarity(projected[:, :, None], PROTOTYPES, dim=-1)
    maps = cosines.reshape(2, 2, 3, 7).permute(0, 3, 1, 2)
    large = interpolate(maps, (32, 48), mode="bilinear", align_corners=False)
    assert found.shape == (2, 32, 48)
    assert torch.equal(found, large.argmax(dim=1))


def test_without_prototypes_it_is_no_segmenter(family: Any) -> None:
    model = family.load(BACKBONES[0], other_components(family.state(BACKBONES[0])))
    assert not isinstance(model, Segmenter)


def test_a_head_that_does_not_fit_is_refused(family: Any) -> None:
    content = {**released(family.state(BACKBONES[0])), "prototypes": torch.ones(7, 5)}
    with pytest.raises(ModelError, match=r"widths \[32, 12, 10, 8, 6\] and prototypes \[7, 5\]"):
        family.load(BACKBONES[0], content)


def test_agrees_with_timm_on_the_native_grid(family: Any) -> None:
    family.agrees_with_timm(BACKBONES[0], [(4, 4)])


def test_clusters(family: Any) -> None:
    family.clusters(family.load(BACKBONES[0], released(family.state(BACKBONES[0]))))
