"""The example plugin: from the file, installed, with random and with the real weights."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file
from torch.nn.functional import conv2d, pad
from torchvision.models import squeezenet1_0

from tvseg_bench.benchmark.errors import ModelError
from tvseg_bench.benchmark.plugins.load import LoadedModel, load_model
from tvseg_bench.benchmark.types import FeatureModel

BROWN_BEAR = 294


@pytest.fixture
def loaded(example: Path, random_weights: Path) -> LoadedModel:
    return load_model(f"file:{example}/squeezenet_plugin.py:build", weights=random_weights)


def feature_map(model: object, images: torch.Tensor) -> torch.Tensor:
    """Return [B, D, rows, cols] in float32."""
    assert isinstance(model, FeatureModel)
    with torch.no_grad():
        features = model.extract(images)
    return features.tokens.transpose(1, 2).unflatten(2, features.grid)


def test_card(loaded: LoadedModel) -> None:
    card = loaded.card
    assert card.name == "squeezenet/1.0"
    assert card.trained_on_labels
    assert card.revision.startswith("sha256:")
    assert card.revision.endswith(f"+code:{str(loaded.origin['file_sha256'])[:16]}")
    assert round(sum(p.numel() for p in loaded.model.parameters()) / 1e6, 2) == card.params_m


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=st.integers(1, 16), cols=st.integers(1, 26))
def test_the_grid_is_exact(rows: int, cols: int, loaded: LoadedModel) -> None:
    found = feature_map(loaded.model, torch.zeros(1, 3, rows * 16, cols * 16))
    assert found.shape == (1, loaded.card.embed_dim, rows, cols)


def test_cells_lie_on_their_patches(loaded: LoadedModel) -> None:
    """A spot in the middle of a patch moves the features most in that patch's cell."""
    plain = torch.zeros(1, 3, 224, 400)
    for row, col in ((3, 5), (9, 20), (0, 0), (13, 24)):
        spot = plain.clone()
        spot[..., row * 16 + 6 : row * 16 + 10, col * 16 + 6 : col * 16 + 10] = 100
        change = feature_map(loaded.model, spot) - feature_map(loaded.model, plain)
        strength = change.square().sum(dim=1)[0]
        assert divmod(int(strength.argmax()), 25) == (row, col)


def test_channels_are_turned_round(loaded: LoadedModel, random_weights: Path) -> None:
    """What the suite hands over is, inside the model, BGR in 0..255 minus (104, 117, 123)."""
    image = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (1, 3, 64, 80))).float()
    mean, std = (torch.tensor(v).reshape(3, 1, 1) for v in (loaded.card.mean, loaded.card.std))
    net = squeezenet1_0(weights=None).eval()
    net.load_state_dict(load_file(random_weights))
    caffe = image[:, [2, 1, 0]] - torch.tensor([104.0, 117.0, 123.0]).reshape(3, 1, 1)
    with torch.no_grad():
        expected = net.features(pad(caffe, [9, 9, 9, 9]))
    found = feature_map(loaded.model, (image / 255 - mean) / std)
    torch.testing.assert_close(found, expected, atol=1e-2, rtol=1e-4)


def test_without_weights(example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TVSEG_HOME", str(tmp_path))
    with pytest.raises(ModelError, match=r"squeezenet/1\.0 are not on this machine.*--weights"):
        load_model(f"file:{example}/squeezenet_plugin.py")


def test_installed(example: Path, random_weights: Path, tmp_path: Path) -> None:
    """As in its pyproject: an entry point, listed without an import, built by name."""
    entry = next(
        line
        for line in (example / "pyproject.toml").read_text().splitlines()
        if "squeezenet_plugin:build" in line
    ).replace('"', "")
    info = tmp_path / "tvseg_bench_squeezenet-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: tvseg-bench-squeezenet\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[tvseg_bench.models]\n{entry}\n")
    code = f"""
import sys
sys.path[:0] = [{str(tmp_path)!r}, {str(example)!r}]
from pathlib import Path
from tvseg_bench.benchmark.plugins.load import load_model
from tvseg_bench.benchmark.registry import models
assert list(models) == ["squeezenet/1.0"] and "squeezenet_plugin" not in sys.modules
loaded = load_model("squeezenet/1.0", weights=Path({str(random_weights)!r}))
print(loaded.card.name, loaded.origin["package"], loaded.origin["version"])
assert loaded.card.revision.count(":") == 1, "the version vouches for installed code"
"""
    out = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert out.split() == ["squeezenet/1.0", "tvseg-bench-squeezenet", "1.0"]


# ------------------------------------------------------------------------- real weights


@pytest.mark.real
def test_real_weights_know_a_bear(example: Path, real_weights: Path, data: Path) -> None:
    """The features go through the classifier of the same file; turned colours would fool it."""
    loaded = load_model(f"file:{example}/squeezenet_plugin.py", weights=real_weights)
    tensors = load_file(real_weights)
    weight, bias = (tensors[f"classifier.1.{name}"] for name in ("weight", "bias"))
    mean, std = (torch.tensor(v).reshape(3, 1, 1) for v in (loaded.card.mean, loaded.card.std))

    def classify(bgr: torch.Tensor) -> int:
        with torch.no_grad():  # without the padding, as the classifier was trained
            features = loaded.model.features(bgr[None])  # type: ignore[union-attr]
        return int(conv2d(features, weight, bias).relu().mean(dim=(2, 3)).argmax())

    right = turned = 0
    frames = sorted((data / "DAVIS2016/DAVIS/JPEGImages/480p/bear").glob("*.jpg"))[::10]
    for frame in frames:
        pixels = np.array(Image.open(frame).convert("RGB").resize((400, 224)))
        image = (torch.from_numpy(pixels).permute(2, 0, 1) / 255 - mean) / std
        right += classify(image.flip(0)) == BROWN_BEAR
        turned += classify(image) == BROWN_BEAR
    assert right >= 0.8 * len(frames) > turned
