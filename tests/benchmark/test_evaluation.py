"""What the contract of a protocol brings of its own."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from tvseg_bench.benchmark.evaluation import RunContext, SharedCache
from tvseg_bench.benchmark.types import Clip, Dataset, DatasetCard


def test_what_fits_is_made_once_and_the_rest_every_time() -> None:
    made: list[str] = []
    shared = SharedCache(limit=10)

    def make(name: str) -> Callable[[], str]:
        return lambda: made.append(name) or name  # type: ignore[func-returns-value]

    for _ in range(3):
        assert shared.get("a", make("a"), lambda _: 6) == "a"
        assert shared.get("b", make("b"), lambda _: 6) == "b"
        assert shared.get("c", make("c"), lambda _: 4) == "c"
    assert made == ["a", "b", "c", "b", "b"]
    assert shared.used == 10
    assert "b" not in shared


def test_a_range_of_clips_belongs_to_its_data_set() -> None:
    card = DatasetCard(
        name="toy",
        version=1,
        title="toy",
        splits=("val",),
        clip_labels="semantic",
        dataset_labels=None,
    )
    clips = [Clip(name=name, n_frames=1, image=np.zeros) for name in "abc"]
    whole = Dataset(card=card, split="val", clips=clips, manifest_sha256="0" * 64)

    class Features:
        dataset = replace(whole, clips=clips[1:])

    features: Any = Features()
    assert RunContext().dataset(features) is features.dataset
    assert RunContext(whole=whole).dataset(features) is whole
