"""DINO: a file of another size, no file at all, and official names that are kept apart."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tvseg_bench.benchmark.errors import ModelError
from tvseg_bench.benchmark.plugins.load import load_model
from tvseg_bench.benchmark.plugins.weights.locate import find
from tvseg_bench.models.dino import BACKBONES
from tvseg_bench.models.loading.families import Backbone


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
