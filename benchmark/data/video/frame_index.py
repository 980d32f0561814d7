"""Which frames a video holds, in which order, and where decoding may start.

One pass over the packets (nothing is decoded) is enough for containers and codecs where a packet
is a frame; where that is in doubt, one pass through the decoder counts what comes out.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import av.error

from tvseg_bench.benchmark.data.video.container import (
    MATROSKA,
    MOV,
    StreamInfo,
    describe,
    open_container,
    set_up_decoder,
)
from tvseg_bench.benchmark.data.video.truncation import matroska_is_cut, mov_is_cut
from tvseg_bench.benchmark.errors import DataError

MAX_PACKETS = 20_000_000
"""Four days at 60 frames per second."""

MAX_REORDERED = 32
"""Frames that may be shown between two that are stored one after the other; H.264 and HEVC have
no more than 16."""

_PACKET_IS_FRAME = frozenset({"h264", "hevc", "vp9", "av1", "mjpeg", "prores", "ffv1", "dnxhd"})


class Packet(NamedTuple):
    """A packet of the stream; times in the stream's time base."""

    pts: int | None
    dts: int | None
    is_keyframe: bool

    @classmethod
    def of(cls, packet: Any) -> Packet:
        """Return what identifies one of PyAV's packets."""
        return cls(packet.pts, packet.dts, packet.is_keyframe)


@dataclass(frozen=True)
class FrameIndex:
    """The frames of a stream in presentation order; frame numbers count from 0."""

    n_frames: int
    """Frames that there are; of a file that is cut off, those it promises (one more than there are
    where it gives no number), so that reading it to its end is an error."""
    n_sure: int
    """Frames whose place is certain; less than `n_frames` only where the file is cut off."""
    labels: tuple[int, ...]
    """The time stamp by which each frame is known; empty where they do not tell frames apart, and
    frames are counted from the start of the file."""
    starts: Mapping[int, Packet | None]
    """Where decoding may start, frames ascending: a keyframe -> its packet, 0 -> None."""
    order: tuple[int, ...]
    """For each frame, where it is stored: a frame is made from frames that are stored before."""
    doubt: str
    """Why a packet may not be a frame; empty where each is one."""
    cut: str
    """Why the file must have held more frames than it does; empty where it is complete."""

    @cached_property
    def position(self) -> dict[int | None, int]:
        """Time stamp -> frame."""
        return {label: frame for frame, label in enumerate(self.labels)}

    @cached_property
    def _starts(self) -> tuple[int, ...]:
        return tuple(self.starts)

    def start_for(self, frame: int) -> int:
        """Return the last frame at which decoding of this one can start."""
        return self._starts[bisect_right(self._starts, frame) - 1]

    def next_start(self, frame: int) -> int:
        """Return the first frame that damage to this one cannot reach: a later keyframe."""
        later = self._starts[bisect_right(self._starts, frame) :]
        return later[0] if later else self.n_frames

    def first_reached(self, frame: int) -> int:
        """Return the first frame that may be made from this one though it is shown before it."""
        first = frame
        while first and self.order[first - 1] > self.order[frame]:
            first -= 1
        return first

    def last_needed(self, frame: int) -> int:
        """Return the last frame shown of those that this one may be made from, or itself.

        Until it has come out of the decoder, damage to it may not have shown.
        """
        later = range(frame, min(frame + MAX_REORDERED, self.n_sure))
        return max(other for other in later if self.order[other] <= self.order[frame])


def build_index(path: Path, info: StreamInfo) -> FrameIndex:
    """Number the frames of a stream.

    Raises:
        DataError: where the file cannot be read, or its frames cannot be numbered.
    """
    packets, doubt, cut = _scan(path, info)
    if cut and doubt:
        raise DataError(
            f"{path} is cut off ({cut}) and {doubt}, so its frames cannot be numbered; "
            f"copy or download it again"
        )
    if doubt:
        labels, n_frames = _decode_labels(path, info, packets)
    else:
        labels = sorted(packet.pts for packet in packets if packet.pts is not None)
        n_frames = len(labels)
    n_sure = n_frames
    if cut:
        n_frames = max(info.declared_frames if info.container == MOV else 0, len(labels) + 1)
        n_sure = _count_sure(labels, packets)
    starts, order = _storage(labels, n_frames, packets)
    return FrameIndex(n_frames, n_sure, tuple(labels), starts, order, doubt, cut)


def _storage(
    labels: list[int], n_frames: int, packets: list[Packet]
) -> tuple[dict[int, Packet | None], tuple[int, ...]]:
    """Return `starts` and `order` of an index."""
    position = {label: frame for frame, label in enumerate(labels)}
    starts: dict[int, Packet | None] = {0: None}
    order, latest = list(range(n_frames)), 0
    for ordinal, packet in enumerate(packets):
        frame = None if packet.pts is None else position.get(packet.pts)
        if frame is None:
            continue  # it is never shown, or frames are not known by their time
        order[frame] = ordinal
        if packet.is_keyframe and frame > latest:
            starts[frame], latest = packet, frame
    return starts, tuple(order)


def _count_sure(labels: list[int], packets: list[Packet]) -> int:
    """Count the frames before any that may be lost: a frame is shown after it is stored."""
    stored = packets[-1].dts if packets else None
    return 0 if stored is None else bisect_right(labels, stored)


def _scan(path: Path, info: StreamInfo) -> tuple[list[Packet], str, str]:
    """Read all packets; return them, and `doubt` and `cut` of an index."""
    packets: list[Packet] = []
    doubt = cut = ""
    with open_container(path) as container:
        try:
            for packet in container.demux(container.streams[info.stream]):
                if not packet.size:
                    continue
                if packet.is_corrupt and info.container == MOV:
                    cut = "its last packet is incomplete"
                    break
                packets.append(Packet.of(packet))
                doubt = doubt or _oddity(packet)
                if len(packets) > MAX_PACKETS:
                    raise DataError(f"{path} has more than {MAX_PACKETS} frames; cut it up")
        except av.error.FFmpegError as error:
            doubt = doubt or f"reading it ends with an error ({describe(error)})"
    return packets, doubt or _doubt(info, packets), cut or _cut(path, info, len(packets))


def _oddity(packet: Any) -> str:
    if packet.is_discard:
        return "its edit list leaves frames out"
    return "it has damaged packets" if packet.is_corrupt else ""


def _cut(path: Path, info: StreamInfo, n_packets: int) -> str:
    """Return why the file must have held more; a lost end of the sound alone is no reason."""
    if info.container == MOV and (not info.declared_frames or n_packets < info.declared_frames):
        is_cut = mov_is_cut(path)
    else:
        is_cut = info.container == MATROSKA and matroska_is_cut(path)
    return "it is shorter than its header says" if is_cut else ""


def _doubt(info: StreamInfo, packets: list[Packet]) -> str:
    """Return why a packet may not be a frame, or time stamps not the order of presentation."""
    times = [packet.pts for packet in packets]
    if info.container not in (MOV, MATROSKA):
        return "its container has no index of frames"
    if info.codec not in _PACKET_IS_FRAME:
        return f"a packet of {info.codec} need not be a frame"
    if info.interlaced:
        return "it is interlaced"
    if None in times or len(set(times)) < len(times):
        return "its frames have no time stamps of their own"
    if packets and not packets[0].is_keyframe:
        return "it does not begin with a keyframe"
    if info.reorders and all(packet.pts == packet.dts for packet in packets):
        return "its time stamps ignore the order of presentation"
    return ""


def _decode_labels(path: Path, info: StreamInfo, packets: list[Packet]) -> tuple[list[int], int]:
    """Decode everything once; return `labels` of an index, and how many frames there are.

    Raises:
        DataError: where nothing can be decoded.
    """
    found: list[int | None] = []
    with open_container(path) as container, suppress(av.error.FFmpegError):
        stream = container.streams[info.stream]
        set_up_decoder(stream)
        for packet in container.demux(stream):
            with suppress(av.error.FFmpegError):  # a damaged packet gives no frame
                found += [frame.pts for frame in packet.decode()]
    if not found:
        raise DataError(f"{path} holds no frame that can be decoded; copy it again")
    known = {packet.pts for packet in packets}
    labels = [label for label in found if label is not None and label in known]
    unique = len(known) == len(packets) and len(set(labels)) == len(found)
    return (labels if unique else []), len(found)
