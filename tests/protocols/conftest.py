"""Small feature sets whose truth is known: features that say which object a patch belongs to."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from tvseg_bench.benchmark.types import (
    Clip,
    ClipFeatures,
    Dataset,
    DatasetCard,
    View,
)


@dataclass
class ListFeatures:
    """A feature set held in memory."""

    dataset: Dataset
    clips: Sequence[ClipFeatures]
    view: View = field(default_factory=View)
    patch_size: int = 16

    def __len__(self) -> int:
        return len(self.clips)

    def __iter__(self) -> Iterator[ClipFeatures]:
        return iter(self.clips)

    def __getitem__(self, index: int) -> ClipFeatures:
        return self.clips[index]


def make_card(**changes: Any) -> DatasetCard:
    values: dict[str, Any] = {
        "name": "toy",
        "version": 1,
        "title": "toy",
        "splits": ("val",),
        "clip_labels": "semantic",
        "dataset_labels": "semantic",
        "classes": ("background", "disc", "square"),
    }
    return DatasetCard(**{**values, **changes})


def make_features(
    truths: Sequence[np.ndarray],
    patch: int = 8,
    noise: float = 0.05,
    seed: int = 0,
    dim: int = 12,
    card: DatasetCard | None = None,
    kind: str = "semantic",
) -> ListFeatures:
    """Return features of clips whose truth [T, H, W] is given: one direction per label."""
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(256, dim))
    clips, rows = [], []
    for index, truth in enumerate(truths):
        patches = truth[:, patch // 2 :: patch, patch // 2 :: patch]
        tokens = directions[patches] + noise * rng.normal(size=(*patches.shape, dim))
        masks = {kind: lambda t, truth=truth: truth[t]}
        clip = Clip(
            name=f"clip{index}",
            n_frames=len(truth),
            image=lambda t, truth=truth: np.zeros((*truth.shape[1:], 3), np.uint8),
            **masks,  # type: ignore[arg-type]
        )
        clips.append(clip)
        rows.append(
            ClipFeatures(
                clip=clip,
                index=index,
                frames=tuple(range(len(truth))),
                tokens=tokens.astype(np.float32),
            )
        )
    card = card or make_card(clip_labels=kind)
    dataset = Dataset(
        card=card,
        split="val",
        clips=clips,
        manifest_sha256="0" * 64,
        classes=card.classes,
        dataset_labels=card.dataset_labels,
        dataset_labels_hint="davis_semantics.json would name them",
    )
    return ListFeatures(dataset, rows, patch_size=patch)


def blocks(n_frames: int, labels: Sequence[int], size: int = 48) -> np.ndarray:
    """Return [T, size, size] truth: background with a block per label that moves down."""
    truth = np.zeros((n_frames, size, size), np.uint8)
    for t in range(n_frames):
        for i, label in enumerate(labels):
            left = 4 + i * size // len(labels)
            truth[t, 8 + 2 * t : 26 + 2 * t, left : left + size // len(labels) - 6] = label
    return truth


@pytest.fixture
def features() -> Callable[..., ListFeatures]:
    return make_features


@pytest.fixture
def toy() -> ListFeatures:
    """Three clips, two classes and background, features that separate them."""
    return make_features([blocks(3, [1, 2]), blocks(4, [2]), blocks(3, [1])])


@pytest.fixture
def moving_blocks() -> Callable[..., np.ndarray]:
    return blocks


@pytest.fixture
def card() -> Callable[..., DatasetCard]:
    return make_card
