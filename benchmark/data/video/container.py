"""Opening an untrusted video file: a regular local file in one container, frames of bounded size.

No network protocol, playlist or container that names other files is ever opened.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error

from tvseg_bench.benchmark.errors import DataError

MOV = "mov,mp4,m4a,3gp,3g2,mj2"
MATROSKA = "matroska,webm"
FORMATS = (
    f"{MOV},{MATROSKA},avi,mpegts,mpeg,mpegvideo,flv,gif,apng,asf,ogg,h264,hevc,av1,obu,ivf,m4v,"
    "mjpeg,mxf,dv,yuv4mpegpipe"
)
"""FFmpeg's names of the containers that are opened: none that points to other files."""

MAX_SIDE = 16384
"""Pixels; a larger frame is taken for an attack or a mistake."""
MAX_PIXELS = 2**27

_CODECS = {"libdav1d": "av1", "libaom-av1": "av1", "libvpx-vp9": "vp9", "libvpx": "vp8"}
"""Decoder -> codec, where their names differ."""

_METADATA = {} if int(av.__version__.partition(".")[0]) >= 19 else {"metadata_errors": "replace"}
"""Metadata that are no UTF-8 are read all the same; PyAV 19 does so by itself."""

_DEFAULT, _ATTACHED_PICTURE = 0x1, 0x400
_DEFAULT_BONUS = 5_000_000


@dataclass(frozen=True, kw_only=True)
class Orientation:
    """How an image is turned upright: transposed first, then mirrored."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False


@dataclass(frozen=True, kw_only=True)
class StreamInfo:
    """What a stream's header and its first frame state."""

    stream: int
    """Index among all streams of the file."""
    n_video_streams: int
    container: str
    codec: str
    pixel_format: str
    width: int
    """Pixels as coded, before rotation."""
    height: int
    orientation: Orientation
    time_base: Fraction
    interlaced: bool
    reorders: bool
    """Whether frames are stored in another order than they are shown."""
    declared_frames: int
    """What the container claims, 0 where it does not."""

    @property
    def shown(self) -> tuple[int, int]:
        """(height, width) after rotation."""
        size = (self.height, self.width)
        return size[::-1] if self.orientation.transpose else size


def open_container(path: Path) -> Any:
    """Open a regular local file for reading.

    Raises:
        DataError: where it is missing, not a regular file, empty or not a video container.
    """
    _require_file(path)
    try:
        return av.open(
            f"file:{path.resolve()}",  # a name like 'http:x' or '-i' stays a name
            options={"protocol_whitelist": "file", "format_whitelist": FORMATS},
            **_METADATA,
        )
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be opened as a video ({describe(error)}): it is not a video file, of "
            f"a kind that is not read, or cut off before its index; see whether it plays, else "
            f"copy it again or convert it with: ffmpeg -i {path.name} {path.stem}_converted.mp4"
        ) from error


def _require_file(path: Path) -> None:
    if path.is_dir():
        raise DataError(f"{path} is a folder, not a video file; name a file in it")
    if not path.exists():
        raise DataError(f"there is no video file {path}; check the path")
    if not path.is_file():
        raise DataError(f"{path} is not a regular file; copy the video to a file first")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty (0 bytes); copy or download it again")


def describe(error: BaseException) -> str:
    """Return the library's text of an error, short and without its file name."""
    if isinstance(error, (av.error.FFmpegError, OSError)) and error.strerror:
        return str(error.strerror)[:200]
    return (str(error) or type(error).__name__)[:200]


def pick_stream(container: Any, path: Path, wanted: int | None) -> Any:
    """Return the video stream that was asked for, or the one that ffmpeg picks by default.

    That is the one with the largest frames, where a stream marked as default counts as 5 000 000
    pixels larger and a cover image comes last; the first of equals (ffmpeg's documentation,
    "Automatic stream selection").

    Raises:
        DataError: where there is no such stream, with a list of those that there are.
    """
    videos = [stream for stream in container.streams if stream.type == "video"]
    if not videos:
        kinds = sorted({stream.type for stream in container.streams}) or ["no stream at all"]
        raise DataError(f"{path} holds no video stream (only {', '.join(kinds)}); name a video")
    if wanted is None:
        return max(videos, key=_score)
    for stream in videos:
        if stream.index == wanted:
            return stream
    known = ", ".join(
        f"{s.index} ({s.codec_context.width}x{s.codec_context.height})" for s in videos
    )
    raise DataError(f"stream {wanted} of {path} is not a video; its video streams are: {known}")


def _score(stream: Any) -> int:
    disposition = stream.disposition.value
    if disposition & _ATTACHED_PICTURE or stream.codec_context is None:
        return 1
    pixels = int(stream.codec_context.width * stream.codec_context.height)
    return pixels + _DEFAULT_BONUS * bool(disposition & _DEFAULT)


def set_up_decoder(stream: Any) -> None:
    """Bound the size of a frame, and let threads share a frame instead of taking one each.

    With a thread for each frame, FFmpeg hands frames out before it knows that they are damaged (9
    of 40 readings of a damaged H.264 frame raised nothing), and errors come with later packets.
    Several videos can still be read at once.
    """
    stream.thread_type = "SLICE"
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}


def inspect_stream(path: Path, wanted: int | None) -> StreamInfo:
    """Open the file, choose a stream and decode its first frame.

    Raises:
        DataError: where nothing can be decoded, or its frames are larger than `MAX_SIDE`.
    """
    with open_container(path) as container:
        stream = pick_stream(container, path, wanted)
        if stream.codec_context is None:
            raise DataError(f"stream {stream.index} of {path} has an unknown codec; convert it")
        _require_size(path, stream.codec_context.width, stream.codec_context.height)
        set_up_decoder(stream)
        frame = _first_frame(container, stream, path)
        _require_size(path, frame.width, frame.height)
        return StreamInfo(
            stream=stream.index,
            n_video_streams=sum(s.type == "video" for s in container.streams),
            container=container.format.name,
            codec=_CODECS.get(stream.codec_context.name, stream.codec_context.name),
            pixel_format=frame.format.name,
            width=frame.width,
            height=frame.height,
            orientation=_orientation(frame, path),
            time_base=stream.time_base or Fraction(1),
            interlaced=bool(frame.interlaced_frame),
            reorders=bool(stream.codec_context.has_b_frames),
            declared_frames=stream.frames,
        )


def _require_size(path: Path, width: int, height: int) -> None:
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise DataError(
            f"{path} has frames of {width}x{height} pixels; at most {MAX_SIDE} on a side and "
            f"{MAX_PIXELS} in all are read; scale it down: ffmpeg -i {path.name} "
            f"-vf scale=1920:-2 {path.stem}_small.mp4"
        )


def _first_frame(container: Any, stream: Any, path: Path) -> Any:
    reason = "it holds no frames"
    try:
        for packet in container.demux(stream):
            try:
                for frame in packet.decode():
                    return frame
            except av.error.FFmpegError as error:
                reason = describe(error)
    except av.error.FFmpegError as error:
        reason = describe(error)
    raise DataError(
        f"frame 0 of {path} cannot be decoded, nor any other ({reason}); see whether it plays, "
        f"else copy it again"
    )


def _orientation(frame: Any, path: Path) -> Orientation:
    """Read the display matrix [a b; c d]: (x, y) is shown at (ax + cy, bx + dy)."""
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return Orientation()
    a, b, _, c, d = struct.unpack("=5i", bytes(matrix)[:20])
    if b == c == 0 and a and d:
        return Orientation(flip_x=a < 0, flip_y=d < 0)
    if a == d == 0 and b and c:
        return Orientation(transpose=True, flip_x=c < 0, flip_y=b < 0)
    raise DataError(
        f"{path} asks to be shown turned by an odd angle; only quarter turns are read: bake it in "
        f"with ffmpeg -i {path.name} {path.stem}_upright.mp4"
    )
