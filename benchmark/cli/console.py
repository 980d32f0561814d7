"""The console that tables and progress are printed to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.util import find_spec
from typing import Any, Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tvseg_bench.benchmark.cli.output import duration

WIDTH_WITHOUT_TERMINAL = 160
"""Columns of files and pipes, so that they lose nothing."""


def make_console(stderr: bool = False) -> Console:
    """Return a console as wide as the terminal, or wide enough where there is none."""
    console = Console(stderr=stderr, highlight=False)
    if console.is_terminal:
        return console
    return Console(stderr=stderr, highlight=False, width=WIDTH_WITHOUT_TERMINAL)


Style = Literal["bar", "lines", "none"]


def progress_style(wanted: str) -> Style:
    """Return how progress is shown on stderr, given the word after `--progress`.

    `auto` is bars on a terminal and in a notebook that can draw them, else lines. Bars that are
    asked for are drawn anywhere but in a notebook without ipywidgets.
    """
    if wanted == "lines":
        return "lines"
    if wanted == "none":
        return "none"
    console = Console(stderr=True)
    if console.is_jupyter:
        return "bar" if find_spec("ipywidgets") else "lines"
    # FORCE_COLOR makes rich take a file for a terminal.
    drawn = console.is_terminal and console.file.isatty() and not console.is_dumb_terminal
    return "bar" if wanted == "bar" or drawn else "lines"


def progress_console(style: Style) -> Console:
    """Return the console on stderr that progress of a style is printed to."""
    if style == "lines":  # plain text wherever it goes, a notebook and a coloured log included
        return Console(
            stderr=True,
            highlight=False,
            width=WIDTH_WITHOUT_TERMINAL,
            force_terminal=False,
            force_jupyter=False,
            color_system=None,
        )
    console = make_console(stderr=True)
    if style == "bar" and not console.is_terminal and not console.is_jupyter:
        return Console(stderr=True, highlight=False, force_terminal=True)
    return console


def print_progress(console: Console, now: datetime, elapsed_s: float, text: str) -> None:
    """Print one plain line with the time of day and how long it has been going on."""
    line = f"[{now:%H:%M:%S}, {duration(elapsed_s)} in] {text}"
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def plain_table(title: str = "") -> Table:
    """Return a table without lines between its cells."""
    return Table(title=title or None, title_justify="left", box=None, pad_edge=False)


def print_rows(rows: Sequence[Mapping[str, Any]], title: str = "") -> None:
    """Print dictionaries as a table, one column per key of the first."""
    table = plain_table(title)
    for key in rows[0]:
        table.add_column(str(key), overflow="fold")
    for row in rows:
        table.add_row(*("–" if v is None else escape(str(v)) for v in row.values()))
    make_console().print(table)
