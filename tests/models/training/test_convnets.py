"""Networks without blocks of a ViT go through the same loop."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from training_runs import setup

from tvseg_bench.benchmark.plugins.load import load_model
from tvseg_bench.models.training.loop import train
from tvseg_bench.models.training.metrics_log import rows

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"

pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the examples are not in a wheel")


@pytest.mark.parametrize(
    ("example", "architecture", "tune"),
    [
        ("squeezenet", "squeezenet1_0", "last:2"),
        pytest.param("resnet", "resnet50", "last:1", marks=pytest.mark.slow),
    ],
)
def test_a_convnet_is_trained_and_comes_back(
    tmp_path: Path, example: str, architecture: str, tune: str
) -> None:
    torch.manual_seed(0)
    weights = tmp_path / "weights.safetensors"
    save_file(getattr(torchvision.models, architecture)(weights=None).state_dict(), weights)
    model = f"file:{EXAMPLES}/{example}/{example}_plugin.py:build"
    run = setup(tmp_path, overrides={"recipe.steps": 2, "recipe.size": 64, "recipe.tune": tune})
    train(replace(run, model=model, weights=weights))
    assert [row["step"] for row in rows(run.output) if "step" in row] == [0, 1]

    images = torch.rand(1, 3, 64, 64)
    before = load_model(model, weights=weights)
    after = load_model(f"file:{run.output}")
    with torch.no_grad():
        old, new = (loaded.model.extract(images).tokens for loaded in (before, after))
    assert new.shape == old.shape
    assert not torch.equal(new, old)
    assert after.card.pretraining_data == ("imagenet-1k", "moving-shapes")
