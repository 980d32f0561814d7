"""Clips as batches: decoded, augmented and normalised by a few threads, ahead of the trainer."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from tvseg_bench.benchmark.errors import DataError, UsageError
from tvseg_bench.benchmark.features.frames import TIMET_STATISTICS, checked, normalised
from tvseg_bench.benchmark.types import Clip, ModelCard
from tvseg_bench.models.training.data.augment import augmented
from tvseg_bench.models.training.data.sampling import choose_frames, clip_order, generator
from tvseg_bench.models.training.objectives.objective_types import ClipBatch
from tvseg_bench.models.training.recipes import Recipe

if TYPE_CHECKING:
    from tvseg_bench.benchmark.types import Image

AHEAD = 2
"""Batches being prepared while one is in use."""
FRAME_CACHE_BYTES = 2 * 2**30
"""Decoded frames that are cached, since decoding may cost more than the step."""


@dataclass(frozen=True)
class DrawnClip:
    """One clip of a batch."""

    name: str
    frames: tuple[int, ...]
    images: list[Image]


class ClipStream:
    """The batches of a run: batch s is a function of the seed and s alone.

    A clip of which a frame cannot be read is reported once, and the next clip of the epoch takes
    its place, so that a resumed run sees what the uninterrupted one saw.

    Args:
        rank: which part of each batch this process gets.
        skip: called once for each clip that cannot be read, with its name and the reason.

    Raises:
        UsageError: a batch that the processes cannot share, or a size that the model cannot see.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        recipe: Recipe,
        card: ModelCard,
        seed: int,
        *,
        rank: int = 0,
        world: int = 1,
        workers: int = 2,
        skip: Callable[[str, str], None] | None = None,
    ) -> None:
        if recipe.batch % world:
            raise UsageError(
                f"recipe.batch={recipe.batch} clips cannot be shared by {world} processes; choose "
                f"a multiple of {world}"
            )
        if recipe.size % card.patch_size:
            near = max(recipe.size // card.patch_size, 1) * card.patch_size
            raise UsageError(
                f"recipe.size={recipe.size} is not a multiple of {card.patch_size}, the patch of "
                f"{card.name}; choose {near}"
            )
        self.clips = clips
        self.recipe = recipe
        self.seed = seed
        self.skipped: dict[str, str] = {}
        self.steps_per_epoch = max(1, -(-len(clips) // recipe.batch))
        self.n_steps = recipe.steps or self.steps_per_epoch * recipe.epochs
        own = recipe.batch // world
        self._places = range(rank * own, rank * own + own)
        self._statistics = (
            TIMET_STATISTICS if recipe.statistics == "timet" else (card.mean, card.std)
        )
        self._workers = workers
        self._skip = skip
        self._decoded = _FrameCache(FRAME_CACHE_BYTES)
        self._lock = threading.Lock()

    def batches(self, start: int = 0) -> Iterator[ClipBatch]:
        """Yield this process's share of the batches from step `start` on.

        Raises:
            DataError: none of the clips can be read.
        """
        with ThreadPoolExecutor(self._workers) as pool:
            ahead: OrderedDict[int, list[Future[DrawnClip]]] = OrderedDict()
            try:
                for step in range(start, self.n_steps):
                    for s in range(step, min(step + AHEAD, self.n_steps)):
                        if s not in ahead:
                            at = [s * self.recipe.batch + i for i in self._places]
                            ahead[s] = [pool.submit(self.draw, place) for place in at]
                    yield self._batch([future.result() for future in ahead.pop(step)])
            finally:
                for futures in ahead.values():
                    for future in futures:
                        future.cancel()

    def draw(self, place: int) -> DrawnClip:
        """Return the clip at a place of the run, augmented.

        Raises:
            DataError: none of the clips can be read.
        """
        n = len(self.clips)
        order = clip_order(n, place // n, self.seed)
        for k in range(n):
            clip = self.clips[order[(place + k) % n]]
            rng = generator(self.seed, 2, place)
            frames = choose_frames(
                clip.n_frames,
                self.recipe.frames,
                self.recipe.sampling,
                rng,
                stride=self.recipe.stride,
            )
            try:
                images = [self._frame(clip, t) for t in frames]
                if len({image.shape for image in images}) > 1:
                    raise DataError(f"the frames of {clip.name} differ in size")
            except DataError as error:
                self._report(clip.name, str(error))
                continue
            shown = augmented(images, self.recipe.size, self.recipe.augmentation, rng)
            return DrawnClip(clip.name, frames, shown)
        reason = next(iter(self.skipped.values()))
        raise DataError(f"none of the {n} clips can be read; the first of them: {reason}")

    def _frame(self, clip: Clip, t: int) -> Image:
        def decode() -> Image:
            return checked(clip.image(t), f"frame {t} of {clip.name}")

        return self._decoded.get((clip.name, t), decode)

    def _report(self, name: str, reason: str) -> None:
        with self._lock:
            if name in self.skipped:
                return
            self.skipped[name] = reason
        if self._skip:
            self._skip(name, reason)

    def _batch(self, drawn: Sequence[DrawnClip]) -> ClipBatch:
        frames = torch.from_numpy(np.stack([image for clip in drawn for image in clip.images]))
        images = normalised(frames, self._statistics)
        return ClipBatch(
            images=images.view(len(drawn), -1, *images.shape[1:]),
            names=[clip.name for clip in drawn],
            frames=[clip.frames for clip in drawn],
            repeatable=self.recipe.augmentation == "none",
        )


class _FrameCache:
    """Decoded frames by clip and number; the least recently used are dropped when it is full."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: OrderedDict[tuple[str, int], Image] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: tuple[str, int], decode: Callable[[], Image]) -> Image:
        """Return a frame, decoded now if it is not held."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        image = decode()
        with self._lock:
            if key not in self._held:
                self._held[key] = image
                self._bytes += image.nbytes
            while self._bytes > self._limit and len(self._held) > 1:
                _, dropped = self._held.popitem(last=False)
                self._bytes -= dropped.nbytes
        return image
