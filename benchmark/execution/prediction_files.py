"""Predicted label maps as files: palette PNGs in the layout of DAVIS result folders.

FOLDER/CLIP/FRAME.png, as davis2017-evaluation reads them (davis2017/results.py): the id of a
pixel is its palette index, and the colours are those in which DAVIS shows it.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from tvseg_bench.benchmark.errors import DataError, UsageError
from tvseg_bench.benchmark.results.result_file import atomic_write
from tvseg_bench.benchmark.types import Clip

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


class PredictionFolder:
    """Writes label maps, one frame after the other, so that long clips need no memory.

    What lies in the folder is never overwritten: a file that is already there has to be, byte for
    byte, the one that would be written, as when a killed run goes on.

    Args:
        root: of all clips; is made where it is missing.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def __call__(self, clip: Clip, frame: int, labels: ArrayLike) -> Path:
        """Write the ids [H, W], within 0..255, of one frame, and return the file.

        `a/b` as a clip's name becomes two folders; a frame without a name is 00000, 00001, ...

        Raises:
            UsageError: A name leads out of the folder or is not a file name, or the map holds an
                id that a palette lacks.
            DataError: Another file is in the way, or the disk refuses.
        """
        what = f"frame {frame} of {clip.name!r}"
        parts = [_safe(part, f"the clip {clip.name!r}") for part in clip.name.split("/")]
        stem = _safe(clip.frame_names[frame], what) if clip.frame_names else f"{frame:05d}"
        path = self.root.joinpath(*parts, f"{stem}.png")
        data = _encoded(labels, what)
        if not path.is_symlink() and not path.exists():
            atomic_write(path, data)
        elif not path.is_file() or path.read_bytes() != data:
            raise DataError(
                f"{path} is already there and is not this prediction; nothing is overwritten, "
                "choose another folder"
            )
        return path


def _safe(part: str, what: str) -> str:
    """Return one part of a path if it is an ordinary file name."""
    if part.strip(". ") != "" and not _FORBIDDEN.search(part) and part == part.rstrip(". "):
        return part
    raise UsageError(f"{what} cannot be written: {part!r} is not a file name; rename it")


def _encoded(labels: ArrayLike, what: str) -> bytes:
    """Return the PNG of a label map."""
    ids = np.asarray(labels)
    if ids.ndim != 2 or ids.dtype.kind not in "iu" or not ids.size:
        raise UsageError(f"{what} is {ids.dtype} {list(ids.shape)}; expected integers [H, W]")
    if ids.min() < 0 or ids.max() > 255:
        wrong = ids.min() if ids.min() < 0 else ids.max()
        raise UsageError(f"{what} holds the id {wrong}; palette files hold 0 to 255")
    image = Image.fromarray(ids.astype(np.uint8))
    image.putpalette(davis_palette().tobytes())
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()
