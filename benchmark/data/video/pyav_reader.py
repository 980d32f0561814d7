"""Frames by FFmpeg, through PyAV: every codec and container, exact, and it sees damage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import av.error
import av.filter
import numpy as np

from tvseg_bench.benchmark.data.video.base import Reader, Video
from tvseg_bench.benchmark.data.video.index import FrameIndex, PacketRow, Start
from tvseg_bench.benchmark.data.video.stream import (
    Orientation,
    StreamInfo,
    describe,
    open_container,
    prepare,
)
from tvseg_bench.benchmark.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from tvseg_bench.benchmark.types import Image

MAX_LOOKAHEAD = 32
"""Decoded frames held at most; H.264 and HEVC reorder no more than 16."""


class AvVideo(Video):
    """Decodes forward from the last keyframe, and goes on from there where that is nearer."""

    reader: Reader = "av"

    def __init__(self, path: Path, info: StreamInfo, index: FrameIndex, reason: str) -> None:
        super().__init__(path, info, index, reason)
        self._run: _Run | None = None
        self._threads = "AUTO"
        self._damage: list[Damage] = []
        self._converter = _Converter(info)

    def _read(self, number: int) -> Image:
        return self._converter(self.decode(number), number, self.path)

    def _release(self) -> None:
        if self._run:
            self._run.close()
            self._run = None

    def decode(self, number: int) -> Any:
        """Return the decoder's own frame, not converted.

        Raises:
            DataError: where the frame, or one that it is made from, is damaged or missing.
        """
        if number >= self.index.n_sure:
            cut = self.index.scan.cut
            raise DataError(
                f"frame {number} of {self.path} cannot be decoded: the file is cut off ({cut}) "
                f"after frame {self.index.n_sure - 1}; copy or download it again"
            )
        if self._threads == "NONE" and self._harm(number):
            raise self._error(number)
        start = self.index.start_for(number)
        frame = self._walk(number, start)
        if self._threads == "AUTO" and (frame is None or self._harm(number)):
            self._threads = "NONE"  # with threads, an error does not say which packet it is about
            self._damage.clear()
            self._release()
            frame = self._walk(number, start)
        if frame is None and start.ordinal and not self._harm(number):
            self._release()  # that keyframe was none to start from
            frame = self._walk(number, Start(0, 0))
        if frame is None or self._harm(number):
            raise self._error(number)
        return frame

    def _walk(self, number: int, start: Start) -> Any | None:
        """Decode until the frame and all that it may be made from have come out."""
        if self._run is None or not self._run.leads_to(number, start):
            self._release()
            self._run = _Run(self.path, self.info, self.index, start, self._threads)
        run = self._run
        run.wanted = number
        need = min(self.index.reach(number), number + MAX_LOOKAHEAD)
        while run.done < need and not run.ended:
            self._damage.extend(run.advance())
        return run.ready.get(number)

    def _harm(self, number: int) -> Damage | None:
        return next((d for d in self._damage if d.first <= number < d.end), None)

    def _error(self, number: int) -> DataError:
        harm = self._harm(number) or Damage(number, number + 1, "it does not come out")
        extent = (
            f"frames {harm.first} to {harm.end - 1} are" if harm.end - harm.first > 1 else "it is"
        )
        return DataError(
            f"frame {number} of {self.path} cannot be decoded: {extent} damaged ({harm.why}); "
            f"copy it again, or keep what is left: ffmpeg -i {self.path.name} "
            f"{self.path.stem}_repaired.mp4"
        )


class Damage(NamedTuple):
    """A run of frames that cannot be trusted."""

    first: int
    end: int
    """The first frame after it."""
    why: str


class _Run:
    """One run of the decoder, from a keyframe forward."""

    def __init__(
        self, path: Path, info: StreamInfo, index: FrameIndex, start: Start, threads: str
    ) -> None:
        self.index = index
        self.start = start
        self.wanted = start.frame
        """Frames before this one are dropped as they come."""
        self.done = -1
        """The last frame that came out."""
        self.ended = False
        self.ready: dict[int, Any] = {}
        self._counted = 0
        self._sent = 0
        self._container = open_container(path)
        self._stream = self._container.streams[info.stream]
        prepare(self._stream, threads)
        self._packets = self._seek() if start.ordinal else self._container.demux(self._stream)

    def close(self) -> None:
        self.ready.clear()
        self._container.close()

    def leads_to(self, number: int, start: Start) -> bool:
        """Whether going on is no slower than a new start would be."""
        if number in self.ready:
            return True
        return not self.ended and number > self.done and start.frame <= self.done + 1

    def advance(self) -> list[Damage]:
        """Send one packet to the decoder; return the damage that this shows."""
        try:
            packet = next(self._packets, None)
        except av.error.FFmpegError as error:
            self.ended = True
            return [Damage(self.done + 1, self.index.n_frames, describe(error))]
        if packet is None:
            self.ended = True
            return []
        ordinal = self._ordinal(packet)
        self._sent = ordinal + 1
        try:
            frames = packet.decode()
        except av.error.FFmpegError as error:
            # what is still inside the decoder is not trusted either
            return [Damage(self.done + 1, self.index.intact_after(ordinal), describe(error))]
        return [harm for frame in frames if (harm := self._take(frame))]

    def _take(self, frame: Any) -> Damage | None:
        """Keep a frame that is wanted; return the damage that it is marked with."""
        if self.index.labels:
            number = self.index.position.get(frame.pts)
        else:
            number, self._counted = self._counted, self._counted + 1
        if number is None or number < self.start.frame:
            return None  # shown before the keyframe, and made from frames before it
        self.done = max(self.done, number)
        self.ready = {n: f for n, f in self.ready.items() if n >= self.wanted}
        if number >= self.wanted:
            self.ready[number] = frame
        if not frame.is_corrupt:
            return None
        at = self.index.ordinals.get(number, number)
        first = min(number, self.index.damaged_from(at))
        return Damage(first, self.index.intact_after(at), "part of the picture is lost")

    def _ordinal(self, packet: Any) -> int:
        row = PacketRow(packet.pts, packet.dts, packet.is_keyframe)
        return self.index.ordinal_of_row.get(row, self._sent) if self.index.labels else self._sent

    def _seek(self) -> Iterator[Any]:
        """Go to the keyframe's packet; where the file's seeking misses it, read from the start."""
        row = self.index.rows[self.start.ordinal]
        try:
            self._container.seek(row.pts if row.dts is None else row.dts, stream=self._stream)
            packets = self._container.demux(self._stream)
            for packet in packets:
                found = PacketRow(packet.pts, packet.dts, packet.is_keyframe)
                ordinal = self.index.ordinal_of_row.get(found)
                if ordinal == self.start.ordinal:
                    return _chain(packet, packets)
                if ordinal is None or ordinal > self.start.ordinal:
                    break
        except av.error.FFmpegError:
            pass
        self._container.seek(0)
        packets = self._container.demux(self._stream)
        return iter(packets)


def _chain(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest


class _Converter:
    """Turns the decoder's frames into RGB by FFmpeg's own conversion, and upright.

    An FFmpeg filter graph, not PyAV's reformatter: the latter differs for interlaced video and
    for more than 8 bits.
    """

    def __init__(self, info: StreamInfo) -> None:
        self.info = info
        self._graph: Any = None

    def __call__(self, frame: Any, number: int, path: Path) -> Image:
        shape = (frame.width, frame.height, frame.format.name)
        first = (self.info.width, self.info.height, self.info.pixel_format)
        if shape != first:
            raise DataError(
                f"frame {number} of {path} is {shape[0]}x{shape[1]} {shape[2]}, but the first one "
                f"is {first[0]}x{first[1]} {first[2]}; make them equal: ffmpeg -i {path.name} "
                f"-vf scale={first[0]}:{first[1]} {path.stem}_equal.mp4"
            )
        graph = self._graph = self._graph or self._build(frame)
        graph.push(frame)
        return upright(graph.pull().to_ndarray(), self.info.orientation)

    def _build(self, frame: Any) -> Any:
        graph = av.filter.Graph()
        source = graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=frame.format,
            time_base=self.info.time_base,
        )
        rgb, sink = graph.add("format", "rgb24"), graph.add("buffersink")
        source.link_to(rgb)
        rgb.link_to(sink)
        graph.configure()
        return graph


def upright(picture: Image, orientation: Orientation) -> Image:
    """Turn a picture [h, w, 3] as its orientation says; contiguous [H, W, 3]."""
    if orientation.transpose:
        picture = picture.transpose(1, 0, 2)
    if orientation.flip_x:
        picture = picture[:, ::-1]
    if orientation.flip_y:
        picture = picture[::-1]
    return np.ascontiguousarray(picture)
