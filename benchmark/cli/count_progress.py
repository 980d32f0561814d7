"""The progress of one thing that is counted, such as the frames of a video, on stderr."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from rich.console import Console
from rich.progress import Progress

from tvseg_bench.benchmark.cli.console import (
    print_progress,
    progress_console,
    progress_style,
)
from tvseg_bench.benchmark.cli.heartbeat import Heartbeat
from tvseg_bench.benchmark.cli.pace import Clock, Pace, pace_text

Counted = Callable[[int, int | None], None]
"""Called with how many are done, and how many there are, None where that is not known."""


@contextmanager
def count_progress(what: str, nouns: str, wanted: str | None) -> Iterator[Counted]:
    """Yield a function that is told how far something is.

    Args:
        what: what goes on, in a few words.
        nouns: what is counted, in the plural.
        wanted: the word after `--progress`: auto, bar, lines or none; None = nothing is shown.
    """
    style = "none" if wanted is None else progress_style(wanted)
    if style == "none":
        yield lambda done, total: None
        return
    console = progress_console(style)
    if style == "lines":
        lines = LinesOfCount(console, what, nouns)
        with Heartbeat(lines.beat):
            yield lines.update
        return
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


class LinesOfCount:
    """Prints every half minute how far something is.

    Args:
        clock: what the speed is measured by.
        now: the time of day that a line begins with.
    """

    def __init__(
        self,
        console: Console,
        what: str,
        nouns: str,
        clock: Clock = time.monotonic,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._console = console
        self._what = what
        self._nouns = nouns
        self._clock = clock
        self._now = now
        self._begin = clock()
        self._lock = threading.RLock()
        self._pace: Pace | None = None

    def update(self, done: int, total: int | None) -> None:
        """Take over how many are done."""
        with self._lock:
            if self._pace is None or self._pace.total != total:
                self._pace = Pace(done, total, self._clock)
            else:
                self._pace.update(done)

    def beat(self) -> None:
        """Print how far it is."""
        with self._lock:
            seen = None if self._pace is None else pace_text(self._pace.look(), self._nouns)
        text = self._what if seen is None else f"{self._what}: {seen}"
        print_progress(self._console, self._now(), self._clock() - self._begin, text)
