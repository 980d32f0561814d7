"""Image files to arrays, bounded in memory and with errors that name the file.

Images are read as their pixels are stored: an EXIF orientation is not applied, since masks were
drawn on the stored pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image as PilImage
from PIL import UnidentifiedImageError

from tvseg_bench.benchmark.errors import DataError
from tvseg_bench.benchmark.types import Image

T = TypeVar("T")

MAX_PIXELS = 1 << 26
"""64 megapixels, twice 8K video; a larger image is refused before it is decoded."""

FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "PPM", "GIF")
"""Containers with a decoder of Pillow's own; others (EPS) would start foreign programs."""

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".gif"}
)
_COLOUR_MODES = frozenset(
    {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"}
)


def decode(path: Path, name: str, use: Callable[[PilImage.Image], T]) -> T:
    """Open an image, check its size, and return what `use` makes of it.

    Args:
        name: how errors call it.
        use: reads from the opened, not yet decoded image.

    Raises:
        DataError: missing, not an image, too large, truncated or otherwise broken.
    """
    try:
        with PilImage.open(path, formats=FORMATS) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise DataError(_too_large(name, f"{width}x{height}"))
            return use(image)
    except (DataError, MemoryError):
        raise
    except FileNotFoundError as error:
        raise DataError(f"{name} is not there") from error
    except (PilImage.DecompressionBombError, PilImage.DecompressionBombWarning) as error:
        raise DataError(_too_large(name, "many more")) from error
    except UnidentifiedImageError as error:
        what = "is empty" if path.stat().st_size == 0 else "is not an image that can be read"
        raise DataError(f"{name} {what} (expected one of {', '.join(FORMATS)})") from error
    except Exception as error:  # decoders of broken files raise nearly anything
        raise DataError(f"{name} cannot be decoded ({error})") from error


def _too_large(name: str, size: str) -> str:
    return f"{name} has {size} pixels, more than the {MAX_PIXELS} that are read"


def image_size(path: Path, name: str | None = None) -> tuple[int, int]:
    """Return (height, width) from the header, without decoding.

    Raises:
        DataError: the file is missing, not an image, or too large.
    """
    width, height = decode(path, name or path.name, lambda image: image.size)
    return height, width


def read_image(path: Path, name: str | None = None) -> Image:
    """Return the stored pixels [H, W, 3], RGB 0..255; grey and palette images are expanded.

    Args:
        name: how errors call it, default the file's name.

    Raises:
        DataError: missing, broken, too large, or not 8 bits per channel.
    """
    shown = name or path.name

    def pixels(image: PilImage.Image) -> Image:
        if image.mode not in _COLOUR_MODES:
            raise DataError(
                f"{shown} is stored in mode {image.mode}, which is not 8-bit colour or grey; "
                f"save it as 8-bit RGB"
            )
        if image.mode == "P" and "transparency" in image.info:
            image = image.convert("RGBA")  # straight to RGB warns about the transparency
        return np.array(image if image.mode == "RGB" else image.convert("RGB"))

    return decode(path, shown, pixels)
