"""Which frames a video holds, in which order, and where decoding may start.

One pass over the packets (nothing is decoded) says it for containers and codecs where a packet is
a frame; where that is in doubt, one pass through the decoder counts what comes out.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

import av.error

from tvseg_bench.benchmark.data.video.nal import UnitCheck
from tvseg_bench.benchmark.data.video.stream import (
    MATROSKA,
    MOV,
    StreamInfo,
    describe,
    open_container,
    prepare,
)
from tvseg_bench.benchmark.data.video.truncation import matroska_is_cut, mov_is_cut
from tvseg_bench.benchmark.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

MAX_PACKETS = 20_000_000
"""Four days at 60 frames per second."""

_PACKET_IS_FRAME = frozenset({"h264", "hevc", "vp9", "av1", "mjpeg", "prores", "ffv1", "dnxhd"})
_UNIT_CODECS = frozenset({"h264", "hevc"})


class PacketRow(NamedTuple):
    """A packet of the stream; times in the stream's time base."""

    pts: int | None
    dts: int | None
    is_keyframe: bool


class Start(NamedTuple):
    """A place where decoding may start."""

    frame: int
    """The first frame, in presentation order, that can be had from here."""
    ordinal: int
    """Its packet, counted in file order."""


@dataclass(frozen=True)
class Scan:
    """What a pass over the packets found."""

    rows: tuple[PacketRow, ...]
    doubt: str
    """Why a packet may be no frame; empty where each is one."""
    impurity: str
    """Why a stream of plain H.264 or HEVC is not plain; empty where it is."""
    cut: str
    """Why the file must hold more frames than it does; empty where it is whole."""


@dataclass(frozen=True)
class FrameIndex:
    """The frames of a stream in presentation order; frame numbers count from 0."""

    n_frames: int
    """Frames that there are; of a file that is cut off, those it promises (one more than there are
    where it gives no number), so that reading it to its end is an error."""
    n_sure: int
    """Frames whose place is certain; less than `n_frames` only where the file is cut off."""
    rows: tuple[PacketRow, ...]
    labels: tuple[int, ...]
    """The time stamp by which each frame is known; empty where they tell nothing, and frames are
    counted from the start of the file."""
    scan: Scan

    @cached_property
    def position(self) -> dict[int, int]:
        """Time stamp -> frame."""
        return {label: frame for frame, label in enumerate(self.labels)}

    @cached_property
    def ordinal_of_row(self) -> dict[PacketRow, int]:
        """Packet -> its place in file order."""
        return {row: ordinal for ordinal, row in enumerate(self.rows)}

    @cached_property
    def frame_of_ordinal(self) -> tuple[int | None, ...]:
        """The frame of each packet, None where it is never shown."""
        if not self.labels:
            return tuple(range(len(self.rows)))
        return tuple(None if r.pts is None else self.position.get(r.pts) for r in self.rows)

    @cached_property
    def ordinals(self) -> dict[int, int]:
        """Frame -> its packet's place in file order."""
        pairs = enumerate(self.frame_of_ordinal)
        return {frame: ordinal for ordinal, frame in pairs if frame is not None}

    @cached_property
    def starts(self) -> tuple[Start, ...]:
        """Keyframes by the frame that they are; the first entry is the start of the file."""
        starts = [Start(0, 0)]
        if self.labels:
            for ordinal, row in enumerate(self.rows):
                frame = self.frame_of_ordinal[ordinal]
                if row.is_keyframe and frame is not None and frame >= starts[-1].frame:
                    starts.append(Start(frame, ordinal))
        return tuple(starts)

    @cached_property
    def _start_frames(self) -> tuple[int, ...]:
        return tuple(start.frame for start in self.starts)

    @cached_property
    def _start_ordinals(self) -> tuple[int, ...]:
        return tuple(start.ordinal for start in self.starts)

    @cached_property
    def _reach(self) -> tuple[int, ...]:
        shown = (-1 if frame is None else frame for frame in self.frame_of_ordinal)
        return tuple(accumulate(shown, max))

    def start_for(self, frame: int) -> Start:
        """Return the last place from which a frame can be decoded."""
        return self.starts[bisect_right(self._start_frames, frame) - 1]

    def reach(self, frame: int) -> int:
        """Return the last frame shown of those that are stored up to this one.

        Until it has come out of the decoder, damage to what this frame was made from may not have
        shown.
        """
        ordinal = self.ordinals.get(frame)
        return frame if ordinal is None else max(frame, self._reach[ordinal])

    def damaged_from(self, ordinal: int) -> int:
        """Return the first frame shown of those stored from this packet to the next keyframe."""
        group = self.frame_of_ordinal[ordinal : self._next_start(ordinal)[1]]
        return min((frame for frame in group if frame is not None), default=self.n_frames)

    def intact_after(self, ordinal: int) -> int:
        """Return the first frame that damage to this packet cannot reach: a later keyframe."""
        return self._next_start(ordinal).frame

    def _next_start(self, ordinal: int) -> Start:
        at = bisect_right(self._start_ordinals, ordinal)
        return self.starts[at] if at < len(self.starts) else Start(self.n_frames, len(self.rows))


def build_index(path: Path, info: StreamInfo) -> FrameIndex:
    """Number the frames of a stream.

    Raises:
        DataError: where the file cannot be read, or its frames cannot be numbered.
    """
    scan = _scan(path, info)
    if scan.cut and scan.doubt:
        raise DataError(
            f"{path} is cut off ({scan.cut}) and {scan.doubt}, so its frames cannot be numbered; "
            f"copy or download it again"
        )
    labels = _decoded_labels(path, info, scan.rows) if scan.doubt else _shown_labels(scan.rows)
    if isinstance(labels, int):
        return FrameIndex(labels, labels, scan.rows, (), scan)
    if not scan.cut:
        return FrameIndex(len(labels), len(labels), scan.rows, labels, scan)
    promised = info.declared_frames if info.container == MOV else 0
    n_frames = max(promised, len(labels) + 1)
    return FrameIndex(n_frames, _sure(labels, scan.rows), scan.rows, labels, scan)


def _shown_labels(rows: tuple[PacketRow, ...]) -> tuple[int, ...]:
    return tuple(sorted(row.pts for row in rows if row.pts is not None))


def _sure(labels: tuple[int, ...], rows: tuple[PacketRow, ...]) -> int:
    """Count the frames before any that may be lost: a frame is shown after it is stored."""
    stored = rows[-1].dts if rows else None
    return 0 if stored is None else bisect_right(labels, stored)


def _scan(path: Path, info: StreamInfo) -> Scan:
    rows: list[PacketRow] = []
    odd = cut = ""
    check: UnitCheck | None = None
    with open_container(path) as container:
        stream = container.streams[info.stream]
        if info.codec in _UNIT_CODECS and info.container in (MOV, MATROSKA):
            check = UnitCheck(info.codec, stream.codec_context.extradata)
        try:
            for packet in container.demux(stream):
                if not packet.size:
                    continue
                if packet.is_corrupt and info.container == MOV:
                    cut = "its last packet is incomplete"
                    break
                rows.append(PacketRow(packet.pts, packet.dts, packet.is_keyframe))
                odd = odd or _oddity(packet)
                if check:
                    check.feed(memoryview(packet), packet.is_keyframe)
                if len(rows) > MAX_PACKETS:
                    raise DataError(f"{path} has more than {MAX_PACKETS} frames; cut it up")
        except av.error.FFmpegError as error:
            odd = odd or f"reading it ends with an error ({describe(error)})"
    impurity = (check.problem if check else "") or _open_group(rows)
    cut = cut or _cut(path, info, len(rows))
    return Scan(tuple(rows), odd or _doubt(info, rows), impurity, cut)


def _oddity(packet: Any) -> str:
    if packet.is_discard:
        return "its edit list leaves frames out"
    return "it has damaged packets" if packet.is_corrupt else ""


def _cut(path: Path, info: StreamInfo, n_packets: int) -> str:
    """Say why the file must have held more frames; a lost end of the sound alone is no reason."""
    if info.container == MOV and (not info.declared_frames or n_packets < info.declared_frames):
        is_cut = mov_is_cut(path)
    else:
        is_cut = info.container == MATROSKA and matroska_is_cut(path)
    return "it is shorter than its header says" if is_cut else ""


def _doubt(info: StreamInfo, rows: list[PacketRow]) -> str:
    """Say why a packet may be no frame, or time stamps not the order of presentation."""
    times = [row.pts for row in rows]
    if info.container not in (MOV, MATROSKA):
        return "its container has no index of frames"
    if info.codec not in _PACKET_IS_FRAME:
        return f"a packet of {info.codec} need not be a frame"
    if info.interlaced:
        return "it is interlaced"
    if None in times or len(set(times)) < len(times):
        return "its frames have no time stamps of their own"
    if rows and not rows[0].is_keyframe:
        return "it does not begin with a keyframe"
    if info.reorders and all(row.pts == row.dts for row in rows):
        return "its time stamps ignore the order of presentation"
    return ""


def _open_group(rows: list[PacketRow]) -> str:
    """Find a frame that is stored after a keyframe and shown before it."""
    latest_key: int | None = None
    for row in rows:
        if row.pts is None:
            continue
        if latest_key is not None and row.pts < latest_key:
            return "frames are stored after a keyframe and shown before it (open GOP)"
        if row.is_keyframe:
            latest_key = row.pts
    return ""


def _decoded_labels(
    path: Path, info: StreamInfo, rows: tuple[PacketRow, ...]
) -> tuple[int, ...] | int:
    """Decode everything once; return each frame's time stamp, or how many there are.

    Raises:
        DataError: where nothing can be decoded.
    """
    labels: list[int | None] = []
    with open_container(path) as container:
        stream = container.streams[info.stream]
        prepare(stream, "AUTO")
        packets = container.demux(stream)
        while (frames := _next_frames(packets)) is not None:
            labels.extend(frame.pts for frame in frames)
    if not labels:
        raise DataError(f"{path} holds no frame that can be decoded; copy it again")
    known = {row.pts for row in rows}
    stamps = tuple(label for label in labels if label is not None and label in known)
    unique = len({row.pts for row in rows}) == len(rows) and len(set(stamps)) == len(labels)
    return stamps if unique else len(labels)


def _next_frames(packets: Any) -> list[Any] | None:
    """Decode one more packet; a damaged one gives nothing, None is the end."""
    try:
        packet = next(packets, None)
    except av.error.FFmpegError:
        return None
    if packet is None:
        return None
    try:
        return list(packet.decode())
    except av.error.FFmpegError:
        return []
