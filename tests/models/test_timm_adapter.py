"""`timm:NAME`: any dense timm model, from local files only."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from tvseg_bench.benchmark.errors import ModelError, UsageError
from tvseg_bench.benchmark.plugins.load import LoadedModel, load_model
from tvseg_bench.benchmark.types import PatchFeatures

UNTRAINED = {
    "vit_tiny_patch16_224": (16, 192, "timm"),
    "vit_small_patch16_dinov3": (16, 384, "rope"),
    "deit_tiny_distilled_patch16_224": (16, 192, "timm"),
    "resnet18": (32, 512, None),
    "convnext_atto": (32, 320, None),
}


def extract(loaded: LoadedModel, *size: int) -> PatchFeatures:
    image = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return loaded.model.extract(image)


@pytest.mark.parametrize("name", UNTRAINED)
def test_untrained(name: str) -> None:
    patch, dim, pos_interp = UNTRAINED[name]
    loaded = load_model(f"timm:{name}?weights=random")
    card = loaded.card
    assert (card.patch_size, card.embed_dim, card.pos_interp) == (patch, dim, pos_interp)
    assert card.name == f"timm/{name}"
    assert card.revision.startswith("untrained/seed:0/timm:")
    features = extract(loaded, 64, 96)
    assert features.grid == (64 // patch, 96 // patch)
    assert features.tokens.shape == (1, features.grid[0] * features.grid[1], dim)


def test_untrained_is_the_same_each_time() -> None:
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    one, two = (load_model("timm:resnet18?weights=random") for _ in range(2))
    assert torch.equal(extract(one, 64, 64).tokens, extract(two, 64, 64).tokens)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.fixture(scope="module")
def tiny_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(1)
    net = timm.create_model("vit_tiny_patch16_224", pretrained=False)
    path = tmp_path_factory.mktemp("timm") / "model.safetensors"
    save_file(net.state_dict(), path)
    return path


NAME = "vit_tiny_patch16_224.augreg_in21k_ft_in1k"


def test_weights_from_a_file(tiny_file: Path) -> None:
    loaded = load_model(f"timm:{NAME}", weights=tiny_file)
    net = timm.create_model(NAME, pretrained=False, checkpoint_path=str(tiny_file)).eval()
    image = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    expected = net.forward_features(image)[:, 1:]
    torch.testing.assert_close(extract(loaded, 224, 224).tokens, expected, atol=1e-5, rtol=1e-5)
    card = loaded.card
    assert card.name == f"timm/{NAME}"
    assert card.mean == (0.5, 0.5, 0.5)
    assert card.trained_on_labels
    assert card.licence == "apache-2.0"
    assert card.revision.startswith("sha256:")


def test_the_name_without_tag_is_timms_default(tiny_file: Path) -> None:
    assert load_model("timm:vit_tiny_patch16_224", weights=tiny_file).card.name == f"timm/{NAME}"


def test_a_file_in_the_hub_cache_is_used(
    tiny_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / f"models--timm--{NAME}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc")
    (repository / "snapshots" / "abc").mkdir(parents=True)
    (repository / "snapshots" / "abc" / "model.safetensors").write_bytes(tiny_file.read_bytes())
    assert load_model(f"timm:{NAME}").card.revision.startswith("sha256:")


def test_no_hidden_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("TVSEG_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))

    def never(*args: object, **kwargs: object) -> None:
        raise AssertionError("network")

    monkeypatch.setattr("socket.socket.connect", never)
    with pytest.raises(ModelError, match=r"not on this machine: fetch them from https.*--weights"):
        load_model(f"timm:{NAME}")


def test_another_model_is_refused(tiny_file: Path) -> None:
    with pytest.raises(ModelError, match=r"holds a ViT-Ti/16 .*, not a ViT-S/16"):
        load_model("timm:vit_small_patch16_224", weights=tiny_file)


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ("timm:vit_tny_patch16_224", r"has no model 'vit_tny_patch16_224'; did you mean vit_tiny"),
        ("timm:vit_tiny_patch16_224.nope?weights=random", r"has no model"),
        ("timm:resnet18?weights=imagenet", r"expected timm:NAME or timm:NAME\?weights=random"),
        ("timm:", r"expected timm:NAME or"),
    ],
)
def test_names(reference: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        load_model(reference)
