"""Marks of use: how every process on every node sees which entries of a shared cache are in use.

A mark is an empty file in an entry's folder. Its process touches it every minute, and removes it
when it is done. A mark that nobody has touched for ten minutes is a dead process's and counts for
nothing. Nothing here needs locks, which network file systems lack or get wrong.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
import time
import uuid
import weakref
from pathlib import Path

MARK = re.compile(r"\.reading-[0-9a-f]{32}")
TOUCH_S = 60.0
"""Seconds between two touches of a mark."""
EXPIRED_S = 600.0
"""Age in seconds from which a mark is a dead process's."""


class Mark:
    """The mark of this process in one entry's folder; removed when the object dies or at exit.

    A forked process gets a mark of its own at its first use, and leaves its parent's alone.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._owner: _Process | None = None
        self._file = folder

    def hold(self) -> None:
        """Make the mark, or touch it where it is there.

        Raises:
            OSError: the folder is not there or cannot be written.
        """
        process = _of_this_process
        with process.lock:
            if self._owner is not process:
                self._owner = process
                self._file = self._folder / f".reading-{uuid.uuid4().hex}"
                process.files[self._file] = None
                weakref.finalize(self, process.release, self._file)
        self._file.touch()
        process.keep_touching()


class _Process:
    """The marks of one process, and the thread that touches them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.files: dict[Path, None] = {}
        self._thread: threading.Thread | None = None

    def keep_touching(self) -> None:
        """Start the thread, once."""
        with self.lock:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._touch_forever, name="cache-marks", daemon=True
                )
                self._thread.start()

    def release(self, file: Path) -> None:
        """Remove a mark; takes no lock, since a garbage collection may call it anywhere."""
        self.files.pop(file, None)
        if self is _of_this_process:  # not in a forked process, where the mark is the parent's
            with contextlib.suppress(OSError):
                file.unlink()

    def _touch_forever(self) -> None:
        while True:
            time.sleep(TOUCH_S)
            for file in list(self.files):
                with contextlib.suppress(OSError):
                    os.utime(file)


_of_this_process = _Process()


def _forked() -> None:
    global _of_this_process
    _of_this_process = _Process()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_forked)


def is_young(mark: Path, now: float) -> bool:
    """Return whether a mark is there and was touched in the last ten minutes.

    Args:
        now: the time by the file system's clock. A mark from the future, beyond ten minutes, is
            none either: that clock was set back since.
    """
    try:
        return abs(now - mark.lstat().st_mtime) < EXPIRED_S
    except OSError:
        return False
