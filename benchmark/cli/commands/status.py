"""`tvseg-bench status`: what of a run waits, runs, is done or failed, and where the log is."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvseg_bench.benchmark.cli.output import (
    SOME_FAILED,
    counted,
    print_json,
    print_problems,
)
from tvseg_bench.benchmark.cli.parser import CommandParser

if TYPE_CHECKING:
    from tvseg_bench.benchmark.execution.status import CellStatus, RunState, TaskStatus

_SHOWN = 20
"""Rows at most where everything was not asked for."""


def add_arguments(parser: CommandParser) -> None:
    """Take the folder of a run, and how much to show of it."""
    parser.add_argument("run", type=Path, nargs="?", default=Path("runs"), metavar="RUN")
    parser.add_argument("--all", action="store_true", help="every cell and every task")
    parser.add_argument("--wait", action="store_true", help="stay until nothing runs or waits")


def run(arguments: argparse.Namespace) -> int:
    """Print how a run goes on; exit code 1 where cells have failed or stopped."""
    from tvseg_bench.benchmark.execution.status import read_status

    status = read_status(arguments.run)
    while arguments.wait and status.going_on:
        time.sleep(_POLL_S)
        status = read_status(arguments.run)
    if arguments.json:
        print_json(_plain(status))
    else:
        _print(status, arguments.all)
    wrong = print_problems(status.problems)
    failed = status.counts.get("failed", 0) + status.counts.get("stopped", 0)
    return SOME_FAILED if failed else wrong


_POLL_S = 5.0


def _plain(status: RunState) -> dict[str, Any]:
    return {
        "run": status.folder,
        "executor": status.executor,
        "created": status.created,
        "counts": dict(status.counts),
        "cells": [asdict(cell) for cell in status.cells],
        "tasks": [asdict(task) for task in status.tasks],
        "logs": None if status.record is None else status.record.logs,
    }


def _print(status: RunState, everything: bool) -> None:
    from tvseg_bench.benchmark.cli.cards import text_table
    from tvseg_bench.benchmark.execution.status import STATES

    counts = ", ".join(f"{status.counts[s]} {s}" for s in STATES if status.counts.get(s))
    cells = counted(len(status.cells), "cell")
    print(f"{status.folder}: {cells} on {status.executor}, since {status.created}")
    print(f"  {counts or 'nothing yet'}")
    rows = [_cell(cell) for cell in status.cells if everything or cell.state != "done"]
    if rows:
        print(f"\n{text_table(rows if everything else rows[:_SHOWN])}")
    if len(rows) > _SHOWN and not everything:
        print(f"... and {len(rows) - _SHOWN} more; type: tvseg-bench status RUN --all")
    tasks = [t for t in status.tasks if everything or t.state in ("running", "failed", "stopped")]
    if tasks:
        print(f"\n{text_table([_task(t) for t in (tasks if everything else tasks[:_SHOWN])])}")
    logs = _logs(tasks)
    if logs:
        print("\nlogs: " + "\n      ".join(logs if everything else logs[:_SHOWN]))
    elif status.record is not None:
        print(f"\nlogs: {status.record.logs}")
    if status.counts.get("failed") or status.counts.get("stopped"):
        print("\nthe same `tvseg-bench run` command goes on with what is not done")


def _cell(cell: CellStatus) -> dict[str, Any]:
    row = asdict(cell)
    row["value"] = None if cell.value is None else f"{cell.value:.4f}"
    return row


def _task(task: TaskStatus) -> dict[str, Any]:
    return {name: value for name, value in asdict(task).items() if name not in ("log", "cell_id")}


def _logs(tasks: Sequence[TaskStatus]) -> list[str]:
    return list(dict.fromkeys(task.log for task in tasks if task.log))
