"""Video files as numbered frames: PyAV decodes and notices damage, decord repeats where it can."""

from __future__ import annotations

import operator
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from tvseg_bench.benchmark.data.video.container import StreamInfo, inspect_stream
from tvseg_bench.benchmark.data.video.decord_reader import DecordReader, import_decord, unfit
from tvseg_bench.benchmark.data.video.frame_decoder import FrameDecoder
from tvseg_bench.benchmark.data.video.frame_index import FrameIndex, build_index
from tvseg_bench.benchmark.errors import DataError, UsageError
from tvseg_bench.benchmark.types import Image


class FrameNumberError(DataError, IndexError):
    """A frame was asked for that the video does not have; also ends a plain `for` loop."""


class Video:
    """The frames of one video stream, decoded when they are asked for.

    Frame `i` is the i-th frame in presentation order, converted to RGB and turned upright as
    FFmpeg does by default. Reading is safe from any thread, one frame at a time. Files are opened
    with the first frame and closed by `close()`; a frame that is asked for later opens them again.
    """

    def __init__(
        self,
        path: Path,
        info: StreamInfo,
        index: FrameIndex,
        reason: str,
        decord: DecordReader | None = None,
    ) -> None:
        self.path = path
        self.info = info
        self.index = index
        self.reason = reason
        """One sentence: why `reader` is the one it is."""
        self._decord = decord
        self._decoder = FrameDecoder(path, info, index)
        self._lock = threading.Lock()

    @property
    def reader(self) -> Literal["decord", "av"]:
        """Who reads a frame again: decord, or FFmpeg through PyAV, which reads it first."""
        return "decord" if self._decord else "av"

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels, as shown (after rotation)."""
        return self.info.shown

    def __len__(self) -> int:
        """Return the number of frames; where a file is cut off, the number it promises."""
        return self.index.n_frames

    def __getitem__(self, number: int) -> Image:
        """Return one frame, uint8 [H, W, 3] RGB.

        Raises:
            FrameNumberError: for a number outside 0..len - 1 (there are no negative numbers).
            DataError: where the file is damaged, naming file and frame.
        """
        number = operator.index(number)
        if not 0 <= number < len(self):
            raise FrameNumberError(
                f"there is no frame {number} in {self.path}: its {len(self)} frames are "
                f"numbered 0 to {len(self) - 1}"
            )
        with self._lock:
            again = self._read_again(number)
            return self._read(number) if again is None else again

    def frames(self, numbers: Iterable[int] | None = None) -> Iterator[Image]:
        """Yield the frames of the given numbers, in that order; all of them by default."""
        for number in range(len(self)) if numbers is None else numbers:
            yield self[number]

    def close(self) -> None:
        """Release the file and the decoder's memory."""
        with self._lock:
            self._decoder.close()
            if self._decord:
                self._decord.close()

    def __enter__(self) -> Video:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read_again(self, number: int) -> Image | None:
        """Return a frame by decord; None where PyAV has to read it, or has it next anyway."""
        decord = self._decord
        if not decord or number not in decord or self._decoder.continues_to(number):
            return None
        try:
            return decord.read(number)
        except Exception as error:  # decord raises whatever its C++ throws
            self._leave_decord(f"decord gave up at frame {number} ({error})")
            return None

    def _read(self, number: int) -> Image:
        try:
            image = self._decoder.read(number)
        except DataError:
            self._leave_decord(f"frame {number} is damaged, which decord would not notice")
            raise
        if self._decord:
            self._decord.remember(number, image)
        return image

    def _leave_decord(self, reason: str) -> None:
        if self._decord:
            self._decord, self.reason = None, reason[:200]


def open_video(
    path: str | os.PathLike[str],
    *,
    stream: int | None = None,
    reader: Literal["auto", "decord", "av"] = "auto",
) -> Video:
    """Open one video stream of a local file.

    The packets are read once, to number the frames and to choose the reader; frames are decoded
    when they are asked for. Where a container does not say how many frames there are (transport
    streams, AVI, GIF, edit lists, ...) everything is decoded once to count them.

    A damaged frame, and those made from it, raise when they are read. Damage that FFmpeg's decoder
    does not notice (a wrong bit inside a frame of HEVC or VP9, say) is not noticed here either.

    Args:
        path: A regular file, or a link to one, in a container that FFmpeg knows; never an address
            or a playlist.
        stream: Index among all streams of the file; None takes the one that ffmpeg would: the
            largest frames, a stream marked as default preferred, covers last.
        reader: `auto` has frames read again by decord where it gives the same ones, else by PyAV.

    Raises:
        DataError: where the file or its stream cannot be read, naming it and what to do.
        UsageError: where decord was asked for and is not installed.
    """
    path = Path(path)
    info = inspect_stream(path, stream)
    index = build_index(path, info)
    if reader == "av":
        return Video(path, info, index, "PyAV was asked for")
    misfit = unfit(info)
    if reader == "decord" and misfit:
        raise DataError(f"decord does not read {path} exactly: {misfit}; use the reader 'auto'")
    decord = None if misfit else import_decord()
    if decord:
        reason = f"decord reads {info.codec} in this container again as PyAV does"
        return Video(path, info, index, reason, DecordReader(path, decord))
    if reader == "decord":
        raise UsageError(
            "the reader 'decord' needs the package 'decord', which is not installed (it has no "
            "wheel for some platforms); use the reader 'auto', which reads the same frames by PyAV"
        )
    return Video(path, info, index, misfit or "decord is not installed")
