"""`tvseg-bench list`: models, protocols, data sets, or the cells of a run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvseg_bench.benchmark.cli.output import OK, print_json, print_problems
from tvseg_bench.benchmark.cli.parser import CommandParser

if TYPE_CHECKING:
    from tvseg_bench.benchmark.results.result import Result


def add_arguments(parser: CommandParser) -> None:
    """Take the kind of things to list, and the folder of a run."""
    parser.add_choice("kind", ("models", "protocols", "datasets", "runs"))
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("runs"), help="for runs: their folder"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print one row per registered thing or finished cell."""
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


def _list_runs(output: Path, as_json: bool) -> int:
    from tvseg_bench.benchmark.cli.cards import text_table
    from tvseg_bench.benchmark.results.store import ResultStore

    files, problems = ResultStore(output).load_all()
    rows = [_row(file.result) for file in files]
    if as_json:
        print_json(rows)
    elif rows:
        print(text_table(rows))
    else:
        print(f"no results in {output}; type: tvseg-bench run -o {output}")
    return print_problems(problems)


def _row(result: Result) -> dict[str, Any]:
    headline = result.headline
    value = result.metrics[headline].value if headline else None
    return {
        "cell": result.cell_id,
        "status": result.status,
        "model": result.model.name,
        "protocol": result.protocol.id,
        "preset": result.protocol.preset,
        "dataset": f"{result.dataset.id}:{result.dataset.split}",
        "seed": result.seed,
        "metric": headline,
        "value": None if value is None else round(value, 4),
    }
