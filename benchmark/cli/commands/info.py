"""`tvseg-bench info`: the card of a model, protocol or data set."""

from __future__ import annotations

import argparse

from tvseg_bench.benchmark.cli.output import OK, print_json
from tvseg_bench.benchmark.cli.parser import CommandParser


def add_arguments(parser: CommandParser) -> None:
    """Take the name of the thing to show."""
    parser.add_argument("name", metavar="NAME")


def run(arguments: argparse.Namespace) -> int:
    """Print the card."""
    from tvseg_bench.benchmark.cli.cards import card_text, find_card

    card = find_card(arguments.name)
    if arguments.json:
        print_json(card)
    else:
        print(card_text(card))
    return OK
