"""A folder of video files as clips: opened when looked at, few at a time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tvseg_bench.benchmark.errors import DataError
from tvseg_bench.benchmark.types import Clip

if TYPE_CHECKING:
    from tvseg_bench.benchmark.types import Image

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".mkv", ".mov", ".avi", ".webm", ".m4v", ".mpg", ".mpeg", ".ts", ".ogv", ".wmv"}
)
MAX_OPEN = 4
"""A decoder holds tens of megabytes."""


class VideoClip(Protocol):
    """An open video file."""

    def __len__(self) -> int:
        """Return the number of frames."""
        ...

    def __getitem__(self, index: int) -> Image:
        """Return frame 0.. as [H, W, 3]."""
        ...

    def close(self) -> None:
        """Let the decoder go."""
        ...


@dataclass
class _Opened:
    video: VideoClip
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Decoders keep a position: one reader at a time."""
    users: int = 0


class VideoPool:
    """Keeps the videos used last open, at most `MAX_OPEN` besides those being read."""

    def __init__(self, stream: int | None = None) -> None:
        self._stream = stream
        self._opened: OrderedDict[Path, _Opened] = OrderedDict()
        self._lengths: dict[Path, int] = {}
        self._lock = threading.Lock()

    def length(self, path: Path) -> int:
        """Return the number of frames.

        Raises:
            DataError: the file cannot be read as a video.
        """
        if path not in self._lengths:
            opened = self._take(path)
            self._lengths[path] = len(opened.video)
            self._give_back(opened)
        return self._lengths[path]

    def frame(self, path: Path, index: int) -> Image:
        """Return frame 0.. as [H, W, 3].

        Raises:
            DataError: names the file and the frame.
        """
        opened = self._take(path)
        try:
            with opened.lock:
                return opened.video[index]
        finally:
            self._give_back(opened)

    def _take(self, path: Path) -> _Opened:
        from tvseg_bench.benchmark.data.video.reader import open_video

        with self._lock:
            opened = self._opened.pop(path, None) or _Opened(open_video(path, stream=self._stream))
            self._opened[path] = opened
            opened.users += 1
            idle = [key for key, other in self._opened.items() if not other.users]
            for key in idle[: max(0, len(self._opened) - MAX_OPEN)]:
                self._opened.pop(key).video.close()
        return opened

    def _give_back(self, opened: _Opened) -> None:
        with self._lock:
            opened.users -= 1


def video_clip(name: str, path: Path, pool: VideoPool, dataset: str) -> Clip:
    """Return the clip of one video file, without labels.

    Raises:
        DataError: the file cannot be read as a video.
    """
    try:
        n_frames = pool.length(path)
    except DataError as error:
        raise DataError(f"{dataset}, clip {name!r}: {error}") from error

    def image(frame: int) -> Image:
        try:
            return pool.frame(path, frame)
        except DataError as error:
            raise DataError(f"{dataset}, clip {name!r}, frame {frame}: {error}") from error

    return Clip(name=name, n_frames=n_frames, image=image)
