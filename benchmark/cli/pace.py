"""How fast something that is counted goes on, and how long the rest takes at that pace."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from tvseg_bench.benchmark.cli.output import duration

Clock = Callable[[], float]
"""Gives seconds that never go back, as `time.monotonic` does."""
LOOKS = 4
"""Over how many looks the speed is measured: two minutes with one every half minute."""
STALLED_S = 30.0
"""Seconds without anything new after which a speed says nothing."""


@dataclass(frozen=True)
class Reading:
    """The pace of something at one moment."""

    done: int
    total: int | None
    """None where it is not known."""
    per_s: float | None
    """None where nothing new came since the last look but one."""
    left_s: float | None
    idle_s: float
    """Seconds since something new came."""


class Pace:
    """Counts what is done of a total, and measures its speed over the last looks.

    The time before the first count is left out: the first batch waits for much that later ones
    do not.
    """

    def __init__(self, done: int, total: int | None, clock: Clock = time.monotonic) -> None:
        self.done, self.total = done, total
        self._clock = clock
        self._latest = clock()
        self._looks = deque([(self._latest, done)], maxlen=LOOKS)

    def update(self, done: int) -> None:
        """Take over how many are done now."""
        self.done, self._latest = done, self._clock()

    def look(self) -> Reading:
        """Return the pace, and remember this look for the next one."""
        (then, before), idle = self._looks[0], self._clock() - self._latest
        per_s = (self.done - before) / (self._latest - then) if self._latest > then else 0.0
        known = per_s > 0 and idle < STALLED_S
        if (self._latest, self.done) != self._looks[-1]:
            self._looks.append((self._latest, self.done))
        return Reading(
            self.done,
            self.total,
            per_s if known else None,
            (self.total - self.done) / per_s if known and self.total is not None else None,
            idle,
        )


def pace_text(now: Reading, nouns: str) -> str:
    """Return a reading in words.

    Example:
        >>> pace_text(Reading(480, 1999, 31.2, 48.7, 0.1), "frames")
        '480 of 1999 frames (24 %), 31.2 frames/s, 49 s left'
        >>> pace_text(Reading(480, 1999, None, None, 95.0), "frames")
        '480 of 1999 frames (24 %), none for 95 s'
        >>> pace_text(Reading(1999, 1999, None, None, 200.0), "frames")
        'all 1999 frames'
        >>> pace_text(Reading(480, None, 31.2, None, 0.1), "frames")
        '480 frames, 31.2 frames/s'
    """
    if now.total is None:
        parts = [f"{now.done} {nouns}"]
    elif now.done >= now.total:
        return f"all {now.total} {nouns}"
    else:
        parts = [f"{now.done} of {now.total} {nouns} ({100 * now.done // now.total} %)"]
    if now.per_s is not None:
        parts.append(f"{now.per_s:.3g} {nouns}/s")
    elif now.idle_s >= STALLED_S:
        parts.append(f"none for {duration(now.idle_s)}")
    if now.left_s is not None:
        parts.append(f"{duration(now.left_s)} left")
    return ", ".join(parts)
