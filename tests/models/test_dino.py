"""The DINO family: complete cards, official files, the teacher's weights."""

from pathlib import Path

import pytest
import timm
import torch

from tvseg_bench.benchmark.errors import ModelError
from tvseg_bench.benchmark.loading import load_model
from tvseg_bench.benchmark.types import ModelCard
from tvseg_bench.models.dino import ARCHITECTURES, CARDS
from tvseg_bench.models.weights import find_weights

IDS = [card.name for card in CARDS]


@pytest.mark.parametrize("card", CARDS, ids=IDS)
def test_cards_agree_with_the_architecture(card: ModelCard) -> None:
    with torch.device("meta"):
        net = timm.create_model(ARCHITECTURES[card.name], pretrained=False, num_classes=0)
    config = timm.get_pretrained_cfg(f"{ARCHITECTURES[card.name]}.dino")
    assert card.embed_dim == net.num_features
    assert card.patch_size == net.patch_embed.patch_size[0]
    assert card.num_prefix_tokens == net.num_prefix_tokens
    assert card.params_m == round(sum(p.numel() for p in net.parameters()) / 1e6, 1)
    assert (card.mean, card.std, card.interpolation) == (config.mean, config.std, "bicubic")
    assert card.weights_url == config.url
    assert card.licence.lower() == config.license
    assert card.pos_interp == "dino"
    assert not card.trained_on_labels


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a full checkpoint of dino/vits16: a student, a teacher with its head, the rest."""
    torch.manual_seed(0)
    net = timm.create_model("vit_small_patch16_224", pretrained=False, num_classes=0)
    teacher = {f"backbone.{key}": value for key, value in net.state_dict().items()}
    student = {f"module.{key}": value + 1 for key, value in teacher.items()}
    path = tmp_path_factory.mktemp("dino") / "full.pth"
    torch.save({"student": student, "teacher": {**teacher, "head.mlp": torch.ones(2)}}, path)
    return path


def test_a_full_checkpoint_gives_the_teacher(checkpoint: Path) -> None:
    loaded = load_model("dino/vits16", weights=checkpoint)
    net = timm.create_model("vit_small_patch16_224", pretrained=False, num_classes=0).eval()
    stored = torch.load(checkpoint, weights_only=True)["teacher"]
    net.load_state_dict(
        {k.removeprefix("backbone."): v for k, v in stored.items() if "head" not in k}
    )
    image = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = net.forward_features(image)[:, 1:]
        features = loaded.model.extract(image)
    torch.testing.assert_close(features.tokens, expected, atol=1e-5, rtol=1e-5)
    assert features.grid == (14, 14)
    assert loaded.card.revision.startswith("sha256:")
    assert loaded.origin["package"] == "tvseg-bench"
    assert not any(p.requires_grad for p in loaded.model.parameters())


def test_the_wrong_size_is_named(checkpoint: Path) -> None:
    sentence = r"a ViT of width 384, depth 12, patch 16, expected a ViT of width 384, depth 12, p"
    with pytest.raises(ModelError, match=sentence):
        load_model("dino/vits8", weights=checkpoint)


def test_without_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TVSEG_HOME", str(tmp_path))
    with pytest.raises(ModelError, match=r"dino_vitbase8_pretrain\.pth, put them at .*--weights"):
        load_model("dino/vitb8")


@pytest.mark.parametrize("card", CARDS, ids=IDS)
def test_official_names_are_their_own(
    card: ModelCard,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TVSEG_HOME", str(tmp_path))
    (tmp_path / "weights").mkdir()
    for other in CARDS:
        (tmp_path / "weights" / str(other.weights_url).rpartition("/")[2]).write_text(other.name)
    assert find_weights(card).read_text() == card.name
