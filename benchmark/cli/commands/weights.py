"""`tvseg-bench weights`: fetch a model's official weights, or show where they belong."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from tvseg_bench.benchmark.cli.output import OK, SOME_FAILED, print_json
from tvseg_bench.benchmark.cli.parser import CommandParser
from tvseg_bench.benchmark.errors import ModelError, UsageError
from tvseg_bench.benchmark.registry import ModelEntry
from tvseg_bench.benchmark.types import ModelCard


def add_arguments(parser: CommandParser) -> None:
    """Take what to do, and a model."""
    parser.epilog = "Nothing else ever downloads: 'weights get NAME' is the one command that does."
    parser.add_choice("action", ("get", "path"))
    parser.add_argument("name", metavar="NAME")


def run(arguments: argparse.Namespace) -> int:
    """Print the path of the weights; 1 where `path` finds no file there."""
    if arguments.action == "get":
        found = _fetch(arguments.name, quiet=arguments.json)
    else:
        found = _locate(arguments.name)
    if arguments.json:
        print_json(found)
    else:
        print(found["path"])
    return OK if found.get("found", True) else SOME_FAILED


def _fetch(name: str, quiet: bool) -> dict[str, Any]:
    """Download the official weights of a model, with a progress bar unless `quiet`."""
    from tvseg_bench.benchmark.plugins.resolve import find_model
    from tvseg_bench.benchmark.plugins.weights.download import get

    card = _card(name, find_model(name).entry, "ask its author where they are")
    return {**asdict(get(card, progress=not quiet)), "licence": card.licence}


def _locate(name: str) -> dict[str, Any]:
    """Return the `path` where a model's weights are or belong, and whether they are `found`."""
    from tvseg_bench.benchmark.plugins.weights import locate
    from tvseg_bench.benchmark.registry import models

    entry = models[name]
    card = _card(name, entry, "type --weights FILE when running it")
    found = locate.find(card, timm=entry.timm)
    return {"path": found or locate.place(card), "found": found is not None}


def _card(name: str, entry: ModelEntry, hint: str) -> ModelCard:
    """Return the card of a model that takes a weights file; refuse one that needs none."""
    card = entry.card
    if card is None:
        raise ModelError(f"the card of {name} names no weights; {hint}")
    if not entry.needs_weights and card.weights_url is None:
        verb = "needs" if entry.takes_weights else "takes"
        raise UsageError(
            f"{name} {verb} no weights file, so there is none to fetch; type: tvseg-bench run "
            f"--model {name}"
        )
    return card
