"""Arrays in `.npz` files of others: nothing is unpickled, sizes are checked before reading."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.errors import DataError

MAX_HEADER = 4096
"""Bytes of an array's header within an .npz file."""
UNREADABLE = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError)
"""What damaged archives raise; RuntimeError for encrypted ones."""


def read_map(path: Path, name: str, array: str, size: tuple[int, int]) -> NDArray[np.float32]:
    """Return a map of real numbers [H, W] from an `.npz` file, NaN where nothing is known.

    Args:
        name: how errors call the file.
        array: the array's name.
        size: (H, W) that it must have.

    Raises:
        DataError: it is missing, damaged, or of another size or kind.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if f"{array}.npy" not in archive.namelist():
                raise ValueError(f"it holds no array `{array}`")
            found = read_member(archive, f"{array}.npy", size, "f").astype(np.float32)
    except FileNotFoundError as error:
        raise DataError(f"{name} is not there") from error
    except UNREADABLE as error:
        raise DataError(
            f"{name} cannot be used: {error}; expected an array `{array}` of {size[0]}x{size[1]} "
            f"real numbers (height x width)"
        ) from None
    found[~np.isfinite(found)] = np.nan
    return found


def read_member(
    archive: zipfile.ZipFile, name: str, shape: tuple[int, ...], kinds: str
) -> NDArray[Any]:
    """Return one array of an archive, after its header was found to be what is expected.

    Args:
        name: of the member, `depth.npy` for the array `depth`.
        shape: that it must have; nothing is read of an array that has another.
        kinds: letters of the kinds of numbers that it may hold, as numpy's `dtype.kind`.

    Raises:
        ValueError: It is another array. What damaged archives raise is in `UNREADABLE`.
    """
    what = name.removesuffix(".npy")
    if archive.getinfo(name).compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"its array `{what}` is compressed in a way that numpy never does")
    with archive.open(name) as file:
        found, column_major, dtype = _header(file)
        if found != shape or dtype.kind not in kinds or dtype.hasobject:
            raise ValueError(f"its array `{what}` is {dtype} {list(found)}")
        wanted = dtype.itemsize * int(np.prod(shape))
        content = file.read(wanted)
        if len(content) != wanted:
            raise ValueError(f"its array `{what}` ends too early")
    flat = np.frombuffer(content, dtype)
    return flat.reshape(shape[::-1]).T if column_major else flat.reshape(shape)


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version != (1, 0):  # later ones may have headers of 4 GB, which no map has use for
        raise ValueError(f"an array of format {version[0]}.{version[1]} instead of 1.0")
    try:
        return np.lib.format.read_array_header_1_0(file, max_header_size=MAX_HEADER)
    except Exception:  # an untrusted Python literal: the parser may raise anything
        raise ValueError("the header of an array is damaged") from None
