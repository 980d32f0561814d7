"""Frames by decord, for plain H.264 and HEVC; fast at jumping back and forth in a file."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any

from tvseg_bench.benchmark.data.video.base import Reader, Video
from tvseg_bench.benchmark.data.video.index import FrameIndex
from tvseg_bench.benchmark.data.video.pyav_reader import AvVideo
from tvseg_bench.benchmark.data.video.stream import MATROSKA, MOV, Orientation, StreamInfo

if TYPE_CHECKING:
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


def unfit(info: StreamInfo, index: FrameIndex) -> str:
    """Say why decord does not give the frames that FFmpeg gives; empty where it does.

    Measured with decord 0.6: it repeats or shifts frames where there are edit lists, open groups
    of pictures or transport streams, rounds more than 8 bits otherwise, knows no AV1, cannot be
    told which stream to read, and ignores mirrored pictures and Matroska's rotation.
    """
    if info.codec not in ("h264", "hevc") or info.container not in (MOV, MATROSKA):
        kind = info.container.split(",")[0]
        return f"it is {info.codec} in {kind}; decord is exact for H.264 and HEVC in mp4, mov, mkv"
    if info.n_video_streams > 1:
        return "it has several video streams"
    if info.pixel_format not in ("yuv420p", "yuvj420p"):
        return f"its pixels are {info.pixel_format}"
    if info.orientation != Orientation() and not (
        info.orientation.is_rotation and info.container == MOV
    ):
        return "its pictures are to be mirrored, or turned by a mark that decord does not know"
    return index.scan.cut or index.scan.doubt or index.scan.impurity


class DecordVideo(Video):
    """Reads through decord what PyAV has found sound.

    decord fills lost parts of a picture without a word. So PyAV decodes each frame before it is
    first handed out (without the conversion to RGB), and raises where it is damaged; later
    readings of the frame go to decord alone. One pass over a file therefore takes about twice as
    long as by PyAV alone.
    """

    reader: Reader = "decord"

    def __init__(self, sound: AvVideo, decord: ModuleType) -> None:
        super().__init__(sound.path, sound.info, sound.index, sound.reason)
        self._av = sound
        self._decord = decord
        self._handle: Any = None
        self._checked = bytearray(len(self))

    def _read(self, number: int) -> Image:
        if self.reader == "decord":
            if not self._checked[number]:
                self._av.decode(number)
                self._checked[number] = 1
            try:
                return self._picture(number)
            except Exception as error:  # decord raises whatever its C++ throws
                self.reader = "av"
                self.reason = f"decord gave up at frame {number} ({error})"[:200]
                self._handle = None
        return self._av[number]

    def _picture(self, number: int) -> Image:
        if self._handle is None:
            context = self._decord.cpu(0)
            self._handle = self._decord.VideoReader(str(self.path.resolve()), ctx=context)
        image: Image = self._handle[number].asnumpy()
        if image.shape[:2] != self.size or len(self._handle) != len(self):
            raise ValueError("it sees other frames than FFmpeg does")
        return image

    def _release(self) -> None:
        self._handle = None
        self._av.close()
