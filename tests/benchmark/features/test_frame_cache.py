from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.features.extract import ExtractOptions, feature_set
from tvseg_bench.benchmark.features.frame_cache import OVERHEAD, FrameCache
from tvseg_bench.benchmark.types import (
    Clip,
    Dataset,
    DatasetCard,
    Image,
    ModelCard,
    PatchFeatures,
    View,
)

CARD = ModelCard(name="toy/patches", revision="1", patch_size=8, embed_dim=192)
DATA = DatasetCard(
    name="toy", version=1, title="", splits=("val",), clip_labels="semantic", dataset_labels=None
)
VIEW = View(size=16)
SIZE = 16 * 24 * 3 + OVERHEAD
"""Bytes that the cache counts for a frame."""


class Patches:
    """The normalised pixels of every patch, as they are."""

    def __init__(self, card: ModelCard = CARD) -> None:
        self.card = card

    def extract(self, images: torch.Tensor) -> PatchFeatures:
        patch = self.card.patch_size
        tokens = torch.nn.functional.unfold(images, patch, stride=patch).transpose(1, 2)
        return PatchFeatures(tokens, (images.shape[2] // patch, images.shape[3] // patch))


class Frames:
    """Two clips of noise that count how often each frame is decoded."""

    def __init__(self, shape: tuple[int, int] = (24, 36)) -> None:
        self.shape = shape
        self.decoded: Counter[tuple[str, int]] = Counter()
        self.dataset = Dataset(
            card=DATA,
            split="val",
            clips=tuple(self._clip(name, n) for name, n in (("a", 5), ("b", 7))),
            manifest_sha256="cd" * 32,
        )

    def _clip(self, name: str, n_frames: int) -> Clip:
        def image(t: int) -> Image:
            self.decoded[name, t] += 1
            rng = np.random.default_rng([ord(name), t])
            return rng.integers(0, 256, (*self.shape, 3), dtype=np.uint8)

        return Clip(name=name, n_frames=n_frames, image=image)


def made(
    data: Frames, frames: FrameCache | None, card: ModelCard = CARD, view: View = VIEW
) -> list[bytes]:
    options = ExtractOptions(device="cpu", batch_size=4, workers=8)
    passed = feature_set(Patches(card), data.dataset, view, options, frames=frames)
    return [item.tokens.tobytes() for item in passed]


def test_a_second_pass_decodes_nothing_and_gives_the_same_bytes():
    data, kept = Frames(), FrameCache(10**6)
    expected = made(data, None)
    data.decoded.clear()
    assert made(data, kept) == expected
    assert set(data.decoded.values()) == {1}
    data.decoded.clear()
    assert made(data, kept) == expected
    statistics = replace(CARD, name="other", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    assert made(data, kept, statistics) != expected
    assert not data.decoded
    assert kept.used == 12 * SIZE


def test_models_share_what_is_resized_to_one_size_whatever_their_patch():
    data, kept = Frames(), FrameCache(10**6)
    smaller = replace(CARD, patch_size=4, embed_dim=48)
    expected = made(data, None, smaller)
    made(data, kept)
    data.decoded.clear()
    assert made(data, kept, smaller) == expected
    assert not data.decoded


@pytest.mark.parametrize(
    ("card", "view"),
    [
        (replace(CARD, interpolation="bicubic"), replace(VIEW, interpolation="card")),
        (CARD, replace(VIEW, interpolation="opencv")),
        (CARD, replace(VIEW, size=24)),
        (CARD, replace(VIEW, resize="square")),
    ],
    ids=["bicubic", "opencv", "size", "square"],
)
def test_other_pixels_are_made_anew(card, view):
    data, kept = Frames(), FrameCache(10**6)
    expected = made(data, None, card, view)
    made(data, kept)
    data.decoded.clear()
    assert made(data, kept, card, view) == expected
    assert sum(data.decoded.values()) == 12


def test_other_data_of_the_same_clips_are_never_mixed_up():
    data, other, kept = Frames(), Frames((24, 24)), FrameCache(10**6)
    made(data, kept)
    for change in (
        {"manifest_sha256": "ef" * 32},
        {"split": "train"},
        {"card": replace(DATA, version=2)},
        {"card": replace(DATA, name="toy-2")},
    ):
        changed = Frames((24, 24))
        changed.dataset = replace(changed.dataset, **change)
        assert made(changed, kept) == made(other, None)


def test_what_comes_when_it_is_full_is_decoded_again_and_right():
    data, kept = Frames(), FrameCache(5 * SIZE)
    expected = made(data, None)
    for _ in range(2):
        assert made(data, kept) == expected
    assert kept.used == 5 * SIZE
    data.decoded.clear()
    assert made(data, kept) == expected
    assert sum(data.decoded.values()) == 7


@pytest.mark.parametrize(("limit", "manifest"), [(0, "cd" * 32), (10**6, "")])
def test_nothing_is_kept_without_memory_or_a_manifest(limit, manifest):
    data, kept = Frames(), FrameCache(limit)
    data.dataset = replace(data.dataset, manifest_sha256=manifest)
    made(data, kept)
    made(data, kept)
    assert set(data.decoded.values()) == {2}
    assert kept.used == 0


def test_a_reader_may_use_its_array_again():
    kept, array = FrameCache(10**6), np.zeros((16, 24, 3), np.uint8)
    data = Frames((16, 24)).dataset
    asked = (data, data.clips[0], 0, CARD, VIEW)
    assert kept.get(*asked, lambda: array) is array
    array[:] = 7
    assert not kept.get(*asked, lambda: array).any()


def test_the_limit_comes_from_the_environment(monkeypatch):
    monkeypatch.delenv("TVSEG_FRAME_CACHE", raising=False)
    assert FrameCache().limit == 2**30
    monkeypatch.setenv("TVSEG_FRAME_CACHE", "300M")
    assert FrameCache().limit == 300_000_000
    monkeypatch.setenv("TVSEG_FRAME_CACHE", "much")
    with pytest.raises(UsageError, match="not a size in bytes"):
        FrameCache()
