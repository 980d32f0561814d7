"""Frames once more by decord: plain H.264 and HEVC, fast at jumping back and forth in a file.

decord (0.6, the last release, of 2021) fills lost parts of a frame without an error, repeats or
shifts frames where there are edit lists or open groups of pictures, ignores mirrored frames and
Matroska's rotation, and rounds more than 8 bits in its own way. So PyAV reads each frame first and
notices damage; decord may read it again, and what it gives has to be the same to the bit. Nothing
is decoded twice for one reading.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from types import ModuleType
from typing import Any

from tvseg_bench.benchmark.data.video.container import MATROSKA, MOV, StreamInfo
from tvseg_bench.benchmark.types import Image


def import_decord() -> ModuleType | None:
    """Import decord and keep it from writing to the terminal; None where it is not installed."""
    try:
        import decord
    except (ImportError, OSError):
        return None
    decord.logging.set_level(decord.logging.QUIET)
    module: ModuleType = decord
    return module


def unfit(info: StreamInfo) -> str:
    """Return why decord is not tried for a stream; empty where it is.

    Measured with decord 0.6: it is right in nothing else, and cannot be told which stream to read.
    """
    if info.codec not in ("h264", "hevc") or info.container not in (MOV, MATROSKA):
        kind = info.container.split(",")[0]
        return f"it is {info.codec} in {kind}; decord is exact for H.264 and HEVC in mp4, mov, mkv"
    return "it has several video streams" if info.n_video_streams > 1 else ""


class DecordReader:
    """Reads frames again that were read before, and gives the same pixels or an error."""

    def __init__(self, path: Path, decord: ModuleType) -> None:
        self._path, self._decord = path, decord
        self._handle: Any = None
        self._checksums: dict[int, int] = {}

    def __contains__(self, number: int) -> bool:
        return number in self._checksums

    def remember(self, number: int, image: Image) -> None:
        """Note what a frame looks like."""
        self._checksums[number] = zlib.crc32(image.data)

    def read(self, number: int) -> Image:
        """Return a frame that was remembered, uint8 [H, W, 3] RGB.

        Raises:
            Exception: whatever decord raises, or ValueError where its pixels are others.
        """
        if self._handle is None:
            context = self._decord.cpu(0)
            self._handle = self._decord.VideoReader(str(self._path.resolve()), ctx=context)
        image: Image = self._handle[number].asnumpy()
        if zlib.crc32(image.data) != self._checksums[number]:
            raise ValueError("it sees other pixels than FFmpeg does")
        return image

    def close(self) -> None:
        """Release the file; a frame that is asked for later opens it again."""
        self._handle = None
