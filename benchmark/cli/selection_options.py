"""The options that say which models, protocols and data sets: the same for `run` and `plan`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvseg_bench.benchmark.cli.parser import CommandParser, given_options

if TYPE_CHECKING:
    from argparse import _ArgumentGroup as ArgumentGroup

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


def add_executor(parser: CommandParser) -> None:
    """Add the options that say where the work is done, and how much a task may use."""
    group = parser.add_argument_group("many machines", "what they mean: docs/guide/machines.md")
    group.add_argument("--executor", metavar="NAME", help="local (default), ray or slurm")
    add_resources(group, "GPUs of a task", "processors of a task", "memory of a task")
    group.add_argument(
        "--array-parallelism", type=int, metavar="N", help="jobs that run at once at most"
    )
    group.add_argument(
        "--jobs", type=int, metavar="N", help="jobs of a stage at most (default: 1000)"
    )
    group.add_argument(
        "--range-frames", type=int, metavar="N", help="frames of a range of clips (default: 2000)"
    )


def add_resources(group: ArgumentGroup, gpus: str, cpus: str, memory: str) -> None:
    """Add the options of everything that an engine starts.

    Args:
        gpus, cpus, memory: whose they are, which is all that differs.
    """
    group.add_argument("--partition", metavar="NAME", help="queue of the cluster")
    group.add_argument("--gpus", type=float, metavar="N", help=gpus)
    group.add_argument("--cpus", type=int, metavar="N", help=cpus)
    group.add_argument("--memory", metavar="SIZE", help=f"{memory}, such as 32G")
    group.add_argument("--time", metavar="TIME", help="limit of a job (default: 4:00:00)")
    group.add_argument(
        "--retries",
        type=int,
        metavar="N",
        help="new starts after a death or time-out (default: 5)",
    )
    group.add_argument("--wait", action="store_true", help="stay until everything is done")
    group.add_argument(
        "--executor-option",
        action="append",
        metavar="KEY=VALUE",
        help="anything else for the engine, such as qos=high",
    )


EXECUTOR_OPTIONS = (
    *("partition", "gpus", "cpus", "memory", "time", "array_parallelism", "jobs", "retries"),
    *("range_frames", "wait"),
)
"""Options of the command line that are keys of `executor_options` in a config file."""


def executor_options_of(
    given: dict[str, Any], config: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Take the options of executors out of what was typed, and merge them with a config's.

    Raises:
        UsageError: an option for the engine without a value.
    """
    from tvseg_bench.benchmark.execution.selection import parse_pairs

    typed = {name: given.pop(name) for name in EXECUTOR_OPTIONS if name in given}
    engine = parse_pairs("--executor-option", given.pop("executor_option", ()), "qos=high")
    return {**(config or {}), **typed, **engine}


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
        arguments, leave_out=("config", "overrides", "json", "debug", "progress", "tasks")
    )
    config = read_config(arguments.config) if arguments.config else {}
    overrides = {**config.get("overrides", {}), **parse_overrides(arguments.overrides)}
    merged = {"overrides": overrides}
    options = executor_options_of(given, config.get("executor_options"))
    if options:
        merged["executor_options"] = options
    return make_selection({"data_root": data_root(), **config, **given, **merged})
