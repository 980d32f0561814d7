"""Frames by FFmpeg, through PyAV: every codec and container, exact, and damage is noticed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import av.error
import av.filter
import numpy as np

from tvseg_bench.benchmark.data.video.container import (
    Orientation,
    StreamInfo,
    describe,
    open_container,
    set_up_decoder,
)
from tvseg_bench.benchmark.data.video.frame_index import FrameIndex, Packet, Start
from tvseg_bench.benchmark.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from tvseg_bench.benchmark.types import Image


class Damage(NamedTuple):
    """A run of frames that cannot be trusted."""

    first: int
    end: int
    """The first frame after it."""
    why: str


class FrameDecoder:
    """Decodes any frame of a stream: from the keyframe before it, or onwards where that is nearer.

    Not safe to use from two threads at once.
    """

    def __init__(self, path: Path, info: StreamInfo, index: FrameIndex) -> None:
        self._path, self._info, self._index = path, info, index
        self._run: _Run | None = None
        self._threads = "AUTO"
        self._damage: dict[Damage, None] = {}
        """In the order in which it was found."""
        self._graph: Any = None

    def close(self) -> None:
        """Release the file and the decoder; a frame that is asked for later opens them again."""
        if self._run:
            self._run.close()
            self._run = None

    def continues_to(self, number: int) -> bool:
        """Return whether a frame comes next without going back to a keyframe."""
        return self._run is not None and self._run.leads_to(number, self._index.start_for(number))

    def read(self, number: int) -> Image:
        """Return one frame, uint8 [H, W, 3] RGB, upright.

        Raises:
            DataError: where the frame, or one that it is made from, is damaged or missing, or it
                is not of the first one's size and format.
        """
        return upright(self._to_rgb(self._decode(number), number), self._info.orientation)

    def _decode(self, number: int) -> Any:
        """Return the decoder's own frame, not converted."""
        if number >= self._index.n_sure:
            raise DataError(
                f"frame {number} of {self._path} cannot be decoded: the file is cut off "
                f"({self._index.cut}) after frame {self._index.n_sure - 1}; copy or download it "
                f"again"
            )
        start = self._index.start_for(number)
        frame = self._try(number, start)
        if frame is None and self._threads == "AUTO":
            self._threads = "NONE"  # with threads, an error may be about an earlier packet
            self._damage.clear()
            self.close()
            frame = self._try(number, start)
        if frame is None and start.frame and not self._harm(number):
            self.close()  # decoding could not start at that keyframe
            frame = self._try(number, self._index.starts[0])
        if frame is None:
            raise self._error(number)
        return frame

    def _try(self, number: int, start: Start) -> Any | None:
        """Decode until the frame and all that it may be made from have come out."""
        if self._harm(number):
            return None
        if self._run is None or not self._run.leads_to(number, start):
            self.close()
            self._run = _Run(self._path, self._info, self._index, start, self._threads)
        run = self._run
        run.wanted = number
        last = self._index.last_needed(number)
        while run.done < last and not run.ended:
            self._damage |= dict.fromkeys(run.advance())
        return None if self._harm(number) else run.ready.get(number)

    def _harm(self, number: int) -> Damage | None:
        return next((d for d in self._damage if d.first <= number < d.end), None)

    def _error(self, number: int) -> DataError:
        harm = self._harm(number) or Damage(number, number + 1, "it does not come out")
        several = harm.end - harm.first > 1
        extent = f"frames {harm.first} to {harm.end - 1} are" if several else "it is"
        return DataError(
            f"frame {number} of {self._path} cannot be decoded: {extent} damaged ({harm.why}); "
            f"copy it again, or keep what is left: ffmpeg -i {self._path.name} "
            f"{self._path.stem}_repaired.mp4"
        )

    def _to_rgb(self, frame: Any, number: int) -> Image:
        """Convert by FFmpeg's own filter.

        PyAV's reformatter differs from it for interlaced video and for more than 8 bits.
        """
        found = (frame.width, frame.height, frame.format.name)
        first = (self._info.width, self._info.height, self._info.pixel_format)
        if found != first:
            raise DataError(
                f"frame {number} of {self._path} is {found[0]}x{found[1]} {found[2]}, but the "
                f"first one is {first[0]}x{first[1]} {first[2]}; make them equal: ffmpeg -i "
                f"{self._path.name} -vf scale={first[0]}:{first[1]} {self._path.stem}_equal.mp4"
            )
        if self._graph is None:
            self._graph = _rgb_filter(frame, self._info)
        self._graph.push(frame)
        image: Image = self._graph.pull().to_ndarray()
        return image


def _rgb_filter(frame: Any, info: StreamInfo) -> Any:
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=info.time_base
    )
    rgb, sink = graph.add("format", "rgb24"), graph.add("buffersink")
    source.link_to(rgb)
    rgb.link_to(sink)
    graph.configure()
    return graph


def upright(image: Image, orientation: Orientation) -> Image:
    """Turn an image [h, w, 3] as its orientation says; contiguous [H, W, 3]."""
    if orientation.transpose:
        image = image.transpose(1, 0, 2)
    if orientation.flip_x:
        image = image[:, ::-1]
    if orientation.flip_y:
        image = image[::-1]
    return np.ascontiguousarray(image)


class _Run:
    """One run of the decoder, from a keyframe forward."""

    def __init__(
        self, path: Path, info: StreamInfo, index: FrameIndex, start: Start, threads: str
    ) -> None:
        self.wanted = start.frame
        """Frames before this one are dropped as they come."""
        self.done = start.frame - 1
        """The last frame that came out."""
        self.ended = False
        self.ready: dict[int, Any] = {}
        self._index, self._start = index, start
        self._counted = 0
        self._sent = start.frame
        """The frame of the last packet that went in, as far as is known."""
        self._container = open_container(path)
        self._stream = self._container.streams[info.stream]
        set_up_decoder(self._stream, threads)
        self._packets = self._seek()

    def close(self) -> None:
        self.ready.clear()
        self._container.close()

    def leads_to(self, number: int, start: Start) -> bool:
        """Return whether going on is no slower than a new start would be."""
        if number in self.ready:
            return True
        return not self.ended and number > self.done and start.frame <= self.done + 1

    def advance(self) -> list[Damage]:
        """Send one packet to the decoder; return the damage that this shows."""
        try:
            packet = next(self._packets, None)
        except av.error.FFmpegError as error:
            self.ended = True
            return [Damage(self.done + 1, self._index.n_frames, describe(error))]
        if packet is None:
            self.ended = True
            return []
        self._sent = self._index.position.get(packet.pts, self._sent)
        try:
            frames = packet.decode()
        except av.error.FFmpegError as error:
            # what is still inside the decoder is not trusted either
            return [Damage(self.done + 1, self._index.next_start(self._sent), describe(error))]
        return [harm for frame in frames if (harm := self._take(frame))]

    def _take(self, frame: Any) -> Damage | None:
        """Keep a frame that is wanted; return the damage that it is marked with."""
        number: int | None
        if self._index.labels:
            number = self._index.position.get(frame.pts)
        else:
            number, self._counted = self._counted, self._counted + 1
        if number is None or number < self._start.frame:
            return None  # shown before the keyframe, and made from frames before it
        self.done = max(self.done, number)
        self.ready = {n: f for n, f in self.ready.items() if n >= self.wanted}
        if number >= self.wanted:
            self.ready[number] = frame
        if not frame.is_corrupt:
            return None
        end = self._index.next_start(number)
        return Damage(self._index.first_reached(number), end, "part of the image is lost")

    def _seek(self) -> Iterator[Any]:
        """Go to the keyframe's packet; where the file's seeking misses it, read from the start."""
        wanted = self._start.packet
        if wanted is None:
            return iter(self._container.demux(self._stream))
        try:
            time = wanted.pts if wanted.dts is None else wanted.dts
            self._container.seek(time, stream=self._stream)
            packets = self._container.demux(self._stream)
            for packet in packets:
                if Packet.of(packet) == wanted:
                    return chain([packet], packets)
                if self._index.position.get(packet.pts, self._start.frame) >= self._start.frame:
                    break  # it is past it, or its times are not those that were read before
        except av.error.FFmpegError:
            pass
        self._container.seek(0)
        return iter(self._container.demux(self._stream))
