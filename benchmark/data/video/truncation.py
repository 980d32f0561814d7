"""Whether a file is shorter than its outermost boxes say: a copy that was broken off.

Read here because FFmpeg does not report it: a Matroska file that is cut off anywhere, and an mp4
file that is cut off between two packets or in the header of a fragment, end for its demuxer as a
complete file does.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

_EBML, _SEGMENT = 0x1A45DFA3, 0x18538067
_MEDIA_BOXES = frozenset({b"mdat", b"moof"})


def mov_is_cut(path: Path) -> bool:
    """Return whether the media box of an mp4 or mov file reaches past the file's end.

    Source: ISO/IEC 14496-12, 4.2 (a box is its length in 4 bytes, its type, its content; length 1
    means 8 more bytes of length, 0 means up to the end).
    """
    size = path.stat().st_size
    at = 0
    with path.open("rb") as file:
        while at + 8 <= size:
            file.seek(at)
            length, kind = int.from_bytes(file.read(4), "big"), file.read(4)
            if length == 1:
                length = int.from_bytes(file.read(8), "big")
            if length < 8:
                return False
            at += length
            if at > size:
                return kind in _MEDIA_BOXES
    return False


def matroska_is_cut(path: Path) -> bool:
    """Return whether the segment of a Matroska or WebM file reaches past the file's end.

    Source: RFC 8794 (an element is its id, its length, its content; a length of all ones is
    unknown).
    """
    with path.open("rb") as file:
        if _number(file, keep_marker=True) != _EBML:
            return False
        file.seek(_number(file) or 0, os.SEEK_CUR)
        if _number(file, keep_marker=True) != _SEGMENT:
            return False
        length = _number(file)
        return length is not None and file.tell() + length > path.stat().st_size


def _number(file: BinaryIO, keep_marker: bool = False) -> int | None:
    """Read a number whose leading zero bits give its length; None where it is unknown."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    n_more = 8 - first[0].bit_length()
    value = int.from_bytes(first + file.read(n_more), "big")
    if keep_marker:
        return value
    mask = (1 << (7 * (n_more + 1))) - 1
    return None if value & mask == mask else value & mask
