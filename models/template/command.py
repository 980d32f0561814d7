"""`tvseg-bench new-model`: write a plugin package to start from."""

from __future__ import annotations

import argparse
from pathlib import Path

from tvseg_bench.benchmark.cli.output import OK, print_json
from tvseg_bench.benchmark.cli.parser import CommandParser


def add_arguments(parser: CommandParser) -> None:
    """Take the model's name, and where to write."""
    parser.add_argument("name", metavar="NAME", help="family/arch, such as mine/vits16")
    parser.add_argument(
        "--dir", type=Path, default=Path(), metavar="DIR", help="where (default: .)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the package, and print its files and what to do next.

    Raises:
        UsageError: the name does not fit or is taken, or the folder is there already.
    """
    from tvseg_bench.benchmark.plugins.scaffold import new_model
    from tvseg_bench.models.template import TEMPLATE

    made = new_model(arguments.name, arguments.dir, TEMPLATE)
    if arguments.json:
        print_json({"folder": made.folder, "files": made.files})
        return OK
    for file in made.files:
        print(f"wrote {file}")
    card, network = made.to_fill_in
    print(
        f"fill in the card first, {card}, and the network, {network}; then type: pip install "
        f"--editable {made.folder}"
    )
    return OK
