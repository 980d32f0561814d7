"""Video files as numbered frames, exact, by decord where it is exact and by PyAV elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tvseg_bench.benchmark.data.video.base import FrameNumberError, Reader, Video
from tvseg_bench.benchmark.data.video.decord_reader import DecordVideo, import_decord, unfit
from tvseg_bench.benchmark.data.video.index import build_index
from tvseg_bench.benchmark.data.video.pyav_reader import AvVideo
from tvseg_bench.benchmark.data.video.stream import look
from tvseg_bench.benchmark.errors import DataError, UsageError

if TYPE_CHECKING:
    import os

__all__ = ["FrameNumberError", "Reader", "Video", "open_video"]


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
    does not notice (a wrong bit inside a picture of HEVC or VP9, say) is not noticed here either.

    Args:
        path: A regular file in a container that FFmpeg knows; never an address or a playlist.
        stream: Index among all streams of the file; None takes the one that ffmpeg would: the
            largest picture, a stream marked as default preferred, covers last.
        reader: `auto` takes decord where its frames are the same, else PyAV.

    Raises:
        DataError: where the file or its stream cannot be read, naming it and what to do.
        UsageError: where decord was asked for and is not installed.
    """
    path = Path(path)
    info = look(path, stream)
    index = build_index(path, info)
    if reader == "av":
        return AvVideo(path, info, index, "PyAV was asked for")
    misfit = unfit(info, index)
    if reader == "decord" and misfit:
        raise DataError(f"decord does not read {path} exactly: {misfit}; use the reader 'auto'")
    decord = None if misfit else import_decord()
    if decord:
        reason = f"decord reads {info.codec} in this container exactly"
        return DecordVideo(AvVideo(path, info, index, reason), decord)
    if reader == "decord":
        raise UsageError(
            "the reader 'decord' needs the package 'decord', which is not installed (it has no "
            "wheel for some platforms); use the reader 'auto', which reads the same frames by PyAV"
        )
    return AvVideo(path, info, index, misfit or "decord is not installed")
