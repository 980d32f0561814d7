"""The files of a folder: names and sizes in order, pairs of frame and mask, the manifest.

Only names and sizes are looked at, so that a data set of 100 000 frames opens in seconds. Symbolic
links are followed: the folders are the user's own, and on a cluster they are made of links.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tvseg_bench.benchmark.errors import DataError


def natural_key(name: str) -> tuple[tuple[str | int, ...], str]:
    """Sort key under which frame2 comes before frame10.

    Example:
        >>> sorted(["f10.png", "f2.png"], key=natural_key)
        ['f2.png', 'f10.png']
    """
    pieces = re.split(r"([0-9]+)", name)
    return tuple(int(piece) if i % 2 else piece for i, piece in enumerate(pieces)), name


def list_files(folder: Path, suffixes: frozenset[str]) -> dict[str, int]:
    """Return name -> size in bytes of the files with these endings, in natural order.

    A folder that is not there holds no files. Hidden files are left out.
    """
    sizes: dict[str, int] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                hidden = entry.name.startswith(".")
                if not hidden and _suffix(entry.name) in suffixes and _is(entry.is_file):
                    sizes[entry.name] = entry.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise DataError(f"the folder {folder} cannot be listed ({error.strerror})") from error
    return {name: sizes[name] for name in sorted(sizes, key=natural_key)}


def list_folders(folder: Path) -> list[str]:
    """Return the names of the folders in a folder, in natural order, hidden ones left out."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        names = [e.name for e in entries if _is(e.is_dir) and not e.name.startswith((".", "__"))]
    return sorted(names, key=natural_key)


def walk_files(root: Path, suffixes: Collection[str]) -> Iterator[tuple[str, int]]:
    """Yield (path relative to the folder, bytes) of the files below it with these endings.

    A folder is entered once: where another link leads to it again, the two paths are yielded as
    `link -> path` of 0 bytes. So loops of links end, and the link is part of a manifest.
    """
    entered: dict[str, str] = {}
    for folder, names, files in os.walk(root, followlinks=True):
        names.sort()  # os.walk goes down in this order, so that the first path is always the same
        path, real = Path(folder).relative_to(root).as_posix(), os.path.realpath(folder)
        if real in entered:
            names.clear()
            yield f"{path} -> {entered[real]}", 0
            continue
        entered[real] = path
        for name in files:
            file = Path(folder, name)
            if file.suffix in suffixes and file.is_file():
                yield join(path, name), file.stat().st_size


def _is(test: Callable[[], bool]) -> bool:
    """Return what an entry of a folder is; a link that leads to itself is nothing."""
    try:
        return test()
    except OSError:
        return False


def join(folder: str, name: str) -> str:
    """Join two relative paths; `.` and the empty one are the folder itself.

    Example:
        >>> join(".", "a.png"), join("JPEGImages", "bear")
        ('a.png', 'JPEGImages/bear')
    """
    return "/".join(part for part in (folder, name) if part not in ("", ".")) or "."


def stem(name: str) -> str:
    """Return a file name without its ending.

    Example:
        >>> stem("in000470.jpg")
        'in000470'
    """
    head, dot, _ = name.rpartition(".")
    return head if dot else name


def _suffix(name: str) -> str:
    return f".{name.rpartition('.')[2].lower()}"


def pair_names(frames: Iterable[str], masks: Iterable[str]) -> dict[str, str | None]:
    """Return frame file -> mask file, None where a frame has no mask.

    Paired by stem; where no stem agrees, by the number at the end of the stem (CDnet:
    in000470.jpg and gt000470.png), unless two files of one kind end in the same number.

    Example:
        >>> pair_names(["in000470.jpg", "in000471.jpg"], ["gt000470.png"])
        {'in000470.jpg': 'gt000470.png', 'in000471.jpg': None}
    """
    frames, masks = list(frames), list(masks)
    by_stem = {stem(mask): mask for mask in masks}
    pairs = {frame: by_stem.get(stem(frame)) for frame in frames}
    if any(pairs.values()):
        return pairs
    frame_numbers = {_number(frame) for frame in frames}
    by_number = {_number(mask): mask for mask in masks}
    if len(frame_numbers) < len(frames) or len(by_number) < len(masks):
        return pairs
    by_number.pop(None, None)
    return {frame: by_number.get(_number(frame)) for frame in frames}


def _number(name: str) -> int | None:
    digits = re.search(r"([0-9]+)$", stem(name))
    return int(digits[1]) if digits else None


def manifest_sha256(files: Iterable[tuple[str, int]], settings: Mapping[str, Any]) -> str:
    """Return a hash over the files in use, by path and size, and over what gives them meaning.

    Args:
        files: (path relative to the data set's folder, bytes), in any order.
        settings: label maps and categories, JSON values.

    Example:
        >>> a = manifest_sha256([("b.png", 2), ("a.png", 1)], {})
        >>> a == manifest_sha256([("a.png", 1), ("b.png", 2)], {}), len(a)
        (True, 64)
    """
    digest = hashlib.sha256()
    for path, size in sorted(files):
        digest.update(f"{path}\t{size}\n".encode("utf-8", "surrogateescape"))
    digest.update(json.dumps(settings, sort_keys=True).encode())
    return digest.hexdigest()
