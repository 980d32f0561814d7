"""The clip-model example: all frames at once, a map for each, which sees its neighbours."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.models.video import mc3_18

from tvseg_bench.benchmark.features.extract import ExtractOptions, feature_set
from tvseg_bench.benchmark.plugins.load import LoadedModel, load_model
from tvseg_bench.benchmark.types import Clip, ClipFeatureModel, Dataset, DatasetCard, View

PLUGIN = Path(__file__).resolve().parents[2] / "examples" / "clip_model" / "mc3_plugin.py"

pytestmark = pytest.mark.skipif(not PLUGIN.is_file(), reason="the examples are not in a wheel")


@pytest.fixture(scope="module")
def net() -> Any:
    torch.manual_seed(0)
    return mc3_18(weights=None).eval()


@pytest.fixture(scope="module")
def loaded(net: Any, tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    path = tmp_path_factory.mktemp("weights") / "mc3_18.pth"
    torch.save(net.state_dict(), path)
    return load_model(f"file:{PLUGIN}:build", weights=path)


@pytest.fixture
def model(loaded: LoadedModel) -> ClipFeatureModel:
    assert isinstance(loaded.model, ClipFeatureModel)
    return loaded.model


def test_the_maps_before_the_classifier(net: Any, model: Any, loaded: LoadedModel) -> None:
    clips = torch.rand(2, 5, 3, 32, 48)
    with torch.inference_mode():
        features = model.extract_clip(clips)
        tokens = features.tokens.unflatten(0, (2, 5))
        torch.testing.assert_close(
            net.fc(tokens.mean(dim=(1, 2))), net(clips.transpose(1, 2)), atol=1e-4, rtol=1e-4
        )
    assert features.grid == (2, 3)
    parameters = sum(p.numel() for p in model.parameters())
    assert round(parameters / 1e6, 1) == loaded.card.params_m


def test_a_frame_sees_its_neighbours(model: Any) -> None:
    clip = torch.rand(1, 12, 3, 32, 32)
    changed = clip.clone()
    changed[:, 11] = 0
    with torch.inference_mode():
        before, after = model.extract_clip(clip).tokens, model.extract_clip(changed).tokens
    differs = (before - after).abs().amax(dim=(1, 2)) > 1e-5
    assert differs[6:].all(), "five frames back"
    assert not differs[:6].any()


def test_an_image_is_a_clip_of_one_frame(model: Any) -> None:
    images = torch.rand(3, 3, 32, 48)
    with torch.inference_mode():
        alone = [model.extract_clip(image[None, None]).tokens for image in images]
        torch.testing.assert_close(model.extract(images).tokens, torch.cat(alone))


def test_the_suite_hands_over_complete_clips(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []
    extract = type(model).extract_clip

    def watched(self: Any, clips: torch.Tensor) -> Any:
        seen.append(tuple(clips.shape))
        return extract(self, clips)

    monkeypatch.setattr(type(model), "extract_clip", watched)
    draw = np.random.default_rng(0)
    frames = draw.integers(0, 256, (11, 40, 60, 3), dtype=np.uint8)
    card = DatasetCard(
        name="one",
        version=1,
        title="one clip",
        splits=("all",),
        clip_labels="instance",
        dataset_labels=None,
    )
    clip = Clip(name="a", n_frames=11, image=lambda t: frames[t])
    data = Dataset(card=card, split="all", clips=[clip], manifest_sha256="0" * 64)
    options = ExtractOptions(device="cpu", batch_size=2, workers=1)
    (features,) = feature_set(model, data, View(size=32), options)
    assert seen == [(1, 11, 3, 32, 48)]
    assert features.tokens.shape == (11, 2, 3, 512)
