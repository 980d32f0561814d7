"""The grammar of the command line; building it loads nothing that takes time."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from tvseg_bench.benchmark.errors import UsageError, did_you_mean

KINDS = ("models", "protocols", "datasets", "runs")


class Parser(argparse.ArgumentParser):
    """An argument parser that answers a mistake with one sentence instead of a usage dump."""

    def error(self, message: str) -> NoReturn:
        """Raise the mistake as a sentence; argparse's own list of choices becomes a hint."""
        if "invalid choice: " in message and "(choose from " in message:
            typed = message.split("invalid choice: ")[1].split(" (choose")[0].strip("'")
            known = message.split("(choose from ")[1].rstrip(")").replace("'", "").split(", ")
            kind = "command" if "COMMAND" in message else "value"
            raise UsageError(did_you_mean(kind, typed, known))
        raise UsageError(f"{message}; type: {self.prog} --help")


def build_parser(version: str) -> Parser:
    """Return the parser of every command."""
    parser = Parser(
        prog="tvseg-bench",
        description="What do frozen visual features know about video? "
        "Evaluate a backbone by a protocol on a data set.",
        epilog="First steps: 'tvseg-bench run' evaluates the embedded default, offline. "
        "'tvseg-bench list models' shows what there is.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"tvseg-bench {version}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    _list_and_info(commands)
    _run_and_plan(commands)
    _data(commands)
    _leaderboard(commands)
    _reports(commands)
    _models(commands)
    _training(commands)
    _cache_and_env(commands)
    return parser


def _add(
    commands: argparse._SubParsersAction[Parser], name: str, help_text: str, epilog: str = ""
) -> Parser:
    parser = commands.add_parser(
        name, help=help_text, description=help_text, epilog=epilog, allow_abbrev=False
    )
    parser.add_argument("--json", action="store_true", help="print for machines, one JSON value")
    parser.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)
    return parser


def _list_and_info(commands: argparse._SubParsersAction[Parser]) -> None:
    listing = _add(commands, "list", "List models, protocols, data sets or the cells of a run.")
    listing.add_argument("kind", metavar="{" + ",".join(KINDS) + "}", choices=KINDS)
    listing.add_argument(
        "-o", "--output", type=Path, default=Path("runs"), help="for runs: their folder"
    )
    info = _add(commands, "info", "Show the card of a model, protocol or data set.")
    info.add_argument("name", metavar="NAME")


def _run_and_plan(commands: argparse._SubParsersAction[Parser]) -> None:
    run = _add(
        commands,
        "run",
        "Evaluate models by protocols on data sets; what is done already is skipped.",
        "Without a selection: the embedded default, offline, in about a minute. "
        "Example: tvseg-bench run --model dino/vits16 --protocol kmeans-clip "
        "--dataset davis-2017 protocol.kmeans-clip.size=448",
    )
    _selection(run)
    run.add_argument("--force", action="store_true", help="compute again, keep the old aside")
    run.add_argument(
        "--keep",
        type=int,
        metavar="N",
        help="keep pictures of N clips and of the extremes, for 'report' (default: 12)",
    )
    run.add_argument(
        "--save-predictions",
        type=Path,
        metavar="DIR",
        help="write what is predicted as palette PNGs, as DAVIS tools read them",
    )
    run.add_argument("--fail-fast", action="store_true", help="stop at the first failed cell")
    plan = _add(commands, "plan", "Show what 'run' with the same selection would do.")
    _selection(plan)


def _selection(parser: Parser) -> None:
    many = {"action": "append", "metavar": "NAME"}
    parser.add_argument("--model", **many, help="models, by comma or repetition, or 'all'")  # type: ignore[arg-type]
    parser.add_argument("--protocol", **many, help="protocols, NAME or NAME:PRESET, or 'all'")  # type: ignore[arg-type]
    parser.add_argument("--dataset", **many, help="data sets, NAME or NAME:SPLIT, or 'all'")  # type: ignore[arg-type]
    parser.add_argument("-o", "--output", metavar="DIR", help="folder of results (default: runs)")
    parser.add_argument("--config", metavar="YAML", type=Path, help="the same keys in a file")
    parser.add_argument("--seeds", metavar="LIST", help="0, 0,1 or 0-4 (default: 0)")
    parser.add_argument("--limit", type=int, metavar="N", help="first N clips; marked partial")
    parser.add_argument(
        "--weights", action="append", metavar="FILE", help="weights, FILE or MODEL=FILE"
    )
    parser.add_argument("--plugin", action="append", metavar="FILE", help="a file with plugins")
    parser.add_argument("--data-root", metavar="DIR", help="where data sets lie ($TVSEG_DATA)")
    parser.add_argument("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1, mps")
    parser.add_argument("--dtype", metavar="NAME", help="fp32 (default) or bf16")
    parser.add_argument("--batch-size", type=int, metavar="N", help="frames per forward pass")
    parser.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="as in protocol.kmeans-clip.k=21"
    )


def _data(commands: argparse._SubParsersAction[Parser]) -> None:
    data = _add(commands, "data", "Say where data sets are, whether they are whole, what is odd.")
    data.add_argument("action", choices=("status", "check", "path"), metavar="{status,check,path}")
    data.add_argument("name", nargs="?", metavar="NAME[:SPLIT]", help="one data set")
    data.add_argument("--data-root", metavar="DIR", help="where data sets lie ($TVSEG_DATA)")


def _leaderboard(commands: argparse._SubParsersAction[Parser]) -> None:
    board = _add(commands, "leaderboard", "Build or check a leaderboard from folders of results.")
    board.add_argument("action", choices=("build", "check"), metavar="{build,check}")
    board.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="folders of results")
    board.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="where to write (default: the first DIR)"
    )
    board.add_argument(
        "--format",
        default="csv,md,html",
        metavar="LIST",
        help="csv, md, html (default: all three)",
    )


def _reports(commands: argparse._SubParsersAction[Parser]) -> None:
    report = _add(commands, "report", "Show runs as pages that open from disk; runs no model.")
    report.add_argument("folders", nargs="+", type=Path, metavar="RUN", help="folders of results")
    report.add_argument(
        "--compare", nargs=2, metavar=("A", "B"), help="two models of the runs, side by side"
    )
    report.add_argument("-o", "--output", type=Path, metavar="DIR", help="default: RUN/report")
    visualize = _add(commands, "visualize", "Show what a model sees in a video without labels.")
    visualize.add_argument("model", metavar="MODEL")
    visualize.add_argument("video", type=Path, metavar="VIDEO", help="a video or frame folder")
    visualize.add_argument("--weights", type=Path, metavar="FILE", help="weights for the model")
    visualize.add_argument("--k", type=int, default=6, metavar="K", help="clusters (default: 6)")
    visualize.add_argument("--size", type=int, default=224, metavar="N", help="short side")
    visualize.add_argument(
        "--frames", type=int, default=64, metavar="N", help="equidistant frames (default: 64)"
    )
    visualize.add_argument("--seed", type=int, default=0, metavar="N")
    visualize.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda, ...")
    visualize.add_argument("-o", "--output", type=Path, metavar="DIR", help="default: visualized")
    verify = _add(
        commands,
        "verify",
        "Compare published numbers with what runs here; exit code 3 on a mismatch.",
    )
    verify.add_argument("name", metavar="MODEL|PAPER")
    verify.add_argument("--weights", type=Path, metavar="FILE", help="weights for the model")
    verify.add_argument("--data-root", metavar="DIR", help="where data sets lie ($TVSEG_DATA)")
    verify.add_argument(
        "--published",
        type=Path,
        metavar="CSV",
        help="another table of numbers, with the columns of leaderboards/published/numbers.csv",
    )
    verify.add_argument("--device", metavar="NAME", help="auto, cpu, cuda, ...")
    verify.add_argument("-o", "--output", metavar="DIR", help="folder of results (default: runs)")


def _models(commands: argparse._SubParsersAction[Parser]) -> None:
    weights = _add(
        commands,
        "weights",
        "Fetch a model's official weights, or say where they lie or belong.",
        "Nothing else ever downloads: 'weights get NAME' is the one command that does.",
    )
    weights.add_argument("action", choices=("get", "path"), metavar="{get,path}")
    weights.add_argument("name", metavar="NAME")
    check = _add(commands, "check", "Test a model against the contract, before it is submitted.")
    check.add_argument("model", metavar="MODEL")
    check.add_argument("--weights", type=Path, metavar="FILE", help="weights for the model")
    check.add_argument("--full", action="store_true", help="also larger pictures, more clips")
    check.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda, ...")
    check.add_argument("-o", "--output", type=Path, metavar="DIR", help="write the report there")
    new = _add(commands, "new-model", "Write a plugin package to start from.")
    new.add_argument("name", metavar="NAME", help="family/arch, such as mine/vits16")
    new.add_argument("--dir", type=Path, default=Path(), metavar="DIR", help="where (default: .)")
    submit = _add(commands, "submit", "Pack a model's results for a leaderboard, or check a pack.")
    submit.add_argument("action", choices=("pack", "check"), metavar="{pack,check}")
    submit.add_argument("paths", nargs="+", type=Path, metavar="RUN|ZIP")
    submit.add_argument("-o", "--output", type=Path, metavar="ZIP", help="pack: the archive")
    submit.add_argument("--model", metavar="NAME", help="pack: where runs hold several")
    submit.add_argument("--report", type=Path, metavar="FILE", help="pack: check_report.json")
    submit.add_argument("--against", type=Path, metavar="DIR", help="check: accepted results")


def _training(commands: argparse._SubParsersAction[Parser]) -> None:
    train = _add(
        commands,
        "train",
        "Tune a backbone on unlabelled video; the result is a model like any other.",
        "Example: tvseg-bench train timet --model dino/vits16 --data davis-2017:train "
        "-o runs/timet recipe.epochs=10",
    )
    train.add_argument("method", metavar="METHOD[:RECIPE]", help="timet, timet:timet, ...")
    train.add_argument("--model", metavar="NAME", help="the backbone to start from")
    train.add_argument("--weights", type=Path, metavar="FILE", help="weights for the backbone")
    train.add_argument(
        "--data", action="append", metavar="NAME", help="data sets, video files or folders"
    )
    train.add_argument("--clips", metavar="LIST", help="names of the clips to train on")
    train.add_argument("-o", "--output", type=Path, metavar="DIR", help="default: runs/train")
    train.add_argument("--config", metavar="YAML", type=Path, help="the same keys in a file")
    train.add_argument(
        "--resume", choices=("auto", "never"), metavar="{auto,never}", help="default: never"
    )
    train.add_argument("--validate", metavar="PROTOCOL@DATASET", help="score now and then")
    train.add_argument("--tensorboard", action="store_true", help="also write event files")
    train.add_argument("--data-root", metavar="DIR", help="where data sets lie ($TVSEG_DATA)")
    train.add_argument("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1, mps")
    train.add_argument("--seed", type=int, metavar="N", help="default: 0")
    train.add_argument("--workers", type=int, metavar="N", help="threads that decode (default: 2)")
    train.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as in recipe.epochs=10")


def _cache_and_env(commands: argparse._SubParsersAction[Parser]) -> None:
    cache = _add(commands, "cache", "Show or empty the cache of features.")
    cache.add_argument(
        "action", choices=("status", "prune", "path"), metavar="{status,prune,path}"
    )
    cache.add_argument("--all", action="store_true", help="prune everything")
    cache.add_argument(
        "--older-than", type=float, metavar="DAYS", help="prune what was not used for so long"
    )
    cache.add_argument("--to", metavar="SIZE", help="prune down to a size such as 20G")
    _add(commands, "env", "Show versions and hardware, as they go into results.")


def parse(parser: Parser, argv: Sequence[str]) -> argparse.Namespace:
    """Parse; overrides may stand anywhere, an unknown option is answered with the nearest one.

    Raises:
        UsageError: anything that does not fit the grammar.
    """
    arguments, rest = parser.parse_known_args(argv)
    overrides = [item for item in rest if "=" in item and not item.startswith("-")]
    unknown = [item for item in rest if item not in overrides]
    if unknown:
        if unknown[0].startswith("-"):
            known = _options(parser, arguments.command)
            raise UsageError(did_you_mean("option", unknown[0].split("=")[0], known))
        raise UsageError(
            f"{unknown[0]!r} stands where nothing is expected; "
            f"type: tvseg-bench {arguments.command or ''} --help".replace("  ", " ")
        )
    if overrides:
        if not hasattr(arguments, "overrides"):
            raise UsageError(f"'{arguments.command}' takes no overrides such as {overrides[0]!r}")
        arguments.overrides += overrides
    return arguments


def _options(parser: Parser, command: str | None) -> list[str]:
    """Return the option strings of a command."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction) and command:
            parser = action.choices[command]
    return [option for action in parser._actions for option in action.option_strings]
