"""A folder of video files as clips: opened when looked at, few at a time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

from tvseg_bench.benchmark.errors import DataError
from tvseg_bench.benchmark.types import Clip

if TYPE_CHECKING:
    from tvseg_bench.benchmark.data.video.reader import Video
    from tvseg_bench.benchmark.types import Image

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".mkv", ".mov", ".avi", ".webm", ".m4v", ".mpg", ".mpeg", ".ts", ".ogv", ".wmv"}
)
MAX_OPEN = 4
"""A decoder holds tens of megabytes."""


class VideoPool:
    """Videos by path, of which the `MAX_OPEN` used last stay open; safe from any thread."""

    def __init__(self, stream: int | None = None) -> None:
        self._stream = stream
        self._opened: OrderedDict[Path, Video] = OrderedDict()
        self._lengths: dict[Path, int] = {}
        self._lock = threading.Lock()

    def length(self, path: Path) -> int:
        """Return the number of frames.

        Raises:
            DataError: the file cannot be read as a video.
        """
        if path not in self._lengths:
            self._lengths[path] = len(self._open(path))
        return self._lengths[path]

    def frame(self, path: Path, index: int) -> Image:
        """Return frame 0.. as [H, W, 3].

        Raises:
            DataError: names the file and the frame.
        """
        return self._open(path)[index]

    def _open(self, path: Path) -> Video:
        from tvseg_bench.benchmark.data.video.reader import open_video

        with self._lock:
            video = self._opened.pop(path, None)
            if video is None:
                video = open_video(path, stream=self._stream)
            self._opened[path] = video
            n_surplus = max(0, len(self._opened) - MAX_OPEN)
            surplus = [self._opened.popitem(last=False)[1] for _ in range(n_surplus)]
        for other in surplus:  # whoever still reads one opens it again for the frames that follow
            other.close()
        return video


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
