"""Label maps and frames at the size at which they are recorded, packed and as image files."""

from __future__ import annotations

import io
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.recording.reader import LONG_SIDE
from tvseg_bench.benchmark.types import Clip


def reduced_size(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return height and width at which a frame is recorded: its own, up to LONG_SIDE.

    Example:
        >>> reduced_size((480, 854)), reduced_size((224, 224))
        ((270, 480), (224, 224))
    """
    height, width = shape
    scale = min(1.0, LONG_SIDE / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def packed(labels: NDArray[np.integer[Any]], size: tuple[int, int], dtype: type) -> bytes:
    """Return a label map reduced to (H, W), compressed: each pixel takes the one at its centre."""
    rows, cols = (
        ((np.arange(n) + 0.5) * m / n).astype(np.int64)
        for n, m in zip(size, labels.shape, strict=True)
    )
    return zlib.compress(labels[np.ix_(rows, cols)].astype(dtype).tobytes(), 1)


def unpacked(
    packed: Mapping[int, bytes],
    positions: Sequence[int],
    size: tuple[int, int],
    dtype: type,
    missing: int,
) -> NDArray[Any]:
    """Return label maps [P, H, W] of the positions; `missing` where one was not packed."""
    frames: NDArray[Any] = np.full((len(positions), *size), missing, dtype)
    for i, position in enumerate(positions):
        if position in packed:
            data = zlib.decompress(packed[position])
            frames[i] = np.frombuffer(data, dtype).reshape(size)
    return frames


def jpeg_strip(clip: Clip, chosen: Sequence[int], size: tuple[int, int]) -> bytes:
    """Return the chosen frames, resized to (H, W), one below the other as JPEG."""
    from PIL import Image

    height, width = size
    strip = Image.new("RGB", (width, height * len(chosen)))
    for i, t in enumerate(chosen):
        frame = Image.fromarray(clip.image(t)).resize((width, height), Image.Resampling.BOX)
        strip.paste(frame, (0, i * height))
    buffer = io.BytesIO()
    strip.save(buffer, format="JPEG", quality=88)
    return buffer.getvalue()


def png_bytes(array: NDArray[Any]) -> bytes:
    """Return an array [H, W] or [H, W, 3] as PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()
