"""One pass over clips: frames -> batches of fixed shape -> features, in the order of the clips."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from tvseg_bench.benchmark.errors import DataError, ModelError
from tvseg_bench.benchmark.features import frames
from tvseg_bench.benchmark.features.cache.entry import CacheEntry
from tvseg_bench.benchmark.features.frame_cache import FrameCache
from tvseg_bench.benchmark.features.runner import DecodedFrame, Floats, ModelOutput, ModelRunner
from tvseg_bench.benchmark.types import Clip, ClipFeatures, Dataset, Image, View

WINDOW = 512
"""Frames among which images of one size look for batch mates (never fewer than 8 batches). The
15 sizes of PASCAL VOC in batches of 8: padding adds 30 % at 128 frames and 5 % at 512."""

Progress = Callable[[int, int], None]
"""Called with (frames done, frames in total), from the thread that runs the model."""


@dataclass(frozen=True)
class ExtractionJob:
    """Which features are computed, by which model, and which cache serves them."""

    dataset: Dataset
    view: View
    runner: ModelRunner
    workers: int
    entry: CacheEntry | None
    """Where cached clips are read from."""
    keep: bool
    """Whether clips are written there as they are computed."""
    frames: FrameCache
    """Where resized frames are kept for other passes."""


@dataclass
class _ClipInProgress:
    """A clip whose features are being computed or read."""

    index: int
    clip: Clip
    chosen: tuple[int, ...]
    cached: bool
    size: tuple[int, int] | None = None
    tokens: Floats | None = None
    attention: Floats | None = None
    missing: int = field(init=False)
    """Frames without features yet."""

    def __post_init__(self) -> None:
        self.missing = 0 if self.cached else len(self.chosen)

    def check_size(self, frame: DecodedFrame) -> None:
        """Raise DataError unless the frames so far can share one array of tokens."""
        self.size = self.size or frame.size
        if frame.size != self.size:
            raise DataError(
                f"frame {frame.frame} of clip {self.clip.name!r} is resized to "
                f"{frame.size[0]}x{frame.size[1]}, the frames before it to "
                f"{self.size[0]}x{self.size[1]}; the frames of a clip have to share one shape: "
                f"split the clip, or choose a view with resize='square'"
            )

    def fill(self, row: int, output: ModelOutput, at: int) -> None:
        """Store the features of one frame."""
        if self.tokens is None:
            self.tokens = _empty_like(len(self.chosen), output.tokens)
            if output.attention is not None:
                self.attention = _empty_like(len(self.chosen), output.attention)
        if self.tokens.shape[1:] != output.tokens.shape[1:]:
            raise ModelError(f"the model changes its grid within clip {self.clip.name!r}")
        self.tokens[row] = output.tokens[at]
        if self.attention is not None and output.attention is not None:
            self.attention[row] = output.attention[at]
        self.missing -= 1


def _empty_like(n_frames: int, like: Floats) -> Floats:
    return np.empty((n_frames, *like.shape[1:]), like.dtype)


@dataclass(frozen=True)
class _Pending:
    """A decoded frame that waits for its batch."""

    order: int
    clip: _ClipInProgress
    row: int
    frame: DecodedFrame


class ExtractionPass:
    """One pass over some clips; used once.

    At most `largest_batch + workers` decoded frames wait for admission. An admitted one waits for
    mates of its size until a window of frames has passed; then it goes in a padded batch. Where
    all frames have one size, never more than a batch is waiting.

    Args:
        stop: checked before every frame; when it is set the pass ends early.
        read: whether cached clips are read.
    """

    def __init__(
        self,
        job: ExtractionJob,
        indices: Sequence[int],
        stop: threading.Event,
        progress: Progress | None,
        read: bool = True,
    ) -> None:
        self.job = job
        self.indices = indices
        self.stop = stop
        self.progress = progress
        self.entry = job.entry if read else None
        self._ahead = job.runner.largest_batch + job.workers
        self._window = max(WINDOW, 8 * job.runner.largest_batch)
        self._clips: deque[_ClipInProgress] = deque()
        self._decoding: deque[Future[_Pending]] = deque()
        self._buckets: dict[object, list[_Pending]] = {}  # in the order of their oldest frames
        self._submitted = 0
        self._done = 0
        self._total = 0

    def run(self) -> Generator[ClipFeatures, None, None]:
        """Yield the features of every clip, in order, each as soon as it can be."""
        if self.progress is not None:
            self._total = sum(len(self._chosen(self.job.dataset.clips[i])) for i in self.indices)
        pool = ThreadPoolExecutor(self.job.workers)
        try:
            for _ in self._steps(pool):
                yield from self._finished()
                if self.stop.is_set():
                    return
        finally:
            pool.shutdown(cancel_futures=True)

    def _steps(self, pool: ThreadPoolExecutor) -> Iterator[None]:
        """Advance by one frame at every step, by one padded batch at the end."""
        for index in self.indices:
            clip = self._clip(index)
            self._clips.append(clip)
            for row in range(clip.missing):
                self._decoding.append(pool.submit(self._decode, clip, row, self._submitted))
                self._submitted += 1
                if len(self._decoding) > self._ahead:
                    self._admit(self._decoding.popleft().result())
                yield
            yield
        while self._decoding:
            self._admit(self._decoding.popleft().result())
            yield
        while self._buckets:
            self._run_batch(next(iter(self._buckets)))
            yield

    def _clip(self, index: int) -> _ClipInProgress:
        clip = self.job.dataset.clips[index]
        cached = self.entry is not None and self.entry.holds(clip)
        return _ClipInProgress(index, clip, self._chosen(clip), cached)

    def _chosen(self, clip: Clip) -> tuple[int, ...]:
        return frames.choose_frames(clip.n_frames, self.job.view, clip.name)

    def _decode(self, clip: _ClipInProgress, row: int, order: int) -> _Pending:
        """Read and resize one frame; runs in the pool."""
        frame, name = clip.chosen[row], clip.clip.name

        def read() -> Image:
            return frames.checked(clip.clip.image(frame), f"frame {frame} of clip {name!r}")

        job = self.job
        card, view = job.runner.card, job.view
        pixels = job.frames.get(job.dataset, clip.clip, frame, card, view, read)
        return _Pending(order, clip, row, DecodedFrame(name, frame, pixels))

    def _admit(self, pending: _Pending) -> None:
        """Put a frame in its batch, and run the batches that are full or have waited enough."""
        runner, clip = self.job.runner, pending.clip
        clip.check_size(pending.frame)
        key: object = clip.index if runner.whole_clips else pending.frame.size
        bucket = self._buckets.setdefault(key, [])
        bucket.append(pending)
        if runner.whole_clips:
            full = len(bucket) == len(clip.chosen)
        else:
            full = len(bucket) >= runner.batch_size(pending.frame.size)
        if full:
            self._run_batch(key)
        elif not runner.whole_clips:
            key, (oldest, *_) = next(iter(self._buckets.items()))
            if pending.order - oldest.order >= self._window:
                self._run_batch(key)

    def _run_batch(self, key: object) -> None:
        bucket = self._buckets.pop(key)
        output = self.job.runner([pending.frame for pending in bucket])
        for at, pending in enumerate(bucket):
            pending.clip.fill(pending.row, output, at)
        self._report(len(bucket))

    def _report(self, n_frames: int) -> None:
        self._done += n_frames
        if self.progress is not None:
            self.progress(self._done, self._total)

    def _finished(self) -> Iterator[ClipFeatures]:
        while self._clips and not self._clips[0].missing:
            clip = self._clips.popleft()
            features = self._read(clip) if clip.cached else self._computed(clip)
            if features is None:  # the file in the cache is damaged
                yield from ExtractionPass(
                    self.job, [clip.index], self.stop, None, read=False
                ).run()
            else:
                yield features

    def _read(self, clip: _ClipInProgress) -> ClipFeatures | None:
        assert self.entry is not None
        self._report(len(clip.chosen))
        return self.entry.get(clip.clip, clip.index, clip.chosen)

    def _computed(self, clip: _ClipInProgress) -> ClipFeatures:
        assert clip.tokens is not None
        features = ClipFeatures(
            clip=clip.clip,
            index=clip.index,
            frames=clip.chosen,
            tokens=clip.tokens,
            attention=clip.attention,
        )
        if self.job.keep and self.job.entry is not None:
            self.job.entry.put(features)
        return features
