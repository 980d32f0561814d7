"""The options that say which models, protocols and data sets: the same for `run` and `plan`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tvseg_bench.benchmark.cli.parser import CommandParser, given_options

if TYPE_CHECKING:
    from tvseg_bench.benchmark.execution.selection import Selection


def add_selection(parser: CommandParser) -> None:
    """Add the options of a selection."""
    for option, text in (
        ("--model", "models, by comma or repetition, or 'all'"),
        ("--protocol", "protocols, NAME or NAME:PRESET, or 'all'"),
        ("--dataset", "data sets, NAME or NAME:SPLIT, or 'all'"),
    ):
        parser.add_argument(option, action="append", metavar="NAME", help=text)
    parser.add_argument("-o", "--output", metavar="DIR", help="folder of results (default: runs)")
    parser.add_argument("--config", metavar="YAML", type=Path, help="the same keys in a file")
    parser.add_argument("--seeds", metavar="LIST", help="0, 0,1 or 0-4 (default: 0)")
    parser.add_argument("--limit", type=int, metavar="N", help="first N clips; marked partial")
    parser.add_argument(
        "--weights", action="append", metavar="FILE", help="weights, FILE or MODEL=FILE"
    )
    parser.add_argument("--plugin", action="append", metavar="FILE", help="a file with plugins")
    parser.add_argument("--data-root", metavar="DIR", help="folder of data sets ($TVSEG_DATA)")
    parser.add_argument("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1, mps")
    parser.add_argument("--dtype", metavar="NAME", help="fp32 (default) or bf16")
    parser.add_argument("--batch-size", type=int, metavar="N", help="frames per forward pass")
    parser.add_overrides("protocol.kmeans-clip.k=21")


def selection_of(arguments: argparse.Namespace) -> Selection:
    """Merge defaults, the config file and the command line, the last one winning.

    Raises:
        UsageError: a config or an override that cannot be read, or a value that does not fit.
    """
    from tvseg_bench.benchmark.execution.selection import (
        make_selection,
        parse_overrides,
        read_config,
    )
    from tvseg_bench.benchmark.paths import data_root

    given = given_options(
        arguments, leave_out=("config", "overrides", "json", "debug", "progress")
    )
    config = read_config(arguments.config) if arguments.config else {}
    overrides = {**config.get("overrides", {}), **parse_overrides(arguments.overrides)}
    return make_selection({"data_root": data_root(), **config, **given, "overrides": overrides})
