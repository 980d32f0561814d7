"""Decoded and resized frames, kept for the next models that want the same pixels.

A run goes model by model over the same data sets. Reading a frame costs the same for every model,
and on a fast GPU it costs more than the model does (docs/notes/speed.md).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from tvseg_bench.benchmark.features import frames
from tvseg_bench.benchmark.features.cache.feature_cache import parse_bytes

if TYPE_CHECKING:
    from tvseg_bench.benchmark.types import Clip, Dataset, Image, ModelCard, View

DEFAULT_LIMIT = 2**30
OVERHEAD = 512
"""Bytes that a frame takes beside its pixels: its key and its size before it was resized."""


class FrameCache:
    """Resized frames uint8 [h, w, 3] in memory, up to a number of bytes; used from any thread.

    First come, first stored: a pass reads a data set from its first clip to its last, where
    dropping the oldest frame would always drop the one that the next pass wants first. Frames of
    data sets without a manifest are never kept, since nothing says which frames they are.

    Args:
        limit: bytes, default `TVSEG_FRAME_CACHE` (1 GiB where it is not set); 0 keeps nothing.

    Raises:
        UsageError: `TVSEG_FRAME_CACHE` is not a size.
    """

    def __init__(self, limit: int | None = None) -> None:
        if limit is None:
            limit = parse_bytes(os.environ.get("TVSEG_FRAME_CACHE") or str(DEFAULT_LIMIT))
        self.limit = limit
        self.used = 0
        self._lock = threading.Lock()
        self._sizes: dict[Hashable, tuple[int, int]] = {}
        self._pixels: dict[Hashable, Image] = {}

    def get(
        self,
        dataset: Dataset,
        clip: Clip,
        frame: int,
        card: ModelCard,
        view: View,
        read: Callable[[], Image],
    ) -> Image:
        """Return a frame as a view wants it for a model, decoded and resized if it is not kept.

        Args:
            read: decodes the frame, uint8 [H, W, 3].
        """
        source = _source(dataset, clip, frame)
        original = self._sizes.get(source)
        if original is not None:
            kept = self._pixels.get(_key(source, original, card, view))
            if kept is not None:
                return kept
        image = read()
        original = (image.shape[0], image.shape[1])
        size = frames.target_size(*original, view, card.patch_size)
        pixels = frames.resized(image, size, card, view)
        key, needed = _key(source, original, card, view), pixels.nbytes + OVERHEAD
        with self._lock:
            fits = key not in self._pixels and self.used + needed <= self.limit
            if fits and dataset.manifest_sha256:
                # Where nothing was resized, the array is the reader's.
                self._pixels[key] = image.copy() if pixels is image else pixels
                self._sizes[source] = original
                self.used += needed
        return pixels


def _source(dataset: Dataset, clip: Clip, frame: int) -> Hashable:
    card = dataset.card
    manifest = dataset.manifest_sha256
    return card.name, card.version, dataset.split, manifest, clip.name, frame


def _key(source: Hashable, original: tuple[int, int], card: ModelCard, view: View) -> Hashable:
    size = frames.target_size(*original, view, card.patch_size)
    return source, size, frames.interpolation(card, view)
