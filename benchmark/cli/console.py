"""The console that tables and progress are printed to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

WIDTH_WITHOUT_TERMINAL = 160
"""Columns of files and pipes, so that they lose nothing."""


def make_console(stderr: bool = False) -> Console:
    """Return a console as wide as the terminal, or wide enough where there is none."""
    console = Console(stderr=stderr, highlight=False)
    if console.is_terminal:
        return console
    return Console(stderr=stderr, highlight=False, width=WIDTH_WITHOUT_TERMINAL)


class TerminalProgress(Progress):
    """Progress bars of which nothing is printed where they are disabled, not even a blank line."""

    def start(self) -> None:
        """Begin to show the bars."""
        if not self.disable:
            super().start()

    def stop(self) -> None:
        """Show the bars no more."""
        if not self.disable:  # before rich 15 a disabled one ends with a blank line
            super().stop()


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
