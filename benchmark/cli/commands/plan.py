"""`tvseg-bench plan`: what a run of the same selection would do."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape

from tvseg_bench.benchmark.cli.console import make_console, print_rows
from tvseg_bench.benchmark.cli.output import OK, SOME_FAILED, counted, print_json
from tvseg_bench.benchmark.cli.parser import CommandParser
from tvseg_bench.benchmark.cli.selection_options import (
    add_executor,
    add_selection,
    selection_of,
)


def add_arguments(parser: CommandParser) -> None:
    """Take a selection, as `run` does."""
    add_selection(parser)
    add_executor(parser)
    parser.add_argument(
        "--tasks", action="store_true", help="list the tasks with their inputs and outputs"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the cells and forward passes of a selection, and what they would take."""
    selection = selection_of(arguments)
    from tvseg_bench.benchmark.execution.estimate import estimate
    from tvseg_bench.benchmark.execution.executors.options import parse_options

    options = parse_options(selection.executor, selection.executor_options)
    found = estimate(selection, tasks=arguments.tasks, range_frames=options.range_frames)
    if arguments.json:
        print_json(found)
    else:
        _print_estimate(found)
    return SOME_FAILED if found["unavailable"] else OK


def _print_estimate(found: Mapping[str, Any]) -> None:
    console = make_console()
    todo = [_shown(cell) for cell in found["cells"] if cell["state"] != "skipped"]
    if todo:
        print_rows(todo, "cells")
    if found["passes"]:
        console.print()
        print_rows(found["passes"], "forward passes")
    if found.get("tasks"):
        console.print()
        print_rows([_shown_task(task) for task in found["tasks"]], "tasks")
    for reason, cells in _by_reason(found["cells"]).items():
        names = ", ".join(dict.fromkeys(f"{c['model']} × {c['protocol']}" for c in cells))
        console.print(
            f"[yellow]skipped[/yellow] {escape(names)} ({counted(len(cells), 'cell')}): "
            f"{escape(reason)}",
            soft_wrap=True,
        )
    for part in found["unavailable"]:
        label = f"{part['model']} × {part['protocol']} × {part['dataset']}"
        console.print(
            f"[red]cannot run[/red] {escape(label)}: {escape(part['reason'])}", soft_wrap=True
        )
    for model, reason in found["elsewhere"].items():
        console.print(
            f"[yellow]not here[/yellow] {escape(model)} runs where its weights are, and its time "
            f"is not estimated: {escape(reason)}",
            soft_wrap=True,
        )
    console.print(f"\n{_totals(found['totals'])}", soft_wrap=True)


def _totals(totals: Mapping[str, Any]) -> str:
    cells, frames = counted(totals["cells"], "cell"), counted(totals["frames"], "frame")
    tasks = f", as {counted(totals['tasks'], 'task')}" if "tasks" in totals else ""
    return (
        f"{cells}{tasks}, {totals['done']} done, {totals['skipped']} skipped; {frames} to pass "
        f"through a model, about {_time(totals['seconds'])}, and about "
        f"{_time(totals['own_seconds'])} for the protocols themselves; {totals['kept_mb']:.0f} MB "
        "of features cached"
    )


def _time(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds > 7200 else f"{seconds:.0f} s"


def _shown(cell: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in cell.items() if key != "reason"}


def _shown_task(task: Mapping[str, Any]) -> dict[str, Any]:
    """Return a task as a row that fits a terminal; `--json` gives it in full."""
    clips, after = task["clips"], task["after"]
    return {
        "task": task["task"],
        "kind": task["kind"],
        "model": task["model"],
        "protocol": "" if task["kind"] == "extract" else task["protocol"],
        "dataset": task["dataset"] + (" (to learn from)" if task["training"] else ""),
        "seed": task["seed"],
        "clips": "all" if clips is None else f"{clips[0]}-{clips[1] - 1}",
        "after": _spans(after),
        "output": task["output"],
        "frames": task["frames"],
        "seconds": task["seconds"],
    }


def _spans(numbers: Sequence[int]) -> str:
    """Return sorted numbers in few characters.

    Example:
        >>> _spans([0, 1, 2, 5])
        '0-2,5'
    """
    spans: list[list[int]] = []
    for n in numbers:
        if spans and n == spans[-1][1] + 1:
            spans[-1][1] = n
        else:
            spans.append([n, n])
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in spans)


def _by_reason(cells: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for cell in cells:
        if cell["state"] == "skipped":
            found.setdefault(cell["reason"], []).append(cell)
    return found
