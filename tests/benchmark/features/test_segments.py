"""Models that bring their own clusters: their ids travel as features do, cache included."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tvseg_bench.benchmark.errors import ModelError, NotApplicableError, UsageError
from tvseg_bench.benchmark.features.cache.entry import cache_key
from tvseg_bench.benchmark.features.cache.feature_cache import FeatureCache
from tvseg_bench.benchmark.features.cache.safe_files import digest
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

CARD = ModelCard(name="toy/seg", revision="1", patch_size=8, embed_dim=5)
DATA = DatasetCard(
    name="toy", version=1, title="", splits=("val",), clip_labels="semantic", dataset_labels=None
)
VIEW = View(size=16, output="segments")


class Bright:
    """Gives ids alone: that of a pixel is its brightness."""

    card = CARD

    def __init__(self, ids: Callable[[torch.Tensor], torch.Tensor] | None = None) -> None:
        self.seen = 0
        self.ids = ids or (lambda images: (images.mean(1) > 0).long() * 2049)

    def segment(self, images: torch.Tensor) -> Any:
        self.seen += len(images)
        return self.ids(images)


class Both(Bright):
    def extract(self, images: torch.Tensor) -> PatchFeatures:
        pooled = torch.nn.functional.avg_pool2d(images, 8).repeat(1, 2, 1, 1)[:, :5]
        return PatchFeatures(
            pooled.flatten(2).transpose(1, 2), (int(pooled.shape[2]), int(pooled.shape[3]))
        )


def noise(t: int) -> np.ndarray:
    image = np.zeros((16, 24, 3), np.uint8)
    image[:, : 4 + t] = 255
    return image


def dataset() -> Dataset:
    clips = [Clip(name=name, n_frames=n, image=noise) for name, n in (("a", 5), ("b", 2))]
    return Dataset(card=DATA, split="val", clips=clips, manifest_sha256="cd" * 32)


def extracted(model: Any, view: View = VIEW, dtype: Any = "fp32", **rest: Any) -> list[Any]:
    options = ExtractOptions(device="cpu", batch_size=3, workers=1, dtype=dtype)
    found: list[ClipFeatures] = list(feature_set(model, dataset(), view, options, **rest))
    return found


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_ids_are_kept_to_the_last_one(dtype: str, tmp_path: Path) -> None:
    model, cache = Bright(), FeatureCache(tmp_path)
    streamed = extracted(model, dtype=dtype)
    kept = extracted(model, dtype=dtype, cache=cache, keep=True)
    seen = model.seen
    read = extracted(model, dtype=dtype, cache=cache)
    assert model.seen == seen, "read back, not computed"
    for clips in zip(streamed, kept, read, strict=True):
        for clip in clips:
            assert clip.tokens.shape == (len(clip.frames), 16, 24, 1)
            assert clip.tokens.dtype == np.float32
            expected = np.where(np.arange(24) < 4 + np.array(clip.frames)[:, None], 2049, 0)
            assert (clip.tokens[:, 7, :, 0] == expected).all()


def test_features_and_segments_of_one_model_never_mix(tmp_path: Path) -> None:
    model, cache = Both(), FeatureCache(tmp_path)
    plain = replace(VIEW, output="features")
    for _ in range(2):
        shapes = [
            extracted(model, view, cache=cache, keep=True)[0].tokens.shape
            for view in (VIEW, plain)
        ]
        assert shapes == [(5, 16, 24, 1), (5, 2, 3, 5)]
    assert len(cache.status()) == 2


def test_what_was_kept_before_there_were_segments_is_still_found() -> None:
    key, other = (
        cache_key(CARD, dataset(), replace(VIEW, output=output), "fp32")
        for output in ("features", "segments")
    )
    assert key is not None
    assert other is not None
    assert "output" not in key.identity["view"]
    assert other.identity["view"]["output"] == "segments"
    assert digest(json.dumps(dict(key.identity))) != digest(json.dumps(dict(other.identity)))
    assert key.folder != other.folder


def test_a_model_that_lacks_what_is_wanted_is_not_applicable() -> None:
    class Features:
        card = CARD
        extract = Both.extract

    with pytest.raises(NotApplicableError, match=r"no segment\(images\) -> ids; score its feat"):
        extracted(Features())
    with pytest.raises(NotApplicableError, match=r"no extract\(images\).* protocol 'segmenter'"):
        extracted(Bright(), replace(VIEW, output="features"))
    with pytest.raises(UsageError, match="segments come without it"):
        extracted(Both(), replace(VIEW, attention=True))


def test_a_clip_model_segments_frame_by_frame() -> None:
    model = Bright()
    model.card = replace(CARD, temporal="clip")
    assert [len(clip.frames) for clip in extracted(model)] == [5, 2]


@pytest.mark.parametrize(
    ("ids", "sentence"),
    [
        (lambda x: x.mean(1), r"gives torch\.float32 ids \[3, 16, 24\], expected integers"),
        (lambda x: x[:, 0, ::8, ::8].long(), r"\[3, 2, 3\], expected integers .* = \[3, 16, 24\]"),
        (lambda x: x[:, 0] > 0, r"gives torch\.bool ids"),
        (lambda x: x[:, 0].long() * 0 - 1, r"gives ids from -1 to -1 for frame 0 of clip 'a'"),
        (lambda x: x[:, 0].long() * 0 + 2**24, r"expected 0 to 16777215"),
        (lambda x: x.numpy(), r"returns ndarray, expected a tensor of ids"),
    ],
)
def test_broken_ids_are_one_sentence(ids: Any, sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        extracted(Bright(ids))
