"""The command line: a table of commands, each in a module that is imported when it is typed."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from tvseg_bench import __version__, register_builtins
from tvseg_bench.benchmark.cli.output import INTERRUPTED, OK, SOME_FAILED, USAGE
from tvseg_bench.benchmark.cli.parser import overview_parser, parse_command, split_typed
from tvseg_bench.benchmark.errors import TvsegError, UsageError

_ENGINE, _BOARDS = "tvseg_bench.benchmark.cli.commands", "tvseg_bench.leaderboards.cli"
COMMANDS = {
    "list": (f"{_ENGINE}.list", "List models, protocols, data sets or runs."),
    "info": (f"{_ENGINE}.info", "Show the card of a model, protocol or data set."),
    "run": (
        f"{_ENGINE}.run",
        "Evaluate models by protocols on data sets; what is done already is skipped.",
    ),
    "status": (f"{_ENGINE}.status", "Show what of a run is waiting, running, done and failed."),
    "plan": (f"{_ENGINE}.plan", "Show what 'run' with the same selection would do."),
    "data": (f"{_ENGINE}.data", "Show where data sets are and whether they are complete."),
    "leaderboard": (
        f"{_BOARDS}.leaderboard",
        "Build or check a leaderboard from folders of results.",
    ),
    "report": (f"{_BOARDS}.report", "Show runs as pages that open from disk; runs no model."),
    "visualize": (f"{_BOARDS}.visualize", "Show what a model sees in a video without labels."),
    "verify": (
        f"{_BOARDS}.verify",
        "Compare published numbers with what runs here; exit code 3 on a mismatch.",
    ),
    "weights": (
        f"{_ENGINE}.weights",
        "Fetch a model's official weights, or show where they belong.",
    ),
    "check": (f"{_ENGINE}.check", "Test a model against the contract, before it is submitted."),
    "new-model": ("tvseg_bench.models.template.command", "Write a plugin package to start from."),
    "submit": (f"{_BOARDS}.submit", "Pack a model's results for a leaderboard, or check a pack."),
    "train": (
        "tvseg_bench.models.training.command",
        "Tune a backbone on unlabelled video; the result is a model like any other.",
    ),
    "cache": (f"{_ENGINE}.cache", "Show or empty the cache of features."),
    "env": (f"{_ENGINE}.env", "Show versions and hardware, as they go into results."),
}
"""Command -> the module with its parser and its handler, and what it does."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code.

    0 ok, 1 some cells failed or something is wrong with files, 2 usage, 3 verification mismatch,
    130 interrupted.
    """
    typed = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(typed)
    except TvsegError as error:
        if "--debug" in typed:
            raise
        print(f"tvseg-bench: {error}", file=sys.stderr)
        return USAGE if isinstance(error, UsageError) else SOME_FAILED
    except KeyboardInterrupt:
        again = "; the same command goes on where this one stopped" if "run" in typed[:1] else ""
        print(f"\ntvseg-bench: interrupted{again}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK


def _dispatch(typed: Sequence[str]) -> int:
    options, command, rest = split_typed(typed)
    overview = overview_parser(COMMANDS, __version__)
    if command is None:
        overview.parse(options)
        overview.print_help()
        return OK
    overview.parse([option for option in options if option in overview.options])
    early = [option for option in options if option not in overview.options]
    module, arguments = parse_command(COMMANDS, command, [*early, *rest])
    register_builtins()
    return module.run(arguments)


if __name__ == "__main__":
    sys.exit(main())
