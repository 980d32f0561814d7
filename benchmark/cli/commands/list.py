"""`tvseg-bench list`: models, protocols, data sets, or runs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tvseg_bench.benchmark.cli.output import OK, counted, print_json, print_problems
from tvseg_bench.benchmark.cli.parser import CommandParser
from tvseg_bench.benchmark.errors import UsageError


def add_arguments(parser: CommandParser) -> None:
    """Take the kind of things to list."""
    parser.add_choice("kind", ("models", "protocols", "datasets", "runs"))
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="for runs: those in and below DIR only"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print one row per registered thing or run."""
    from tvseg_bench.benchmark.cli import cards

    if arguments.kind == "runs":
        return _list_runs(arguments.output, arguments.json)
    listed = {
        "models": cards.list_models,
        "protocols": cards.list_protocols,
        "datasets": cards.list_datasets,
    }
    rows = listed[arguments.kind]()
    if arguments.json:
        print_json(rows)
    else:
        print(cards.text_table(rows))
        print(f"\n'tvseg-bench info NAME' tells more; {len(rows)} {arguments.kind}.")
    return OK


def _list_runs(below: Path | None, as_json: bool) -> int:
    from tvseg_bench.benchmark.cli.cards import text_table
    from tvseg_bench.benchmark.execution.status import known_runs

    rows, problems = [], []
    for folder in known_runs(below):
        try:
            rows.append(_row(folder))
        except UsageError as error:  # one damaged run hides no other
            problems.append(error)
    rows.sort(key=lambda row: str(row["created"]), reverse=True)
    if as_json:
        print_json(rows)
    elif rows:
        print(text_table(rows))
        print(f"\n'tvseg-bench status RUN' tells more; {counted(len(rows), 'run')}.")
    else:
        where = f" in {below}" if below else ""
        print(f"no runs{where}; type: tvseg-bench run" + (f" -o {below}" if below else ""))
    return print_problems(problems)


def _row(folder: Path) -> dict[str, Any]:
    from tvseg_bench.benchmark.execution.status import STATES, read_status

    status = read_status(folder)
    return {
        "run": str(folder),
        "created": status.created,
        "executor": status.executor,
        "cells": len(status.cells),
        **{state: status.counts.get(state, 0) for state in STATES},
    }
