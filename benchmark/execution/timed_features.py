"""How long a protocol waits for features, and how long it computes itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from tvseg_bench.benchmark.types import ClipFeatures, Dataset, FeatureSet, View


@dataclass
class TimedFeatures:
    """A feature set that measures how long its reader waits for it."""

    inner: FeatureSet
    view: View
    """What the protocol asked for; the features may hold attention beside it."""
    dataset: Dataset = field(init=False)
    patch_size: int = field(init=False)
    waited_s: float = field(default=0.0, init=False)
    frames: int = field(default=0, init=False)
    """Of the last iteration."""

    def __post_init__(self) -> None:
        """Take over what describes the features."""
        self.dataset, self.patch_size = self.inner.dataset, self.inner.patch_size

    def __len__(self) -> int:
        return len(self.inner)

    def __getitem__(self, index: int) -> ClipFeatures:
        begin = time.perf_counter()
        clip = self.inner[index]
        self.waited_s += time.perf_counter() - begin
        return clip

    def __iter__(self) -> Iterator[ClipFeatures]:
        source = iter(self.inner)
        self.frames = 0
        while True:
            begin = time.perf_counter()
            clip = next(source, None)
            self.waited_s += time.perf_counter() - begin
            if clip is None:
                return
            self.frames += len(clip.frames)
            yield clip
