"""Short videos for pages: H.264 in MP4, which every browser plays from disk."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.errors import DataError
from tvseg_bench.leaderboards.report.drawing import address

_OPTIONS = {
    "crf": "24",
    "preset": "fast",
    "threads": "1",
    "x264-params": "cpu-independent=1",  # else the same frames give other bytes the next time
}


def encode(frames: Sequence[NDArray[np.uint8]], fps: int) -> bytes:
    """Return frames [H, W, 3] as an MP4 file; an odd last row or column is cut off.

    Raises:
        DataError: this build of PyAV has no H.264 encoder, or it refuses.
    """
    import av

    height, width = (n // 2 * 2 for n in frames[0].shape[:2])
    buffer = io.BytesIO()
    try:
        with av.open(buffer, "w", format="mp4") as container:
            stream = container.add_stream("libx264", rate=fps)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.options = _OPTIONS
            for frame in frames:
                cut = np.ascontiguousarray(frame[:height, :width])
                container.mux(stream.encode(av.VideoFrame.from_ndarray(cut, format="rgb24")))
            container.mux(stream.encode())
    except (av.FFmpegError, ValueError) as error:
        raise DataError(
            f"no video can be written: {error}; type: pip install --upgrade av"
        ) from None
    return buffer.getvalue()


@dataclass(frozen=True)
class Film:
    """A video on a page, and what stands there before it plays."""

    src: str
    """A `data:` address."""
    poster: str
    width: int
    height: int


def film(frames: Sequence[NDArray[np.uint8]], fps: int) -> Film:
    """Return frames [H, W, 3] as a video for a page."""
    from PIL import Image

    data = base64.b64encode(encode(frames, fps)).decode()
    height, width = frames[0].shape[:2]
    poster = address(Image.fromarray(frames[len(frames) // 2]))
    return Film(f"data:video/mp4;base64,{data}", poster, width, height)
