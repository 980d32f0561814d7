"""Exit codes, and the plain output that all commands share."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any

OK, SOME_FAILED, USAGE, MISMATCH, INTERRUPTED = 0, 1, 2, 3, 130


def print_json(value: Any) -> None:
    """Print one JSON value for machines; paths and dates as text."""
    print(json.dumps(value, indent=1, default=str))


def counted(count: int, noun: str) -> str:
    """Return a number with its noun.

    Example:
        >>> counted(1, "cell"), counted(2, "cell"), counted(0, "entry")
        ('1 cell', '2 cells', '0 entries')
    """
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count} {noun if count == 1 else plural}"


def duration(seconds: float) -> str:
    """Return a span of time in its largest units.

    Example:
        >>> [duration(s) for s in (0.4, 49.6, 200, 3000, 7500, 200_000)]
        ['0 s', '50 s', '3 min 20 s', '50 min', '2 h 5 min', '2 d 7 h']
    """
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    minutes = whole // 60
    if minutes < 10:
        return f"{minutes} min {whole % 60} s"
    if minutes < 120:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"


def print_problems(problems: Iterable[object]) -> int:
    """Print problems to stderr, one a line; return the exit code, 1 where there are any."""
    code = OK
    for problem in problems:
        print(f"tvseg-bench: {problem}", file=sys.stderr)
        code = SOME_FAILED
    return code
