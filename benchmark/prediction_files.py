"""Predicted label maps as files: palette PNGs in the layout of DAVIS result folders.

FOLDER/CLIP/FRAME.png, as davis2017-evaluation reads them (davis2017/results.py): the id of a
pixel is its palette index, and the colours are those in which DAVIS shows it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from tvseg_bench.benchmark.errors import DataError, UsageError
from tvseg_bench.benchmark.result_file import write_whole

COLOURED = 22
"""How many ids DAVIS gives a colour of their own; the others are shades of grey."""

_FORBIDDEN = re.compile(r'[\\/:*?"<>|\x00-\x1f]')
"""What no part of a file name may hold on some system."""


def davis_palette() -> NDArray[np.uint8]:
    """Return the colours [256, 3] of the ids.

    The first ones are made of the bits of the id, with 191 where PASCAL VOC has 192.

    Example:
        >>> davis_palette()[[0, 1, 2, 3, 9, 22]].tolist()
        [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [191, 0, 0], [22, 22, 22]]
    """
    ids = np.arange(256)
    palette = np.repeat(ids[:, None], 3, axis=1)
    channel = np.arange(3)
    high, low = (ids[:COLOURED, None] >> channel) & 1, (ids[:COLOURED, None] >> (channel + 3)) & 1
    palette[:COLOURED] = np.minimum(high * 128 + low * 64, 191)
    return palette.astype(np.uint8)


def write_predictions(
    folder: Path, clip: str, maps: Iterable[ArrayLike], frame_names: Sequence[str] = ()
) -> list[Path]:
    """Write the label maps [H, W] of one clip, and return the files.

    What lies in the folder is never overwritten: a file that is already there has to be, byte for
    byte, the one that would be written.

    Args:
        folder: of all clips; is made where it is missing.
        clip: its name; `a/b` becomes two folders.
        maps: ids 0..255, one map after the other, so that a long clip needs no memory.
        frame_names: file stems, one per map; empty = 00000, 00001, ...

    Raises:
        UsageError: A name leads out of the folder or is no file name, there are more or fewer maps
            than names, or a map holds an id that a palette lacks.
        DataError: Another file is in the way, or the disk refuses.
    """
    root = Path(folder)
    parts = [_safe(part, f"the clip {clip!r}") for part in clip.split("/")]
    target = root.joinpath(*parts)
    written = []
    for t, labels in enumerate(maps):
        if frame_names and t >= len(frame_names):
            raise UsageError(
                f"the clip {clip!r} has more maps than its {len(frame_names)} frame names"
            )
        stem = _safe(frame_names[t], f"frame {t} of {clip!r}") if frame_names else f"{t:05d}"
        path = target / f"{stem}.png"
        _put(root, path, _encoded(labels, f"frame {t} of {clip!r}"))
        written.append(path)
    if frame_names and len(written) < len(frame_names):
        raise UsageError(
            f"the clip {clip!r} has {len(written)} maps, but {len(frame_names)} frame names"
        )
    return written


def _safe(part: str, what: str) -> str:
    """Return one part of a path if it is an ordinary file name."""
    if part.strip(". ") != "" and not _FORBIDDEN.search(part) and part == part.rstrip(". "):
        return part
    raise UsageError(f"{what} cannot be written: {part!r} is no file name; rename it")


def _encoded(labels: ArrayLike, what: str) -> bytes:
    """Return the PNG of a label map."""
    ids = np.asarray(labels)
    if ids.ndim != 2 or ids.dtype.kind not in "iu" or not ids.size:
        raise UsageError(f"{what} is {ids.dtype} {list(ids.shape)}; expected integers [H, W]")
    if ids.min() < 0 or ids.max() > 255:
        wrong = ids.min() if ids.min() < 0 else ids.max()
        raise UsageError(f"{what} holds the id {wrong}; palette files hold 0 to 255")
    picture = Image.fromarray(ids.astype(np.uint8))
    picture.putpalette(davis_palette().tobytes())
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()


def _put(root: Path, path: Path, data: bytes) -> None:
    """Write a file that is not there yet, and nowhere but inside the root."""
    if not path.parent.resolve().is_relative_to(root.resolve()):
        raise DataError(f"{path.parent} is a link that leads out of {root}; choose another folder")
    if path.is_symlink() or path.exists():
        if path.is_symlink() or not path.is_file() or path.read_bytes() != data:
            raise DataError(
                f"{path} is already there and is not this prediction; nothing is overwritten, "
                "choose another folder"
            )
        return
    write_whole(path, data)
