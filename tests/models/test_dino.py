"""The DINO family: complete cards, official files, the teacher's weights."""

from pathlib import Path
from typing import Any

import pytest
import timm
import torch

from tvseg_bench.benchmark.errors import ModelError
from tvseg_bench.benchmark.plugins.load import load_model
from tvseg_bench.benchmark.plugins.weights.locate import find
from tvseg_bench.models.dino import BACKBONES
from tvseg_bench.models.loading.families import Backbone

VITS, RESNET = BACKBONES[:4], BACKBONES[4]


def backbone_file(state: dict[str, Any]) -> Any:
    return state


def full_checkpoint(state: dict[str, Any]) -> Any:
    teacher = {f"backbone.{name}": value for name, value in state.items()}
    student = {f"module.{name}": value + 1 for name, value in teacher.items()}
    head = {
        "head.mlp.0.weight": state["norm.bias"],
        "head.last_layer.weight_g": state["norm.bias"],
    }
    return {"student": student, "teacher": {**teacher, **head}, "epoch": 3}


def resnet_file(state: dict[str, Any]) -> Any:
    """Return a ResNet as it was saved, without the counters that some versions leave out."""
    return {name: value for name, value in state.items() if "num_batches" not in name}


@pytest.mark.parametrize("backbone", VITS, ids=lambda b: b.card.name)
def test_cards_agree_with_timm(backbone: Backbone, full_size: Any) -> None:
    full_size(backbone, backbone.arch)
    card, config = backbone.card, timm.get_pretrained_cfg(backbone.timm)
    assert (card.mean, card.std, card.interpolation) == (config.mean, config.std, "bicubic")
    assert card.weights_url == config.url
    assert card.licence.lower() == config.license
    assert card.pos_interp == "dino"


def test_the_resnet_is_timms(full_size: Any) -> None:
    full_size(RESNET, "resnet50")


@pytest.mark.parametrize("write", [backbone_file, full_checkpoint])
@pytest.mark.parametrize("backbone", VITS, ids=lambda b: b.card.name)
def test_reads(backbone: Backbone, write: Any, family: Any) -> None:
    family.reads(backbone, write)


@pytest.mark.parametrize("write", [backbone_file, resnet_file])
def test_reads_the_resnet(write: Any, family: Any) -> None:
    family.reads(RESNET, write)


@pytest.mark.parametrize(
    ("backbone", "name"), [(VITS[0], "norm.bias"), (RESNET, "bn1.bias")], ids=["vit", "resnet"]
)
def test_refuses(backbone: Backbone, name: str, family: Any) -> None:
    family.refuses(backbone, backbone_file, name)


def test_agrees_with_timm_on_the_native_grid(family: Any) -> None:
    family.agrees_with_timm(VITS[0], [(4, 4)])
    family.agrees_with_timm(RESNET, [(2, 3), (3, 5)])


@pytest.mark.parametrize("backbone", [VITS[0], RESNET], ids=lambda b: b.card.name)
def test_clusters(backbone: Backbone, family: Any) -> None:
    family.clusters(family.load(backbone, family.state(backbone)))


def test_another_size_is_named_with_the_model_to_try(family: Any) -> None:
    full: Any = {"patch_embed.proj.weight": (768, 3, 16, 16), "norm.bias": (768,)}
    full |= {f"blocks.{i}.norm1.weight": (768,) for i in range(12)}
    path = family.save({name: torch.zeros(shape) for name, shape in full.items()})
    sentence = (
        r"holds a ViT-B/16 \(dim 768, depth 12\), not a ViT-S/16 \(dim 384, depth 12\); try "
        r"--model dino/vitb16: 0 of 150 tensors match, 136 missing"
    )
    with pytest.raises(ModelError, match=sentence):
        load_model("dino/vits16", weights=path)


def test_without_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("TVSEG_HOME", "TORCH_HOME", "HF_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setattr(
        "tvseg_bench.benchmark.plugins.weights.locate.in_hugging_face_cache", lambda _: None
    )
    with pytest.raises(ModelError, match=r"dino_vitbase8_pretrain\.pth, put them at .*--weights"):
        load_model("dino/vitb8")


@pytest.mark.parametrize("backbone", BACKBONES, ids=lambda b: b.card.name)
def test_official_names_are_their_own(
    backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TVSEG_HOME", str(tmp_path))
    (tmp_path / "weights").mkdir()
    for other in BACKBONES:
        name = str(other.card.weights_url).rpartition("/")[2]
        (tmp_path / "weights" / name).write_text(other.card.name)
    path = find(backbone.card)
    assert path is not None
    assert path.read_text() == backbone.card.name
