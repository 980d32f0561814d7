"""The example plugin and weights for it: random ones of the same names, or the real ones."""

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import squeezenet1_0

REAL = "weights/squeezenet1_0_imagenet_deepcompressed.safetensors"


@pytest.fixture(scope="session")
def example() -> Path:
    """Return the folder of the example; it is not part of a wheel."""
    folder = Path(__file__).resolve().parents[2] / "examples" / "squeezenet"
    if not folder.is_dir():
        pytest.skip("the examples are not here")
    return folder


@pytest.fixture(scope="session")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "squeezenet.safetensors"
    save_file(squeezenet1_0(weights=None).state_dict(), path)
    return path


@pytest.fixture(scope="session")
def data() -> Path:
    root = os.environ.get("TVSEG_DATA")
    if not root or not (Path(root) / REAL).is_file():
        pytest.skip("TVSEG_DATA does not hold the real weights")
    return Path(root)


@pytest.fixture(scope="session")
def real_weights(data: Path) -> Path:
    return data / REAL
