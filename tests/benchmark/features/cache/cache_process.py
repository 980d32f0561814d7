"""What another process does with a cache; `python cache_process.py WHAT ROOT` runs it."""

import os
import sys
import warnings
from pathlib import Path

import numpy as np

from tvseg_bench.benchmark.features.cache import marks
from tvseg_bench.benchmark.features.cache.entry import CacheEntry
from tvseg_bench.benchmark.features.cache.feature_cache import FeatureCache
from tvseg_bench.benchmark.types import Clip, ClipFeatures, Dataset, DatasetCard, ModelCard, View

DATASET = Dataset(
    card=DatasetCard(
        name="toy",
        version=1,
        title="",
        splits=("val",),
        clip_labels="semantic",
        dataset_labels=None,
    ),
    split="val",
    clips=(),
    manifest_sha256="cd" * 32,
)
FRAMES = (0, 1, 2)
N_CLIPS = 6
ROUNDS = 12


def open_entry(cache: FeatureCache, model: str = "toy/vit") -> CacheEntry:
    """Open the entry of a model."""
    card = ModelCard(name=model, revision="sha256:" + "ab" * 32, patch_size=16, embed_dim=5)
    key = FeatureCache.key(card, DATASET, View(size=32), "fp32")
    assert key is not None
    return cache.entry(key)


def a_clip(number: int) -> Clip:
    """Return a clip that is known by its number."""
    return Clip(name=f"c{number}", n_frames=3, image=lambda t: np.zeros((4, 4, 3), np.uint8))


def features_of(number: int) -> ClipFeatures:
    """Return the features of a clip, the same in every process."""
    tokens = np.random.default_rng(number).random((3, 20, 30, 5)).astype(np.float32)
    return ClipFeatures(clip=a_clip(number), index=0, frames=FRAMES, tokens=tokens)


def is_right(entry: CacheEntry, number: int) -> bool:
    """Read a clip; return whether it was there, having compared it with what was put."""
    found = entry.get(a_clip(number), 0, FRAMES)
    if found is not None:
        assert found.tokens.tobytes() == features_of(number).tokens.tobytes()
    return found is not None


def say_and_wait() -> None:
    """Tell the parent that everything is ready, until it closes the pipe."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()


def hold(cache: FeatureCache) -> None:
    """Read a clip and keep the entry open until the end of the process."""
    global held
    held = open_entry(cache)
    assert is_right(held, 0)
    say_and_wait()


def touch_often(cache: FeatureCache) -> None:
    """Hold an entry, touching its mark all the time."""
    marks.TOUCH_S = 0.01
    hold(cache)


def write(cache: FeatureCache) -> None:
    """Write and read in rounds, opening the entry anew for every clip."""
    for _ in range(ROUNDS):
        for number in range(N_CLIPS):
            entry = open_entry(cache)
            if not entry.holds(a_clip(number)) or not is_right(entry, number):
                assert entry.put(features_of(number))
                assert entry.holds(a_clip(number)), "what is in use was removed"
            del entry


def fork(cache: FeatureCache) -> None:
    """Fork a reader twice: marks of parent and children do not mix."""
    entry = open_entry(cache)
    assert is_right(entry, 0)
    (parents,) = entry.path.glob(".reading-*")
    for leave in (sys.exit, os._exit):
        child = os.fork()
        if child == 0:
            assert is_right(entry, 0)
            assert len(list(entry.path.glob(".reading-*"))) == 2
            del entry
            assert list(cache.root.glob("*/*/*/.reading-*")) == [parents]
            assert open_entry(cache).put(features_of(1))  # whatever locks the parent held
            leave(0)
        assert os.waitpid(child, 0)[1] == 0
    assert list(entry.path.glob(".reading-*")) == [parents]


if __name__ == "__main__":
    warnings.simplefilter("error", UserWarning)
    actions = {"hold": hold, "touch_often": touch_often, "write": write, "fork": fork}
    actions[sys.argv[1]](FeatureCache(Path(sys.argv[2]), limit=10**9))
