"""What the parsers of all commands share; building one loads nothing that takes time."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Container, Mapping, Sequence
from importlib import import_module
from typing import Any, NoReturn, Protocol, cast

from tvseg_bench.benchmark.errors import UsageError, did_you_mean

PROGRAM = "tvseg-bench"
PROGRESS = ("auto", "bar", "lines", "none")
"""How progress may be shown."""

CommandTable = Mapping[str, tuple[str, str]]
"""Command -> the module that has its parser and its handler, and what it does, in one sentence."""


class CommandParser(argparse.ArgumentParser):
    """An argument parser that answers a mistake with one sentence instead of a usage dump."""

    def __init__(self, command: str, description: str, epilog: str = "") -> None:
        self.command = command
        self.options: list[str] = []
        """Every option, as it may be typed."""
        self.takes_overrides = False
        """Whether words such as `protocol.kmeans-clip.k=21` may stand anywhere."""
        super().__init__(
            prog=f"{PROGRAM} {command}".strip(),
            description=description,
            epilog=epilog,
            allow_abbrev=False,
        )

    def add_argument(self, *names: str, **settings: Any) -> argparse.Action:
        """Add an argument as argparse does, and remember its option strings for suggestions."""
        action = super().add_argument(*names, **settings)
        self.options += action.option_strings
        return action

    def add_choice(self, name: str, known: Sequence[str], **settings: Any) -> None:
        """Add an argument that takes one of a few words; others get a did-you-mean."""
        self.add_argument(
            name, type=one_of(known), metavar="{" + ",".join(known) + "}", **settings
        )

    def add_progress(self) -> None:
        """Take `--progress`; it is about this process, so no config file has it."""
        self.add_choice(
            "--progress",
            PROGRESS,
            default="auto",
            help="bars, or a line every 30 s; auto: bars on a terminal and in a notebook",
        )

    def add_overrides(self, example: str) -> None:
        """Take `KEY=VALUE` words anywhere, as `arguments.overrides`."""
        self.takes_overrides = True
        self.add_argument(
            "overrides", nargs="*", default=[], metavar="KEY=VALUE", help=f"as in {example}"
        )

    def error(self, message: str) -> NoReturn:
        """Raise argparse's sentence, with what to type next."""
        raise UsageError(f"{message}; type: {self.prog} --help")

    def parse(self, typed: Sequence[str]) -> argparse.Namespace:
        """Parse the words after the command.

        Raises:
            UsageError: anything that does not fit; an unknown option with the nearest one.
        """
        arguments, rest = self.parse_known_args(typed)
        overrides = [word for word in rest if "=" in word and not word.startswith("-")]
        unknown = [word for word in rest if word not in overrides]
        if unknown and unknown[0].startswith("-"):
            raise UsageError(did_you_mean("option", unknown[0].partition("=")[0], self.options))
        if unknown:
            raise UsageError(
                f"{unknown[0]!r} stands where nothing is expected; type: {self.prog} --help"
            )
        if overrides and not self.takes_overrides:
            raise UsageError(f"{self.command!r} takes no overrides such as {overrides[0]!r}")
        if overrides:
            arguments.overrides = [*arguments.overrides, *overrides]
        return arguments


class CommandModule(Protocol):
    """The module of one command; importing it loads neither torch nor numpy."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options and arguments of the command."""
        ...

    def run(self, arguments: argparse.Namespace) -> int:
        """Run the command and return its exit code."""
        ...


def one_of(known: Sequence[str]) -> Callable[[str], str]:
    """Return an argparse `type` that takes the given words and suggests the nearest one.

    Example:
        >>> one_of(["get", "path"])("get")
        'get'
        >>> one_of(["get", "path"])("pth")
        Traceback (most recent call last):
        tvseg_bench.benchmark.errors.UsageError: unknown value 'pth'; did you mean 'path'?
    """

    def checked(typed: str) -> str:
        if typed not in known:
            raise UsageError(did_you_mean("value", typed, known))
        return typed

    return checked


def given_options(arguments: argparse.Namespace, leave_out: Container[str]) -> dict[str, Any]:
    """Return what was typed, without the options that were not; 0 counts as typed.

    Example:
        >>> given_options(argparse.Namespace(seed=0, limit=None, force=False, json=True), ["json"])
        {'seed': 0}
    """
    return {
        name: value
        for name, value in vars(arguments).items()
        if name not in leave_out and value is not None and value is not False
    }


def wanted_progress(arguments: argparse.Namespace) -> str | None:
    """Return the word after `--progress`, None where nothing is shown.

    With `--json` nothing is, unless it was asked for.

    Example:
        >>> wanted_progress(argparse.Namespace(progress="auto", json=False))
        'auto'
        >>> wanted_progress(argparse.Namespace(progress="auto", json=True)) is None
        True
    """
    is_left_out = arguments.json and arguments.progress == "auto"
    return None if is_left_out else str(arguments.progress)


def overview_parser(commands: CommandTable, version: str) -> CommandParser:
    """Return the parser of what may stand before a command; its help lists the commands."""
    parser = CommandParser(
        "",
        "What do frozen visual features know about video? "
        "Evaluate a backbone by a protocol on a data set.",
        "First steps: 'tvseg-bench run' evaluates the embedded default, offline. "
        "'tvseg-bench list models' shows what there is.",
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {version}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    listed = parser.add_subparsers(metavar="COMMAND", parser_class=argparse.ArgumentParser)
    for command, (_, description) in commands.items():
        listed.add_parser(command, help=description)
    return parser


def parse_command(
    commands: CommandTable, command: str, typed: Sequence[str]
) -> tuple[CommandModule, argparse.Namespace]:
    """Return a command's module, and what its parser makes of the words after its name.

    Raises:
        UsageError: no such command, or words that do not fit it.
    """
    if command not in commands:
        raise UsageError(did_you_mean("command", command, commands))
    module_name, description = commands[command]
    module = cast("CommandModule", import_module(module_name))
    parser = CommandParser(command, description)
    parser.add_argument("--json", action="store_true", help="print for machines, one JSON value")
    parser.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)
    module.add_arguments(parser)
    return module, parser.parse(typed)


def split_typed(typed: Sequence[str]) -> tuple[list[str], str | None, list[str]]:
    """Return the options before the command, the command, and the words after it.

    Example:
        >>> split_typed(["--debug", "info", "davis-2017", "--json"])
        (['--debug'], 'info', ['davis-2017', '--json'])
    """
    for i, word in enumerate(typed):
        if word == "-" or not word.startswith("-"):
            return list(typed[:i]), word, list(typed[i + 1 :])
    return list(typed), None, []
