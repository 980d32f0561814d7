"""`tvseg-bench leaderboard`: build a board from folders of results, or check them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from tvseg_bench.benchmark.cli.output import OK, SOME_FAILED, counted, print_json, print_problems
from tvseg_bench.benchmark.cli.parser import CommandParser

if TYPE_CHECKING:
    from tvseg_bench.leaderboards.board import BoardReport


def add_arguments(parser: CommandParser) -> None:
    """Take what to do, the folders, and where a board is written."""
    parser.add_choice("action", ("build", "check"))
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="folders of results")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="where to write (default: the first DIR)"
    )
    parser.add_argument(
        "--format",
        default="csv,md,html",
        metavar="LIST",
        help="csv, md, html (default: all three)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write a board, or print what is wrong with results; 1 where something is."""
    if arguments.action == "check":
        return _check(arguments.folders, arguments.json)
    from tvseg_bench.benchmark.execution.selection import split_list
    from tvseg_bench.leaderboards.board import build

    out = arguments.output or arguments.folders[0]
    report = build(arguments.folders, out, split_list(arguments.format))
    if arguments.json:
        left_out = report.board.left_out
        print_json({"files": report.files, "rows": len(report.frame), "left_out": left_out})
    else:
        _print_built(report)
    return print_problems(report.board.problems)


def _print_built(report: BoardReport) -> None:
    for file in report.files:
        print(f"wrote {file}")
    left_out = report.board.left_out
    if left_out:
        print(f"not on the board: {counted(len(left_out), 'result')}, such as {left_out[0]}")


def _check(folders: Sequence[Path], as_json: bool) -> int:
    from tvseg_bench.leaderboards.check import check

    problems = [problem for folder in folders for problem in check(folder)]
    if as_json:
        print_json([asdict(problem) for problem in problems])
        return SOME_FAILED if problems else OK
    if not problems:
        print("nothing is wrong")
    return print_problems(problems)
