"""Mask files of any mode to stored values, and stored values to ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PilImage

from tvseg_bench.benchmark.data.files.images import decode
from tvseg_bench.benchmark.errors import DataError
from tvseg_bench.benchmark.types import VOID, Labels

MASK_SUFFIXES = frozenset({".png", ".bmp", ".tif", ".tiff", ".pgm", ".gif"})
"""Lossless containers only: JPEG changes the values at every border."""

CUSTOMARY_MODES = frozenset({"1", "L", "P", "I", "I;16", "I;16B", "RLE"})
"""One channel, or runs in a label file. Others are read where they mean the same, and reported
by `data check`."""


@dataclass(frozen=True)
class StoredMask:
    """What is in a mask file."""

    values: Labels
    """[H, W], palette indices or grey values; 0 and 1 for a bilevel file."""
    mode: str
    """Pillow's name of the storage: L, P, 1, LA, ...; RLE where it stands in a label file."""
    palette: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    """Colour of each index of a palette file, else empty."""


def read_mask(path: Path, name: str | None = None) -> StoredMask:
    """Read a mask file as it is stored.

    Modes 1, L, P and 16-bit grey are taken as they are, LA and PA without their alpha, and RGB
    or RGBA where the three channels are equal (a grey mask saved as colour).

    Args:
        name: how errors call it, default the file's name.

    Raises:
        DataError: missing, broken, too large, or a mask drawn in colours.
    """
    shown = name or path.name
    return decode(path, shown, lambda image: _stored(image, shown))


def _stored(image: PilImage.Image, shown: str) -> StoredMask:
    mode = image.mode
    values = np.array(image)
    if mode not in CUSTOMARY_MODES:
        values = _one_channel(values, mode, shown)
    if values.dtype == np.bool_:
        values = values.astype(np.uint8)
    elif values.dtype != np.uint8:
        values = values.astype(np.int32)  # torch has no arithmetic for uint16
    return StoredMask(np.ascontiguousarray(values), mode, _palette(image))


def _one_channel(values: NDArray[Any], mode: str, shown: str) -> NDArray[Any]:
    grey = mode in ("RGB", "RGBA") and (values[..., :1] == values[..., 1:3]).all()
    if not grey and mode not in ("LA", "PA"):
        raise DataError(
            f"{shown} is stored in mode {mode}, in colours instead of ids; save it as an 8-bit "
            f"grey or palette PNG whose values are the ids"
        )
    out: NDArray[Any] = values[..., 0]
    return out


def _palette(image: PilImage.Image) -> dict[int, tuple[int, int, int]]:
    if image.mode not in ("P", "PA") or image.palette is None:
        return {}
    flat = image.getpalette("RGB") or []
    return {i // 3: (flat[i], flat[i + 1], flat[i + 2]) for i in range(0, len(flat) - 2, 3)}


class LabelMap:
    """Stored value -> id; finds the values that have none.

    Example:
        >>> ids, unknown = LabelMap({0: 0, 255: 1}).apply(np.array([[0, 7, 255]], np.uint8))
        >>> ids, unknown
        (array([[  0, 255,   1]], dtype=uint8), (7,))
    """

    def __init__(self, ids: Mapping[int, int]) -> None:
        self.ids = dict(ids)
        bytes_ = range(256)
        self._known = bytes(value for value in bytes_ if value in self.ids)
        self._table = self._numbers([self.ids.get(value, VOID) for value in bytes_])

    def _numbers(self, ids: list[int]) -> Labels:
        top = max(self.ids.values(), default=0)
        return np.array(ids).astype(np.uint8 if top < 256 else np.int32)

    def apply(self, values: Labels) -> tuple[Labels, tuple[int, ...]]:
        """Return ids [H, W], VOID where a value has none, and these values in ascending order."""
        if values.dtype == np.uint8:
            stored = values.tobytes()
            unknown = tuple(sorted(set(stored.translate(None, self._known))))
            if self._table.dtype != np.uint8:
                return self._table.take(values), unknown
            replaced = bytearray(stored).translate(self._table.tobytes())
            return np.frombuffer(replaced, np.uint8).reshape(values.shape), unknown
        distinct, inverse = np.unique(values, return_inverse=True)
        present = distinct.tolist()
        ids = self._numbers([self.ids.get(value, VOID) for value in present])
        unknown = tuple(value for value in present if value not in self.ids)
        return ids.take(inverse.reshape(values.shape)), unknown


class AsStored(LabelMap):
    """Every stored value is an id of its own; 255 is VOID, as in DAVIS.

    Example:
        >>> AsStored().apply(np.array([[3, 255]], np.uint8))
        (array([[  3, 255]], dtype=uint8), ())
    """

    def __init__(self) -> None:
        super().__init__({VOID: VOID})

    def apply(self, values: Labels) -> tuple[Labels, tuple[int, ...]]:
        """Return the values, and those that are negative and so no ids."""
        return values, tuple(np.unique(values[values < 0]).tolist())
