"""`tvseg-bench report`: runs as pages that open from disk."""

from __future__ import annotations

import argparse
from pathlib import Path

from tvseg_bench.benchmark.cli.parser import CommandParser


def add_arguments(parser: CommandParser) -> None:
    """Take runs, and two models to compare."""
    parser.add_argument("folders", nargs="+", type=Path, metavar="RUN", help="folders of results")
    parser.add_argument(
        "--compare", nargs=2, metavar=("A", "B"), help="two models of the runs, side by side"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="default: RUN/report")


def run(arguments: argparse.Namespace) -> int:
    """Write the page of one run or of several; 1 where files of the runs cannot be read.

    Raises:
        UsageError: nothing to show, or a file in the way that no report wrote.
    """
    from tvseg_bench.leaderboards.cli.pages import print_page, write_page
    from tvseg_bench.leaderboards.report.gather import gather
    from tvseg_bench.leaderboards.report.view import MARK, page

    pair = tuple(arguments.compare) if arguments.compare else None
    material = gather(arguments.folders, pair)
    out = arguments.output or arguments.folders[0] / "report"
    name = "report.html" if pair is None else "compare.html"
    path = write_page(out / name, page(material), MARK)
    return print_page(path, material.problems, arguments.json)
