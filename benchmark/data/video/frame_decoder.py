"""Frames by FFmpeg, through PyAV: every codec and container, exact, and damage is noticed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

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
from tvseg_bench.benchmark.data.video.frame_index import FrameIndex, Packet
from tvseg_bench.benchmark.errors import DataError
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
        self._damage: dict[Damage, None] = {}
        """In the order in which it was found."""
        self._rgb_filter: Any = None
        self._container: Any = None
        self._packets: Iterator[Any] = iter(())
        self._ready: dict[int, Any] = {}
        """Frames that came out, from the one that is wanted on."""
        self._start = 0
        """The frame at which decoding began."""
        self._sent = self._done = -1
        """The frame of the last packet that went in, as far as is known, and the last one out."""

    def close(self) -> None:
        """Release the file and the decoder; a frame that is asked for later opens them again."""
        if self._container is not None:
            self._container.close()
        self._container = None
        self._ready.clear()

    def continues_to(self, number: int) -> bool:
        """Return whether a frame comes next without going back to a keyframe."""
        ahead = self._container is not None and number > self._done
        onwards = ahead and self._index.start_for(number) <= self._done + 1
        return onwards or number in self._ready

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
        frame = self._decode_from(start, number)
        if frame is None and start and not self._harm(number):
            self.close()  # decoding could not start at that keyframe
            frame = self._decode_from(0, number)
        if frame is None:
            raise self._error(number)
        return frame

    def _decode_from(self, start: int, number: int) -> Any | None:
        """Decode until the frame and all that it may be made from have come out."""
        if self._harm(number):
            return None
        if not self.continues_to(number):
            self._open(start)
        last = self._index.last_needed(number)
        while self._done < last:
            self._advance(number)
        return None if self._harm(number) else self._ready.get(number)

    def _open(self, start: int) -> None:
        """Make the decoder ready for the packet of a keyframe."""
        self.close()
        self._container = open_container(self._path)
        stream = self._container.streams[self._info.stream]
        set_up_decoder(stream)
        self._start, self._sent, self._done = start, start, start - 1
        self._packets = self._seek(stream, start)

    def _seek(self, stream: Any, start: int) -> Iterator[Any]:
        """Go to a keyframe's packet; where the file's seeking misses it, read from the start."""
        wanted = self._index.starts[start]
        if wanted is None:
            return iter(self._container.demux(stream))
        try:
            self._container.seek(wanted.pts if wanted.dts is None else wanted.dts, stream=stream)
            packets = self._container.demux(stream)
            for packet in packets:
                if Packet.of(packet) == wanted:
                    return chain([packet], packets)
                if self._index.position.get(packet.pts, start) >= start:
                    break  # it is past it, or its times are not those that were read before
        except av.error.FFmpegError:
            pass
        self._container.seek(0)
        return iter(self._container.demux(stream))

    def _advance(self, wanted: int) -> None:
        """Send one packet to the decoder; take the frames and note the damage that this shows."""
        try:
            packet = next(self._packets, None)
        except av.error.FFmpegError as error:
            self._note(self._done + 1, self._index.n_frames, describe(error))
            packet = None
        if packet is None:
            self._done = self._index.n_frames
            return
        self._sent = self._index.position.get(packet.pts, self._sent)
        try:
            frames = packet.decode()
        except av.error.FFmpegError as error:
            # what is still inside the decoder is not trusted either
            self._note(self._done + 1, self._index.next_start(self._sent), describe(error))
            return
        for frame in frames:
            self._take(frame, wanted)

    def _take(self, frame: Any, wanted: int) -> None:
        """Hold a frame that is wanted or comes after it, and note what it is marked with."""
        numbered = self._index.position.get(frame.pts) if self._index.labels else self._done + 1
        if numbered is None or not self._start <= numbered < self._index.n_frames:
            return  # shown before the keyframe, and made from frames before it
        self._done = max(self._done, numbered)
        self._ready[numbered] = frame
        self._ready = {n: f for n, f in self._ready.items() if n >= wanted}
        if frame.is_corrupt:
            first, end = self._index.first_reached(numbered), self._index.next_start(numbered)
            self._note(first, end, "part of the image is lost")

    def _note(self, first: int, end: int, why: str) -> None:
        self._damage[Damage(first, end, why)] = None

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
        if self._rgb_filter is None:
            self._rgb_filter = _make_rgb_filter(frame, self._info)
        self._rgb_filter.push(frame)
        image: Image = self._rgb_filter.pull().to_ndarray()
        return image


def _make_rgb_filter(frame: Any, info: StreamInfo) -> Any:
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
