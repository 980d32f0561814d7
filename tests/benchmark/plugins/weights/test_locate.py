"""Where weights are looked for, in which order, and under which names."""

from pathlib import Path

import pytest

from tvseg_bench.benchmark.plugins.weights import locate
from tvseg_bench.benchmark.registry import ModelEntry, models
from tvseg_bench.benchmark.types import FeatureModel, ModelCard

URL = "https://example.org/files/official.pth"


def card(name: str = "test/tiny", url: str | None = URL) -> ModelCard:
    return ModelCard(name=name, patch_size=8, embed_dim=24, weights_url=url)


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    monkeypatch.setenv("TVSEG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf"))
    found = {
        "folder": tmp_path / "home" / "weights",
        "torch": tmp_path / "torch" / "hub" / "checkpoints",
        "hf": tmp_path / "hf" / "models--timm--vit.x",
    }
    found["folder"].mkdir(parents=True)
    found["torch"].mkdir(parents=True)
    return found


def test_nothing_is_there() -> None:
    assert locate.find(card(), timm="vit.x") is None
    assert locate.find(card(url=None)) is None


def test_the_order(places: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    in_cache = places["hf"] / "model.safetensors"
    monkeypatch.setattr(
        "huggingface_hub.try_to_load_from_cache",
        lambda repository, file: str(in_cache) if file == "model.safetensors" else None,
    )
    assert locate.find(card()) is None
    assert locate.find(card(), timm="vit.x") == in_cache
    for path in (
        places["torch"] / "official.pth",
        places["folder"] / "official.pth",
        places["folder"] / "test-tiny.ckpt",
        places["folder"] / "test-tiny.safetensors",
    ):
        path.touch()
        assert locate.find(card(), timm="vit.x") == path


def test_the_real_cache_of_hugging_face(places: dict[str, Path]) -> None:
    pointer = places["hf"] / "snapshots" / "0123" / "model.safetensors"
    pointer.parent.mkdir(parents=True)
    pointer.touch()
    (places["hf"] / "refs").mkdir()
    (places["hf"] / "refs" / "main").write_text("0123")
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache("timm/vit.x", "model.safetensors", places["hf"].parent)
    assert found == str(pointer)


def test_an_official_name_of_two_models_says_nothing(places: dict[str, Path]) -> None:
    (places["folder"] / "official.pth").touch()
    (places["torch"] / "official.pth").touch()

    def build() -> FeatureModel:
        raise AssertionError

    other = ModelEntry(card=card("test/other", "https://example.org/b/official.pth"), build=build)
    assert locate.find(card()) is not None
    with models.overridden({"test/other": other}):
        assert locate.find(card()) is None
        (places["folder"] / "test-tiny.pth").touch()
        assert locate.find(card()) == places["folder"] / "test-tiny.pth"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (URL, "test-tiny.pth"),
        ("https://example.org/a/net.safetensors", "test-tiny.safetensors"),
        ("https://example.org/a/net.pth.tar", "test-tiny.pth"),
        ("https://example.org/datafile/159665", "test-tiny.pth"),
        (None, "test-tiny.pth"),
    ],
)
def test_the_place(url: str | None, name: str, places: dict[str, Path]) -> None:
    assert locate.place(card(url=url)) == places["folder"] / name


def test_a_card_never_says_where_on_the_disk(places: dict[str, Path]) -> None:
    """Addresses are text from an untrusted card: their folders are not used."""
    hostile = card(url="https://example.org/a/..%2f..%2fetc/passwd.pth")
    assert locate.place(hostile).parent == places["folder"]
    assert locate.official_name(hostile) == "passwd.pth"
