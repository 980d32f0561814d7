"""Removal of entries of the feature cache, beside processes that read and write them.

Without locks, by the order of steps. Who uses an entry marks it first, and writes the index again
where it has gone; who removes lists the clips first, then looks for marks, takes none but the
listed clips, and the index last. Whatever both do at once, what was written after the mark stays,
and no clip stays without an index.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from tvseg_bench.benchmark.features.cache import marks, safe_files
from tvseg_bench.benchmark.features.cache.entry import in_use

STALE_S = 3600.0
"""Age in seconds from which a temporary file is taken for what a killed process left."""
OURS = (safe_files.DATA_FILE, safe_files.TEMPORARY, marks.MARK)

Outcome = Literal["removed", "in use", "left"]


def remove(folder: Path, identity: Mapping[str, Any]) -> Outcome:
    """Remove an entry's files, and its folder where nothing of others is in it.

    Only files that the cache wrote go, recognised by name and header. "left": something of it
    could not be removed.
    """
    ours: list[Path] = []
    with contextlib.suppress(OSError):  # another process removes it too
        now = safe_files.now(folder)
        listed = safe_files.files(folder, safe_files.DATA_FILE)
        if in_use(folder, now):
            return "in use"
        ours = [path for path in listed if safe_files.is_ours(path)]
        for path in ours:
            with contextlib.suppress(OSError):  # what is open elsewhere stays, on some systems
                path.unlink()
        if not safe_files.files(folder, *OURS):
            _remove_folder(folder, identity)
    return "left" if any(path.exists() for path in ours) else "removed"


def _remove_folder(folder: Path, identity: Mapping[str, Any]) -> None:
    (folder / safe_files.INDEX).unlink(missing_ok=True)
    try:
        folder.rmdir()
    except OSError:  # other people's files are there, or somebody writes again
        if safe_files.files(folder, *OURS):
            safe_files.write_index(folder, identity)
        return
    folder.parent.rmdir()  # fails, as it should, where other entries are
    folder.parent.parent.rmdir()


def sweep(folder: Path, now: float) -> None:
    """Remove what killed processes left in an entry: old temporary files and old marks.

    Args:
        now: the time by `safe_files.now`.
    """
    for path in safe_files.files(folder, safe_files.TEMPORARY, marks.MARK):
        with contextlib.suppress(OSError):
            if marks.MARK.fullmatch(path.name):
                left = not marks.is_young(path, now)
            else:
                left = now - path.lstat().st_mtime > STALE_S
            if left:
                path.unlink()
