"""Extraction: from a frozen backbone and the clips of a data set to features.

One forward pass feeds every protocol that wants the same view. Frames are decoded and resized by
a few threads, a thread of its own runs the model ahead of the consumer, and memory is bounded: a
window of small frames and the tokens of the clip at the consumer, the next one, and the one in
progress. Batches have a fixed shape, so numbers do not depend on which frames share a batch.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tvseg_bench.benchmark.devices import resolve_device
from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.features.cache.feature_cache import FeatureCache
from tvseg_bench.benchmark.features.extraction_pass import ExtractionJob, ExtractionPass, Progress
from tvseg_bench.benchmark.features.frame_cache import FrameCache
from tvseg_bench.benchmark.features.prefetch import prefetched
from tvseg_bench.benchmark.features.runner import ModelRunner
from tvseg_bench.benchmark.types import ClipFeatures, Dataset, FeatureModel, FeatureSet, View


@dataclass(frozen=True)
class ExtractOptions:
    """How features are computed; nothing here changes what they mean."""

    device: str = "auto"
    """`auto` is CUDA where there is one, else the CPU."""
    dtype: Literal["fp32", "bf16"] = "fp32"
    """bf16: autocast, features stored as float16."""
    batch_size: int | Literal["auto"] = "auto"
    """Frames at once; auto = 8 on a CPU and 64 on CUDA, fewer where a frame has many tokens."""
    workers: int | Literal["auto"] = "auto"
    """Threads that decode and resize; auto = the processors this process may use, 8 at most."""

    def __post_init__(self) -> None:
        """Raise UsageError unless the values are within their ranges."""
        if self.dtype not in ("fp32", "bf16"):
            raise UsageError(f"unknown dtype {self.dtype!r}; known: fp32, bf16")
        for name, value in (("batch_size", self.batch_size), ("workers", self.workers)):
            if value != "auto" and (not isinstance(value, int) or value < 1):
                raise UsageError(f"{name}={value!r} has to be 1 or more, or auto")


def feature_set(
    model: FeatureModel,
    dataset: Dataset,
    view: View,
    options: ExtractOptions,
    *,
    cache: FeatureCache | None = None,
    keep: bool = False,
    frames: FrameCache | None = None,
    progress: Progress | None = None,
) -> FeatureSet:
    """Return the features of a data set under a view, computed when they are asked for.

    Every iteration streams clip by clip and computes again, unless the clips are cached: with
    `keep`, each clip is written to the cache as it is computed (the default cache where none is
    given) and read back from then on, by this and any later process. A given cache is read in
    any case. Cached and streamed features are the same numbers, of the same type. A model whose
    card states no revision, or a data set without a manifest, is never cached.

    Where other models or views pass over the same frames, give each pass the same `frames`: what
    is resized to the same size with the same filter is decoded and resized once, as far as that
    memory reaches. The pixels are the same, and so are the numbers.

    Raises:
        UsageError: the device is not there.
        ModelError: the card promises whole clips and the model cannot take them. While iterating:
            the model fails, breaks its card's promises, or does not fit in memory.
        DataError: while iterating: a frame cannot be read, or the frames of a clip differ in size.
        NotApplicableError: while iterating: the view wants attention and the model has none.
    """
    device = resolve_device(options.device)
    runner = ModelRunner(model, view, device, options.dtype, options.batch_size)
    cache = FeatureCache() if keep and cache is None else cache
    key = FeatureCache.key(model.card, dataset, view, options.dtype)
    if keep and key is None:
        warnings.warn(
            f"features of {model.card.name!r} on {dataset.card.name!r} are not cached: the card "
            f"states no revision or the data set no manifest",
            stacklevel=2,
        )
    entry = cache.entry(key) if cache and key else None
    job = ExtractionJob(
        dataset, view, runner, _workers(options), entry, keep, frames or FrameCache(0)
    )
    return _ExtractedFeatures(job, progress)


def _workers(options: ExtractOptions) -> int:
    if options.workers != "auto":
        return options.workers
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(8, usable or 1)


class _ExtractedFeatures:
    """Features of a data set; see `types.FeatureSet`."""

    def __init__(self, job: ExtractionJob, progress: Progress | None) -> None:
        self.dataset = job.dataset
        self.view = job.view
        self.patch_size = job.runner.card.patch_size
        self._job = job
        self._progress = progress

    def __len__(self) -> int:
        return len(self.dataset.clips)

    def __iter__(self) -> Iterator[ClipFeatures]:
        return prefetched(
            lambda stop: ExtractionPass(self._job, range(len(self)), stop, self._progress).run(),
            weight=lambda features: len(features.frames),
            limit=2 * self._job.runner.largest_batch,
        )

    def __getitem__(self, index: int) -> ClipFeatures:
        position = range(len(self))[index]
        (features,) = ExtractionPass(self._job, [position], threading.Event(), None).run()
        return features
