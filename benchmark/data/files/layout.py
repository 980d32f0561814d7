"""Where a data set lies, which splits it has, and what its lists and label files hold.

Names that come from files are checked: none may lead out of the data set's folder.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from tvseg_bench.benchmark.errors import DataError, UsageError, did_you_mean
from tvseg_bench.benchmark.paths import data_root
from tvseg_bench.benchmark.types import DatasetCard

MAX_TEXT_BYTES = 64 << 20
"""Lists and label files are a few megabytes at most (YouTube-VOS meta.json: 3)."""


# ------------------------------------------------------------------------------ roots


def find_root(
    card: DatasetCard,
    root: Path | None,
    names: Sequence[str],
    mismatch: Callable[[Path], str | None],
) -> Path:
    """Return the folder of a data set: the first of its usual names that has the layout.

    Args:
        root: the data root; None = `TVSEG_DATA`.
        names: usual sub-paths; the root itself is tried last.
        mismatch: returns why a folder is not the data set's, None where it is.

    Raises:
        DataError: nothing fits; names the archive, the places and the next command.
    """
    root = data_root() if root is None else root
    wanted = f"wanted: {card.archive}"
    if root is None:
        raise DataError(
            f"{card.name} is not found, since no data root is set; {wanted}; "
            f"type: export TVSEG_DATA=DIR, or give --data-root DIR"
        )
    if not root.is_dir():
        raise DataError(f"{card.name} is not found, since the data root {root} is not a folder")
    reasons = []
    for name in (*names, "."):
        folder = root / name
        if folder.is_dir():
            reason = mismatch(folder)
            if reason is None:
                return folder
            if name != ".":
                reasons.append(f"{name} {reason}")
    raise DataError(
        f"{card.name} is not found below {root} (looked for {', '.join(names)}, and for its "
        f"layout in the folder itself{''.join(f'; {reason}' for reason in reasons)}); {wanted}; "
        f"type: tvseg-bench data status"
    )


def missing_part(folder: Path, *alternatives: Sequence[str]) -> str | None:
    """Return which part of a layout is absent: of each group of sub-paths one has to be there.

    Example:
        >>> missing_part(Path("/nowhere"), ["JPEGImages/480p"], ["ImageSets/2016"])
        'has no JPEGImages/480p'
    """
    for group in alternatives:
        if not any((folder / name).exists() for name in group):
            return f"has no {' or '.join(group)}"
    return None


def folders_there(folder: Path, names: Mapping[str, str]) -> dict[str, Path]:
    """Return those of the named sub-folders that exist, `{"val": folder / "images/validation"}`.

    Example:
        >>> folders_there(Path("/nowhere"), {"val": "images/validation"})
        {}
    """
    return {key: folder / name for key, name in names.items() if (folder / name).is_dir()}


# ------------------------------------------------------------------------------ lists


def read_text(path: Path) -> str:
    """Return a small text file, UTF-8 with or without a byte-order mark.

    Raises:
        DataError: unreadable, not UTF-8, or larger than any list or label file.
    """
    try:
        if path.stat().st_size > MAX_TEXT_BYTES:
            raise DataError(
                f"{path} is larger than {MAX_TEXT_BYTES >> 20} MiB, which no list or label file is"
            )
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as text ({error})") from error


def read_json(path: Path) -> Any:
    """Return the value of a small JSON file.

    Raises:
        DataError: unreadable or not JSON.
    """
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not a JSON file ({error})") from error


def read_list(path: Path) -> list[str]:
    """Return the lines of a list, stripped, without empty ones and comments (#)."""
    lines = (line.strip() for line in read_text(path).splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def names_in(path: Path) -> list[str]:
    """Return the names that a list holds: one a line, the last part where a line is a path.

    Raises:
        DataError: unreadable, or a path leads out of the data set's folder.
    """
    names = (safe_parts(line.split()[0], path.name)[-1] for line in read_list(path))
    return list(dict.fromkeys(names))


def lists_in(folder: Path) -> dict[str, Path]:
    """Return the lists of a folder by split name, `{"val": .../val.txt}`."""
    return {path.stem: path for path in sorted(folder.glob("*.txt"))} if folder.is_dir() else {}


def choose_split(
    card: DatasetCard, wanted: str | None, available: Mapping[str, Path], place: str
) -> str:
    """Return the split to open.

    None = the first of the card's splits whose list is there, else the only list there is.

    Args:
        card: its splits are in the order in which they are tried.
        place: where lists are expected, for the sentence.

    Raises:
        UsageError: the data set has no split of that name.
        DataError: the list is not there, or there is none to choose.
    """
    there = ", ".join(available) or "none"
    if wanted is None:
        customary = [split for split in card.splits if split in available]
        if customary or len(available) == 1:
            return (customary or list(available))[0]
        raise DataError(
            f"{card.name} has no list of a customary split ({', '.join(card.splits)}) in {place}; "
            f"lists there: {there}; name one as {card.name}:SPLIT"
        )
    if wanted in available:
        return wanted
    if wanted not in card.splits:
        raise UsageError(did_you_mean(f"split of {card.name}", wanted, {*card.splits, *available}))
    raise DataError(
        f"{card.name} has no list of split {wanted!r} in {place} (lists there: {there}); "
        f"put it there, or name another as {card.name}:SPLIT"
    )


def safe_parts(entry: str, where: str) -> tuple[str, ...]:
    """Return the parts of a path that a file names, `/A/b.png` and `A\\b.png` as (A, b.png).

    Official lists begin their paths with a slash and mean the data set's folder.

    Raises:
        DataError: the path leads out of the data set's folder.

    Example:
        >>> safe_parts("/JPEGImages/480p/bear/00000.jpg", "val.txt")
        ('JPEGImages', '480p', 'bear', '00000.jpg')
    """
    parts = PurePosixPath(entry.replace("\\", "/").lstrip("/")).parts
    if not parts or ".." in parts or "\0" in entry or ":" in parts[0]:
        raise DataError(
            f"{where} names {entry!r}, which is not a path inside the data set's folder"
        )
    return parts
