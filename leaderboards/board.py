"""The leaderboard: a pure function of folders of results; needs neither torch nor a network.

Results share a table only where protocol, preset, protocol version and parameters, data set,
split, version and manifest, and the view are all equal. Seeds of the same model are one row.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvseg_bench.benchmark.errors import UsageError, did_you_mean
from tvseg_bench.benchmark.results.result_file import Problem
from tvseg_bench.leaderboards.board_keys import RowKey, TableKey
from tvseg_bench.leaderboards.load import LoadedResults, Measurement, load
from tvseg_bench.leaderboards.rows import MetricTables, Ranked, ranked, read_metric_tables

if TYPE_CHECKING:
    import pandas as pd

FORMATS = ("csv", "md", "html")


@dataclass(frozen=True, kw_only=True)
class BoardTable:
    """Everything that may be compared with each other, ranked per metric."""

    key: TableKey
    params: Mapping[str, Any]
    """Resolved parameters of the protocol."""
    metrics: Mapping[str, Ranked]
    """The headline first."""
    n_clips: int | None


@dataclass(frozen=True, kw_only=True)
class Board:
    """Tables, and what is not in them."""

    tables: tuple[BoardTable, ...]
    problems: tuple[Problem, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class BoardReport:
    """What `build` wrote."""

    files: tuple[Path, ...]
    board: Board
    frame: pd.DataFrame
    """The long table."""


def build(folders: Sequence[Path], out: Path, formats: Sequence[str] = FORMATS) -> BoardReport:
    """Write the leaderboard of all results below the folders.

    Args:
        folders: output folders of runs, or folders that hold them.
        out: folder for `leaderboard.csv`, `leaderboard_wide.csv`, `leaderboard.md` and
            `leaderboard.html`; made if it is not there. Files of an earlier build are replaced,
            others never.
        formats: of `csv`, `md` and `html`.

    Raises:
        UsageError: an unknown format, a folder that is not there or holds no result, or a file
            in the way that no build wrote.
    """
    from tvseg_bench.leaderboards.build import long_table, write

    for name in formats:
        if name not in FORMATS:
            raise UsageError(did_you_mean("format", name, FORMATS))
    with _uncollected():
        loaded = load(folders)
        if not loaded.results:
            raise UsageError(_nothing(folders, loaded))
        board = make_board(loaded)
        frame = long_table(board)
        return BoardReport(files=write(board, frame, out, formats), board=board, frame=frame)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Leave cycles alone for a while: a board's many objects live until it is written, and
    looking through all of them again and again takes a fifth of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _nothing(folders: Sequence[Path], loaded: LoadedResults) -> str:
    """Return that there are no results, and what there is instead."""
    if not folders:
        return "no folder of results is given; type: tvseg-bench leaderboard build DIR"
    odd = len(loaded.problems)
    what = f" ({odd} other {'file' if odd == 1 else 'files'}: {loaded.problems[0]})" if odd else ""
    shown = ", ".join(map(str, folders))
    return f"{shown} holds no results{what}; type: tvseg-bench run --output {folders[0]}"


def make_board(loaded: LoadedResults) -> Board:
    """Return the tables of what was loaded."""
    problems = list(loaded.problems)
    tables = []
    for key, measured in groupby(loaded.measurements, key=attrgetter("table")):
        rows, found = _rows(measured)
        problems += found
        if rows:
            tables.append(_table(key, loaded.params[key], rows))
    return Board(
        tables=tuple(tables),
        problems=tuple(sorted(problems, key=lambda p: (p.file, p.message))),
        left_out=tuple(loaded.left_out),
    )


Rows = dict[RowKey, list[tuple[Measurement, MetricTables]]]


def _rows(measured: Iterable[Measurement]) -> tuple[Rows, list[Problem]]:
    """Return the seeds of every model with their clip rows; edited ones are left out."""
    rows: Rows = {}
    problems: list[Problem] = []
    for m in measured:
        found, wrong = read_metric_tables(m)
        problems += wrong
        if found is not None:
            rows.setdefault(m.row, []).append((m, found))
    return rows, problems


def _table(key: TableKey, params: Mapping[str, Any], rows: Rows) -> BoardTable:
    measured = [m for seeds in rows.values() for m, _ in seeds]
    names = dict.fromkeys(name for m in measured for name in m.metrics)
    metrics = {}
    for name in names:
        having = {
            row: [(m, e) for m, e in seeds if name in m.metrics] for row, seeds in rows.items()
        }
        metrics[name] = ranked(name, {row: seeds for row, seeds in having.items() if seeds})
    n_clips = next((m.n_clips for m in measured if m.n_clips is not None), None)
    return BoardTable(key=key, params=params, metrics=metrics, n_clips=n_clips)
