"""A function that is called every half minute, whatever the program is busy with."""

from __future__ import annotations

import threading
from collections.abc import Callable

INTERVAL_S = 30.0
"""Seconds between two lines of progress."""


class Heartbeat:
    """Calls a function at a steady interval, from a thread of its own, inside a `with` block.

    The first call comes one interval after the block begins, and none after it has ended, by an
    error or by Ctrl-C as well. The thread never keeps a process alive, and ends when what it
    writes to is closed.

    Args:
        beat: called from the thread; what it reads has to be locked.
        interval_s: seconds between two calls.
    """

    def __init__(self, beat: Callable[[], None], interval_s: float = INTERVAL_S) -> None:
        self._beat = beat
        self._interval_s = interval_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(self._interval_s)  # bounded: it may be writing to a pipe nobody reads

    def _run(self) -> None:
        while not self._ended.wait(self._interval_s):
            try:
                self._beat()
            except OSError:  # nobody reads any more
                return
