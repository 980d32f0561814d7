"""`tvseg-bench submit`: pack a model's results for a board, or check such an archive."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from tvseg_bench.benchmark.cli.output import OK, print_json, print_problems
from tvseg_bench.benchmark.cli.parser import CommandParser
from tvseg_bench.benchmark.errors import UsageError

if TYPE_CHECKING:
    from tvseg_bench.leaderboards.submission.inspect import SubmissionReport
    from tvseg_bench.leaderboards.submission.pack import PackReport


def add_arguments(parser: CommandParser) -> None:
    """Take what to do, and runs or archives."""
    parser.add_choice("action", ("pack", "check"))
    parser.add_argument("paths", nargs="+", type=Path, metavar="RUN|ZIP")
    parser.add_argument("-o", "--output", type=Path, metavar="ZIP", help="pack: the archive")
    parser.add_argument("--model", metavar="NAME", help="pack: where runs hold several")
    parser.add_argument("--report", type=Path, metavar="FILE", help="pack: check_report.json")
    parser.add_argument("--against", type=Path, metavar="DIR", help="check: accepted results")


def run(arguments: argparse.Namespace) -> int:
    """Write an archive, or print what archives hold and what is wrong with them.

    Raises:
        UsageError: no archive is named.
        ResultError: the results or the report do not make a submission.
    """
    return _pack(arguments) if arguments.action == "pack" else _check(arguments)


def _pack(arguments: argparse.Namespace) -> int:
    from tvseg_bench.leaderboards.submission.pack import pack

    if arguments.output is None:
        raise UsageError("which archive? type: tvseg-bench submit pack RUN -o NAME.zip")
    done = pack(arguments.paths, arguments.output, model=arguments.model, report=arguments.report)
    if arguments.json:
        print_json(asdict(done))
    else:
        _print_packed(done)
    return OK


def _print_packed(done: PackReport) -> None:
    print(f"wrote {done.path}: {done.model}, {len(done.cells)} cells")
    for cell in done.cells:
        print(f"  {cell}")
    for line in done.left_out:
        print(f"left out: {line}")
    print(f"type: tvseg-bench submit check {done.path}")


def _check(arguments: argparse.Namespace) -> int:
    from tvseg_bench.leaderboards.submission.inspect import check_submission

    reports = [check_submission(path, against=arguments.against) for path in arguments.paths]
    if arguments.json:
        print_json([asdict(report) for report in reports])
    else:
        for report in reports:
            _print_checked(report)
    return print_problems(problem for report in reports for problem in report.problems)


def _print_checked(report: SubmissionReport) -> None:
    for row in report.rows:
        old = "" if row.existing is None else f", there already {row.existing:.4f}"
        value = "null" if row.value is None else f"{row.value:.4f}"
        print(f"{row.protocol} on {row.dataset}, seed {row.seed}: {row.metric} {value}{old}")
    if report.accepted:
        print(f"{report.file} is accepted: {report.model} at {report.revision}")
