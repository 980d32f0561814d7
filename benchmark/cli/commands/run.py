"""`tvseg-bench run`: evaluate a selection of models, protocols and data sets."""

from __future__ import annotations

import argparse
import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path

from tvseg_bench.benchmark.cli.output import OK, SOME_FAILED
from tvseg_bench.benchmark.cli.parser import CommandParser
from tvseg_bench.benchmark.cli.selection_options import (
    add_executor,
    add_selection,
    selection_of,
)


def add_arguments(parser: CommandParser) -> None:
    """Take a selection, and how to run it."""
    parser.epilog = (
        "Without a selection: the embedded default, offline, in about a minute. "
        "Example: tvseg-bench run --model dino/vits16 --protocol kmeans-clip "
        "--dataset davis-2017 protocol.kmeans-clip.size=448"
    )
    add_selection(parser)
    parser.add_argument(
        "--force", action="store_true", help="compute again; an older result is set aside"
    )
    parser.add_argument(
        "--keep",
        type=int,
        metavar="N",
        help="record images of N clips and of the extremes, for 'report' (default: 12)",
    )
    parser.add_argument(
        "--save-predictions",
        type=Path,
        metavar="DIR",
        help="write what is predicted as palette PNGs, as DAVIS tools read them",
    )
    add_executor(parser)
    parser.add_argument("--fail-fast", action="store_true", help="stop at the first failed cell")
    parser.add_progress()


def run(arguments: argparse.Namespace) -> int:
    """Run the selection, with progress on stderr and tables on stdout."""
    selection = selection_of(arguments)
    from tvseg_bench.benchmark.execution.plan import check_names

    check_names(selection)  # before anything that takes seconds to load
    from tvseg_bench.benchmark.cli.json_events import json_run
    from tvseg_bench.benchmark.cli.progress import shown_run
    from tvseg_bench.benchmark.cli.score_tables import print_report
    from tvseg_bench.benchmark.execution.run import run_selection

    shown = json_run if arguments.json else shown_run
    engines_talk = redirect_stdout(sys.stderr) if arguments.json else nullcontext()
    with shown(arguments.progress) as callbacks, engines_talk:  # Ray prints on stdout as well
        report = run_selection(selection, callbacks, ["tvseg-bench", *sys.argv[1:]])
    if not arguments.json:
        print_report(report)
    return SOME_FAILED if report.failed else OK
