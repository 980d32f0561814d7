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


def print_problems(problems: Iterable[object]) -> int:
    """Print problems to stderr, one a line; return the exit code, 1 where there are any."""
    code = OK
    for problem in problems:
        print(f"tvseg-bench: {problem}", file=sys.stderr)
        code = SOME_FAILED
    return code
