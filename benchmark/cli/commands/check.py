"""`tvseg-bench check`: the contract test of a model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from tvseg_bench.benchmark.cli.console import make_console
from tvseg_bench.benchmark.cli.output import OK, SOME_FAILED
from tvseg_bench.benchmark.cli.parser import CommandParser

if TYPE_CHECKING:
    from tvseg_bench.benchmark.contract.check_report import CheckOutcome

_COLOURS = {"passed": "green", "failed": "red", "warning": "yellow"}


def add_arguments(parser: CommandParser) -> None:
    """Take a model, and how thoroughly to test it."""
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="weights for the model")
    parser.add_argument("--full", action="store_true", help="also larger images, more clips")
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda, ...")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="write the report there")


def run(arguments: argparse.Namespace) -> int:
    """Print the outcome of every check as it is known; 1 where one failed."""
    from tvseg_bench.benchmark.contract.check_report import write_report
    from tvseg_bench.benchmark.contract.run_checks import check_model

    report = check_model(
        arguments.model,
        weights=arguments.weights,
        full=arguments.full,
        device=arguments.device,
        on_outcome=None if arguments.json else _print_outcome,
    )
    if arguments.json:
        print(report.to_json(), end="")
    for file in write_report(report, arguments.output) if arguments.output else ():
        if not arguments.json:
            print(f"wrote {file}")
    return OK if report.passed else SOME_FAILED


def _print_outcome(outcome: CheckOutcome) -> None:
    colour = _COLOURS.get(outcome.status, "dim")
    text = escape(f"{outcome.check}: {outcome.message}")
    line = f"[{colour}]{outcome.status:>14}[/{colour}]  {text}"
    make_console().print(line, soft_wrap=True)
