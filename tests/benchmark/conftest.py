"""A model, a data set and a protocol small enough to run the whole grid in a test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tvseg_bench.protocols  # noqa: F401
from tvseg_bench.benchmark.registry import DatasetEntry, ModelEntry, datasets, models
from tvseg_bench.benchmark.types import (
    Clip,
    Dataset,
    DatasetCard,
    ModelCard,
    PatchFeatures,
)

SIZE = 64


class Means:
    """Mean colour of each patch; counts the images it has seen."""

    def __init__(self, name: str, scale: float) -> None:
        self.card = ModelCard(
            name=name, revision=f"test-{scale}", patch_size=16, embed_dim=3, licence="Apache-2.0"
        )
        self.scale = scale
        self.seen = 0

    def extract(self, images: torch.Tensor) -> PatchFeatures:
        self.seen += len(images)
        pooled = torch.nn.functional.avg_pool2d(images * self.scale, 16)
        rows, cols = pooled.shape[-2:]
        return PatchFeatures(pooled.flatten(2).transpose(1, 2), (int(rows), int(cols)))


def picture(clip: int, t: int) -> np.ndarray:
    """A bright block on a dark ground; both carry a texture of their own."""
    rng = np.random.default_rng([clip, t])
    image = rng.integers(0, 60, (SIZE, SIZE, 3)).astype(np.uint8)
    image[mask(clip, t) > 0] += np.uint8(120 + 20 * clip)
    return image


def mask(clip: int, t: int) -> np.ndarray:
    truth = np.zeros((SIZE, SIZE), np.uint8)
    left = 8 + 4 * t + 2 * clip
    truth[16:48, left : left + 24] = 1 + clip % 2
    return truth


def open_toy(root: Path | None, split: str | None) -> Dataset:
    clips = [
        Clip(
            name=f"clip{c}",
            n_frames=3,
            image=lambda t, c=c: picture(c, t),
            semantic=lambda t, c=c: mask(c, t),
        )
        for c in range(3)
    ]
    return Dataset(
        card=TOY,
        split=split or "val",
        clips=clips,
        manifest_sha256="ab" * 32,
        classes=TOY.classes,
        dataset_labels="semantic",
    )


TOY = DatasetCard(
    name="toy",
    version=1,
    title="blocks",
    splits=("val",),
    clip_labels="semantic",
    dataset_labels="semantic",
    classes=("background", "odd", "even"),
)


@pytest.fixture
def toy_grid(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[..., dict[str, Any]]]:
    """Register `toy/a`, `toy/b` and the data set `toy`; return a maker of selection values."""
    monkeypatch.setenv("TVSEG_HOME", str(tmp_path / "home"))
    built: dict[str, list[Means]] = {"toy/a": [], "toy/b": []}

    def builder(name: str, scale: float) -> Callable[[], Means]:
        def build() -> Means:
            built[name].append(Means(name, scale))
            return built[name][-1]

        return build

    toys = {
        name: ModelEntry(card=None, build=builder(name, scale))
        for name, scale in (("toy/a", 1.0), ("toy/b", 3.0))
    }

    def values(**changes: Any) -> dict[str, Any]:
        return {
            "model": ["toy/a"],
            "protocol": ["kmeans-clip"],
            "dataset": ["toy"],
            "output": tmp_path / "out",
            "overrides": {"protocol.all.size": SIZE, "protocol.all.n_init": 2},
            **changes,
        }

    values.built = built  # type: ignore[attr-defined]
    data = {"toy": DatasetEntry(card=TOY, open=open_toy)}
    with models.overridden(toys, "the tests"), datasets.overridden(data):
        yield values
