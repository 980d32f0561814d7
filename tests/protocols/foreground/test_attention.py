"""Attention on its way from the model: asked for by `extract_attention`, kept as it came."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tvseg_bench.benchmark.errors import NotApplicableError
from tvseg_bench.benchmark.features.cache.feature_cache import FeatureCache
from tvseg_bench.benchmark.features.extract import ExtractOptions, feature_set
from tvseg_bench.benchmark.types import (
    Clip,
    ClipFeatures,
    Dataset,
    DatasetCard,
    ModelCard,
    PatchFeatures,
    View,
)

IF_ANY: Any = "if-any"
CARD = DatasetCard(
    name="toy", version=1, title="", splits=("val",), clip_labels="semantic", dataset_labels=None
)


class Plain:
    """Mean colours, and no attention."""

    card = ModelCard(name="toy/plain", revision="sha256:" + "ab" * 32, patch_size=8, embed_dim=3)

    def __init__(self) -> None:
        self.asked: list[str] = []

    def extract(self, images: torch.Tensor) -> PatchFeatures:
        self.asked.append("extract")
        pooled = torch.nn.functional.avg_pool2d(images, 8)
        grid = (int(pooled.shape[2]), int(pooled.shape[3]))
        return PatchFeatures(pooled.flatten(2).transpose(1, 2), grid)


class Attentive(Plain):
    """The same, with two heads when they are asked for."""

    def extract_attention(self, images: torch.Tensor) -> PatchFeatures:
        features = super().extract(images)
        self.asked[-1] = "extract_attention"
        heads = features.tokens[..., :2].transpose(1, 2).softmax(-1)
        return PatchFeatures(features.tokens, features.grid, heads)


def dataset() -> Dataset:
    def image(t: int) -> np.ndarray:
        return np.random.default_rng(t).integers(0, 256, (16, 24, 3), dtype=np.uint8)

    return Dataset(
        card=CARD,
        split="val",
        clips=[Clip(name="a", n_frames=3, image=image)],
        manifest_sha256="cd" * 32,
    )


@pytest.fixture
def extracted(tmp_path: Path) -> Callable[..., ClipFeatures]:
    def extract(model: Plain, attention: Any, keep: bool = False) -> ClipFeatures:
        options = ExtractOptions(device="cpu", batch_size=2, workers=1)
        view = View(size=16, attention=attention)
        cache = FeatureCache(tmp_path)
        (clip,) = feature_set(model, dataset(), view, options, cache=cache, keep=keep)
        return clip

    return extract


@pytest.mark.parametrize(
    ("attention", "method"), [(False, "extract"), (True, "extract_attention")]
)
def test_a_model_is_asked_for_attention_only_where_it_is_wanted(
    attention: bool, method: str, extracted: Callable[..., ClipFeatures]
) -> None:
    model = Attentive()
    clip = extracted(model, attention)
    assert set(model.asked) == {method}
    assert (clip.attention is not None) == attention


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize(("model", "heads"), [(Plain, 0), (Attentive, 2)])
def test_where_attention_is_optional_a_model_without_it_has_no_head(
    model: type[Plain], heads: int, keep: bool, extracted: Callable[..., ClipFeatures]
) -> None:
    first, again = extracted(model(), IF_ANY, keep), extracted(model(), IF_ANY, keep)
    assert first.attention is not None
    assert first.attention.shape == (3, heads, 2, 3)
    assert first.tokens.tobytes() == again.tokens.tobytes()
    assert again.attention is not None
    assert first.attention.tobytes() == again.attention.tobytes()


def test_kept_features_without_a_head_are_served_again(
    extracted: Callable[..., ClipFeatures],
) -> None:
    extracted(Plain(), IF_ANY, keep=True)
    model = Plain()
    extracted(model, IF_ANY, keep=True)
    assert not model.asked


def test_where_attention_is_needed_a_model_without_it_does_not_apply(
    extracted: Callable[..., ClipFeatures],
) -> None:
    with pytest.raises(NotApplicableError, match="'toy/plain' has no attention"):
        extracted(Plain(), True)
