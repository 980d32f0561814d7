"""`tvseg-bench plan`: what a run of the same selection would do."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from rich.markup import escape

from tvseg_bench.benchmark.cli.console import make_console, print_rows
from tvseg_bench.benchmark.cli.output import OK, SOME_FAILED, counted, print_json
from tvseg_bench.benchmark.cli.parser import CommandParser
from tvseg_bench.benchmark.cli.selection_options import add_selection, selection_of


def add_arguments(parser: CommandParser) -> None:
    """Take a selection, as `run` does."""
    add_selection(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the cells and forward passes of a selection, and what they would take."""
    selection = selection_of(arguments)
    from tvseg_bench.benchmark.execution.estimate import estimate

    found = estimate(selection)
    if arguments.json:
        print_json(found)
    else:
        _print_estimate(found)
    return SOME_FAILED if found["unavailable"] else OK


def _print_estimate(found: Mapping[str, Any]) -> None:
    console = make_console()
    if found["cells"]:
        print_rows(found["cells"], "cells")
    if found["passes"]:
        console.print()
        print_rows(found["passes"], "forward passes")
    for part in found["unavailable"]:
        label = f"{part['model']} × {part['protocol']} × {part['dataset']}"
        console.print(
            f"[red]cannot run[/red] {escape(label)}: {escape(part['reason'])}", soft_wrap=True
        )
    totals = found["totals"]
    cells, frames = counted(totals["cells"], "cell"), counted(totals["frames"], "frame")
    console.print(
        f"\n{cells}, {totals['done']} done; {frames} to pass through a model, about "
        f"{totals['seconds']:.0f} s without clustering; {totals['kept_mb']:.0f} MB of features "
        "cached",
        soft_wrap=True,
    )
