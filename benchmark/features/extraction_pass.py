"""One walk over clips: frames -> batches of fixed shape -> features, in the order of the clips."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from tvseg_bench.benchmark.errors import DataError, ModelError
from tvseg_bench.benchmark.features import frames
from tvseg_bench.benchmark.features.runner import Frame, ModelRunner, Output
from tvseg_bench.benchmark.types import ClipFeatures

if TYPE_CHECKING:
    from tvseg_bench.benchmark.features.cache.entry import CacheEntry
    from tvseg_bench.benchmark.features.runner import Floats
    from tvseg_bench.benchmark.types import Clip, Dataset, View

WINDOW = 512
"""Frames among which images of one size look for batch mates (never fewer than 8 batches). The
15 sizes of PASCAL VOC in batches of 8: padding adds 30 % at 128 frames and 5 % at 512."""

Progress = Callable[[int, int], None]
"""Called with (frames done, frames in total), from the thread that runs the model."""


@dataclass(frozen=True)
class ExtractionJob:
    """What is to be extracted, by what means."""

    dataset: Dataset
    view: View
    forward: ModelRunner
    workers: int
    entry: CacheEntry | None
    """Where kept clips are read from."""
    keep: bool
    """Whether clips are written there as they are computed."""


@dataclass
class _Job:
    """A clip in the making."""

    index: int
    clip: Clip
    chosen: tuple[int, ...]
    kept: bool
    """Whether the cache has it."""
    size: tuple[int, int] | None = None
    tokens: Floats | None = None
    attention: Floats | None = None
    missing: int = field(init=False)
    """Frames without features yet."""

    def __post_init__(self) -> None:
        self.missing = 0 if self.kept else len(self.chosen)

    def admit(self, frame: Frame) -> None:
        """Refuse frames that cannot share one array of tokens."""
        self.size = self.size or frame.size
        if frame.size != self.size:
            raise DataError(
                f"frame {frame.frame} of clip {self.clip.name!r} is resized to "
                f"{frame.size[0]}x{frame.size[1]}, the frames before it to "
                f"{self.size[0]}x{self.size[1]}; the frames of a clip have to share one shape: "
                f"split the clip, or choose a view with resize='square'"
            )

    def fill(self, row: int, output: Output, at: int) -> None:
        """Store the features of one frame."""
        if self.tokens is None:
            self.tokens = _room(len(self.chosen), output.tokens)
            if output.attention is not None:
                self.attention = _room(len(self.chosen), output.attention)
        if self.tokens.shape[1:] != output.tokens.shape[1:]:
            raise ModelError(f"the model changes its grid within clip {self.clip.name!r}")
        self.tokens[row] = output.tokens[at]
        if self.attention is not None and output.attention is not None:
            self.attention[row] = output.attention[at]
        self.missing -= 1


def _room(n_frames: int, like: Floats) -> Floats:
    return np.empty((n_frames, *like.shape[1:]), like.dtype)


@dataclass(frozen=True)
class _Pending:
    """A decoded frame that waits for its batch."""

    order: int
    job: _Job
    row: int
    frame: Frame


class ExtractionPass:
    """One pass over some clips; used once.

    At most `largest_batch + workers` decoded frames wait for admission. An admitted one waits for
    mates of its size until a window of frames has passed; then it goes in a padded batch. Where
    all frames have one size, never more than a batch is waiting.

    Args:
        plan: what is to be extracted.
        indices: of the clips.
        stop: checked before every frame; when it is set the walk ends early.
        progress: told after every batch.
        read: whether kept clips are read back.
    """

    def __init__(
        self,
        plan: ExtractionJob,
        indices: Sequence[int],
        stop: threading.Event,
        progress: Progress | None,
        read: bool = True,
    ) -> None:
        self.plan = plan
        self.indices = indices
        self.stop = stop
        self.progress = progress
        self.entry = plan.entry if read else None
        self._ahead = plan.forward.largest_batch + plan.workers
        self._window = max(WINDOW, 8 * plan.forward.largest_batch)
        self._jobs: deque[_Job] = deque()
        self._decoding: deque[Future[_Pending]] = deque()
        self._buckets: dict[object, list[_Pending]] = {}  # in the order of their oldest frames
        self._submitted = 0
        self._done = 0
        self._total = 0

    def run(self) -> Generator[ClipFeatures, None, None]:
        """Yield the features of every clip, in order, each as soon as it can be."""
        if self.progress is not None:
            self._total = sum(len(self._chosen(self.plan.dataset.clips[i])) for i in self.indices)
        pool = ThreadPoolExecutor(self.plan.workers)
        try:
            for _ in self._steps(pool):
                yield from self._finished()
                if self.stop.is_set():
                    return
        finally:
            pool.shutdown(cancel_futures=True)

    def _steps(self, pool: ThreadPoolExecutor) -> Iterator[None]:
        """Go on by one frame, or one padded batch at the end, from step to step."""
        for index in self.indices:
            job = self._job(index)
            self._jobs.append(job)
            for row in range(job.missing):
                self._decoding.append(pool.submit(self._decode, job, row, self._submitted))
                self._submitted += 1
                if len(self._decoding) > self._ahead:
                    self._admit(self._decoding.popleft().result())
                yield
            yield
        while self._decoding:
            self._admit(self._decoding.popleft().result())
            yield
        while self._buckets:
            self._forward(next(iter(self._buckets)))
            yield

    def _job(self, index: int) -> _Job:
        clip = self.plan.dataset.clips[index]
        kept = self.entry is not None and self.entry.holds(clip)
        return _Job(index, clip, self._chosen(clip), kept)

    def _chosen(self, clip: Clip) -> tuple[int, ...]:
        return frames.choose_frames(clip.n_frames, self.plan.view, clip.name)

    def _decode(self, job: _Job, row: int, order: int) -> _Pending:
        """Read and resize one frame; runs in the pool."""
        card, view, frame = self.plan.forward.card, self.plan.view, job.chosen[row]
        image = frames.checked(job.clip.image(frame), f"frame {frame} of clip {job.clip.name!r}")
        size = frames.target_size(image.shape[0], image.shape[1], view, card.patch_size)
        pixels = frames.resized(image, size, card, view)
        return _Pending(order, job, row, Frame(job.clip.name, frame, pixels))

    def _admit(self, pending: _Pending) -> None:
        """Let a frame find its batch, and run the batches that are full or have waited enough."""
        forward, job = self.plan.forward, pending.job
        job.admit(pending.frame)
        key: object = job.index if forward.whole_clips else pending.frame.size
        bucket = self._buckets.setdefault(key, [])
        bucket.append(pending)
        if forward.whole_clips:
            full = len(bucket) == len(job.chosen)
        else:
            full = len(bucket) >= forward.batch_size(pending.frame.size)
        if full:
            self._forward(key)
        elif not forward.whole_clips:
            key, (oldest, *_) = next(iter(self._buckets.items()))
            if pending.order - oldest.order >= self._window:
                self._forward(key)

    def _forward(self, key: object) -> None:
        bucket = self._buckets.pop(key)
        output = self.plan.forward([pending.frame for pending in bucket])
        for at, pending in enumerate(bucket):
            pending.job.fill(pending.row, output, at)
        self._tell(len(bucket))

    def _tell(self, n_frames: int) -> None:
        self._done += n_frames
        if self.progress is not None:
            self.progress(self._done, self._total)

    def _finished(self) -> Iterator[ClipFeatures]:
        while self._jobs and not self._jobs[0].missing:
            job = self._jobs.popleft()
            features = self._read(job) if job.kept else self._made(job)
            if features is None:  # kept, but not to be trusted
                yield from ExtractionPass(
                    self.plan, [job.index], self.stop, None, read=False
                ).run()
            else:
                yield features

    def _read(self, job: _Job) -> ClipFeatures | None:
        assert self.entry is not None
        self._tell(len(job.chosen))
        return self.entry.get(job.clip, job.index, job.chosen)

    def _made(self, job: _Job) -> ClipFeatures:
        assert job.tokens is not None
        features = ClipFeatures(
            clip=job.clip,
            index=job.index,
            frames=job.chosen,
            tokens=job.tokens,
            attention=job.attention,
        )
        if self.plan.keep and self.plan.entry is not None:
            self.plan.entry.put(features)
        return features
