"""The ResNet example: torchvision's own features at a finer stride, from several containers."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision.models import resnet50

from tvseg_bench.benchmark.errors import ModelError
from tvseg_bench.benchmark.plugins.load import load_model

PLUGIN = Path(__file__).resolve().parents[2] / "examples" / "resnet" / "resnet_plugin.py"

pytestmark = pytest.mark.skipif(not PLUGIN.is_file(), reason="the examples are not in a wheel")


@pytest.fixture(scope="module")
def net() -> Any:
    torch.manual_seed(0)
    return resnet50(weights=None, replace_stride_with_dilation=[False, False, True]).eval()


@pytest.fixture
def load(tmp_path: Path) -> Any:
    def run(content: Any) -> Any:
        torch.save(content, tmp_path / "resnet50.pth")
        return load_model(f"file:{PLUGIN}:build", weights=tmp_path / "resnet50.pth")

    return run


def test_the_map_before_the_classifier(net: Any, load: Any) -> None:
    loaded = load(net.state_dict())
    image = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        features = loaded.model.extract(image)
        logits = net.fc(features.tokens.mean(dim=1))
        torch.testing.assert_close(logits, net(image), atol=1e-4, rtol=1e-4)
    assert features.grid == (4, 6)
    assert loaded.card.embed_dim == features.tokens.shape[2]
    parameters = sum(p.numel() for p in loaded.model.parameters())
    assert round(parameters / 1e6, 1) == loaded.card.params_m


def test_the_encoder_of_a_contrastive_checkpoint(net: Any, load: Any) -> None:
    state = {f"module.encoder_q.{name}": tensor for name, tensor in net.state_dict().items()}
    beside = {"module.queue": torch.ones(2, 3), "module.encoder_q.fc.0.weight": torch.ones(2, 2)}
    loaded = load({"epoch": 200, "state_dict": {**state, **beside}})
    assert torch.equal(loaded.model.trunk[0].weight, net.conv1.weight)


def test_another_resnet_is_refused(load: Any) -> None:
    from torchvision.models import resnet18

    sentence = r"holds a ResNet-18 \(dim 512, depth 8\), not a ResNet-50 \(dim 2048, depth 16\)"
    with pytest.raises(ModelError, match=sentence):
        load(resnet18(weights=None).state_dict())
