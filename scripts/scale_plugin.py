"""Models, data sets and a protocol that cost nothing but the time they are told to take.

A plugin file, for measuring what runs over many machines cost beside the work itself:

    tvseg-bench run --plugin scripts/scale_plugin.py --model sleep:0.5 \
        --protocol idle-clip --dataset idle-frames --limit 100 --range-frames 1 --executor ray

`sleep:SECONDS` sleeps at every batch and gives tokens of zeros. `idle-frames` has 10 000 clips of
one black frame of 16 x 16 pixels, so that a range of one frame is a task. `idle-clip` looks at the
features and gives 1. `grid-model/00` to `29` and `grid-data-0` to `5` (320 clips of 100 frames
each) make a large plan; none of their frames can be read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from pydantic import BaseModel, ConfigDict

from tvseg_bench.benchmark.errors import DataError
from tvseg_bench.benchmark.evaluation import Needs, RunContext
from tvseg_bench.benchmark.registry import (
    DatasetEntry,
    ModelEntry,
    ProtocolEntry,
    datasets,
    models,
    protocols,
)
from tvseg_bench.benchmark.types import (
    Clip,
    Dataset,
    DatasetCard,
    FeatureSet,
    MetricCard,
    ModelCard,
    PatchFeatures,
    Score,
    UnitScore,
    View,
)

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

PATCH = 16
CHANNELS = 4
GRID_MODELS = 30
GRID_DATASETS = 6
GRID_CLIPS = 320
GRID_FRAMES = 100


# ---------------------------------------------------------------------------------- models


class Sleeper:
    """Sleeps at every batch of images and gives tokens of zeros."""

    def __init__(self, name: str, seconds: float) -> None:
        self.card = ModelCard(
            name=name, revision="nothing", patch_size=PATCH, embed_dim=CHANNELS, licence="CC0-1.0"
        )
        self.seconds = seconds

    def extract(self, images: torch.Tensor) -> PatchFeatures:
        """Return zeros for images [B, 3, H, W]."""
        if images.abs().amax() > 0:  # black frames are never 0 once they are normalised
            time.sleep(self.seconds)
        grid = (images.shape[2] // PATCH, images.shape[3] // PATCH)
        return PatchFeatures(images.new_zeros(len(images), grid[0] * grid[1], CHANNELS), grid)


def _sleeper(seconds: str) -> ModelEntry:
    return ModelEntry(card=None, build=partial(Sleeper, f"sleep/{seconds}", float(seconds)))


# ------------------------------------------------------------------------------- data sets


@dataclass(frozen=True)
class LazyClips(Sequence[Clip]):
    """Clips that are made when they are asked for."""

    n_clips: int
    n_frames: int
    image: Callable[[int], NDArray[np.uint8]]
    first: int = 0

    def __len__(self) -> int:
        return self.n_clips

    @overload
    def __getitem__(self, index: int) -> Clip: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Clip]: ...

    def __getitem__(self, index: int | slice) -> Clip | Sequence[Clip]:
        positions = range(self.n_clips)[index]
        if isinstance(positions, range):
            first = self.first + positions.start
            return LazyClips(len(positions), self.n_frames, self.image, first)
        name = f"clip-{self.first + positions:05d}"
        return Clip(name=name, n_frames=self.n_frames, image=self.image, semantic=_labels)


def _black(t: int) -> NDArray[np.uint8]:
    import numpy as np

    return np.zeros((PATCH, PATCH, 3), np.uint8)


def _labels(t: int) -> NDArray[np.uint8]:
    import numpy as np

    return np.zeros((PATCH, PATCH), np.uint8)


def _nothing(t: int) -> NDArray[np.uint8]:
    raise DataError("the data sets of a large plan have no frames; choose idle-frames")


def _dataset(name: str, clips: int, n_frames: int, image: Callable[[int], Any]) -> DatasetEntry:
    card = DatasetCard(
        name=name,
        version=1,
        title="frames that hold nothing",
        splits=("val", "train"),
        training=("train",),
        clip_labels="semantic",
        dataset_labels="semantic",
        classes=("background", "object"),
    )

    def opened(root: Path | None, split: str | None) -> Dataset:
        chosen = split or "val"
        return Dataset(
            card=card,
            split=chosen,
            clips=LazyClips(clips, n_frames, image, 0 if chosen == "val" else clips),
            manifest_sha256=("ab" if chosen == "val" else "cd") * 32,
            classes=card.classes,
            dataset_labels="semantic",
        )

    return DatasetEntry(card=card, open=opened)


# -------------------------------------------------------------------------------- protocol


class IdleConfig(BaseModel):
    """Nothing to configure but the unit."""

    model_config = ConfigDict(frozen=True)

    unit: Literal["clip", "dataset"] = "clip"


@dataclass(frozen=True)
class Seen:
    """That a clip was seen."""

    clip: str
    n_frames: int


@dataclass(frozen=True)
class Idle:
    """Looks at the features of every clip and gives 1."""

    config: IdleConfig
    row_type = Seen

    @property
    def needs(self) -> Needs:
        """One pass, clip by clip."""
        return Needs(unit=self.config.unit)

    def view(self, dataset: Dataset) -> View:
        """Return what the model is shown."""
        return View(size=PATCH)

    def check_dataset(self, dataset: Dataset) -> None:
        """Refuse nothing."""

    def evaluate(self, features: FeatureSet, run: RunContext) -> Score:
        """Look at every clip."""
        return self.combine(list(self.score_clips(features, run)), features.dataset)

    def score_clips(self, features: FeatureSet, run: RunContext) -> Iterator[Seen]:
        """Look at some clips."""
        for clip in features:
            yield Seen(clip.clip.name, len(clip.frames))

    def combine(self, rows: Sequence[Seen], dataset: Dataset) -> Score:
        """Return 1 for every clip."""
        clips = [UnitScore(clip=r.clip, n_frames=r.n_frames, metrics={"seen": 1.0}) for r in rows]
        return Score(metrics={"seen": 1.0}, clips=clips)


def _protocol(config: IdleConfig) -> ProtocolEntry:
    return ProtocolEntry(
        version=1,
        title="looks at the features and gives 1",
        paper="none",
        presets={"standard": config},
        build=Idle,
        metrics={"seen": MetricCard(title="1 for every clip that was seen")},
    )


# --------------------------------------------------------------------------- registrations

models.scheme("sleep", _sleeper)
protocols.register("idle-clip", _protocol(IdleConfig()), __file__)
protocols.register("idle-dataset", _protocol(IdleConfig(unit="dataset")), __file__)
datasets.register("idle-frames", _dataset("idle-frames", 10_000, 1, _black), __file__)
for _i in range(GRID_MODELS):
    _name = f"grid-model/{_i:02d}"
    models.register(_name, ModelEntry(card=None, build=partial(Sleeper, _name, 0.0)), __file__)
for _i in range(GRID_DATASETS):
    _name = f"grid-data-{_i}"
    _entry = _dataset(_name, GRID_CLIPS, GRID_FRAMES, _nothing)
    datasets.register(_name, _entry, __file__)
