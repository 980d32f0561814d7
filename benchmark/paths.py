"""Where the suite is installed, and where its own files are: weights and caches."""

from __future__ import annotations

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
"""The folder of the installed package."""


def home() -> Path:
    """Return `TVSEG_HOME`, or `tvseg-bench` in the user's cache folder; not created here."""
    chosen = os.environ.get("TVSEG_HOME")
    if chosen:
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(base) / "tvseg-bench"


def data_root() -> Path | None:
    """Return `TVSEG_DATA`, the folder below which data sets are looked for, or None."""
    chosen = os.environ.get("TVSEG_DATA")
    return Path(chosen).expanduser() if chosen else None
