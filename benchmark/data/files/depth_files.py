"""Depth maps kept as 16-bit images: stored steps to metres."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PilImage

from tvseg_bench.benchmark.data.files.images import decode
from tvseg_bench.benchmark.errors import DataError
from tvseg_bench.benchmark.types import Depth


def read_depth(path: Path, name: str, size: tuple[int, int], steps_per_metre: float) -> Depth:
    """Read a depth map from a 16-bit grey image.

    Args:
        name: how errors call it.
        size: (height, width) that it must have.
        steps_per_metre: what stored values are divided by.

    Returns:
        [H, W] float32 in metres; NaN where 0 is stored, which is where nothing was measured.

    Raises:
        DataError: missing, broken, of another size, or not 16 bits deep.
    """
    stored = decode(path, name, lambda image: _stored(image, name))
    if stored.shape != size:
        raise DataError(
            f"the depth map {name} has {stored.shape[1]}x{stored.shape[0]} pixels, its frame "
            f"{size[1]}x{size[0]}"
        )
    depth = (stored / steps_per_metre).astype(np.float32)
    depth[stored == 0] = np.nan
    return depth


def _stored(image: PilImage.Image, name: str) -> NDArray[np.int64]:
    if not image.mode.startswith("I"):
        raise DataError(
            f"the depth map {name} is stored in mode {image.mode} instead of 16-bit grey; "
            "8 bits are too few for metres, save it as a 16-bit PNG"
        )
    return np.array(image).astype(np.int64)
