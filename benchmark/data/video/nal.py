"""A look at how H.264 and HEVC packets are built, without decoding them.

An mp4 or Matroska packet is a row of units, each behind its length in 2 or 4 bytes; the first
byte of a unit says what it is (ISO/IEC 14496-15; ITU-T H.264 table 7-1, H.265 table 7-1).
"""

from __future__ import annotations

from collections.abc import Iterator

_PARAMETER_SETS = {"h264": frozenset({7, 8}), "hevc": frozenset({32, 33, 34})}
_CLEAN_STARTS = {"h264": frozenset({5}), "hevc": frozenset({19, 20})}
"""Instantaneous refreshes (IDR): nothing after one refers to anything before it."""


def units(packet: bytes | memoryview, length_size: int) -> Iterator[memoryview]:
    """Yield the units of a packet.

    Raises:
        ValueError: where a length does not fit the packet.

    Example:
        >>> [bytes(unit) for unit in units(b"\\x00\\x02ab\\x00\\x01c", 2)]
        [b'ab', b'c']
    """
    view = memoryview(packet)
    at = 0
    while at < len(view):
        start = at + length_size
        at = start + int.from_bytes(view[at:start], "big")
        if start >= at or at > len(view):
            raise ValueError(f"a unit of {at - start} bytes in a packet of {len(view)}")
        yield view[start:at]


class UnitCheck:
    """Walks through the packets of a stream and remembers the first thing that is not plain."""

    def __init__(self, codec: str, extradata: bytes | None) -> None:
        self.codec = codec
        self.problem = ""
        """Empty, or the reason in words."""
        self._length_size = _length_size(codec, extradata)
        self._sets: dict[int, bytes] = {}
        if not self._length_size:
            self.problem = "its packets are not stored the plain way"

    def feed(self, packet: bytes | memoryview, is_keyframe: bool) -> None:
        """Look at the next packet in file order."""
        if self.problem:
            return
        try:
            self.problem = self._judge(units(packet, self._length_size), is_keyframe)
        except ValueError:
            self.problem = "a packet of it is damaged"

    def _judge(self, parts: Iterator[memoryview], is_keyframe: bool) -> str:
        kinds = set()
        for part in parts:
            kind = part[0] & 31 if self.codec == "h264" else part[0] >> 1 & 63
            kinds.add(kind)
            if kind in _PARAMETER_SETS[self.codec]:
                before = self._sets.setdefault(kind, bytes(part))
                if before != part:
                    return "its parameters change midway"
        if is_keyframe and not kinds & _CLEAN_STARTS[self.codec]:
            return "a keyframe of it depends on earlier frames (open GOP)"
        return ""


def _length_size(codec: str, extradata: bytes | None) -> int:
    """Read how long a length is from the avcC or hvcC record; 0 where there is none."""
    at = {"h264": 4, "hevc": 21}[codec]
    if not extradata or len(extradata) <= at or extradata[0] != 1:
        return 0
    return (extradata[at] & 3) + 1
