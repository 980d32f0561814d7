"""`tvseg-bench env`: versions and hardware, as they go into results."""

from __future__ import annotations

import argparse
import os
from datetime import datetime, timezone

from tvseg_bench.benchmark.cli.output import OK, print_json
from tvseg_bench.benchmark.cli.parser import CommandParser
from tvseg_bench.benchmark.paths import home

_OF_A_RUN = {"command", "config_sha256", "seeds", "started", "ended", "world_size"}
"""Fields of the provenance that describe a run, not the machine."""


def add_arguments(parser: CommandParser) -> None:
    """Take nothing."""


def run(arguments: argparse.Namespace) -> int:
    """Print one fact a line."""
    import torch  # noqa: F401  (the GPU is known once torch is loaded)

    from tvseg_bench.benchmark.results.provenance import collect

    found = collect(started=datetime.now(timezone.utc)).model_dump(exclude=_OF_A_RUN)
    found["TVSEG_DATA"] = os.environ.get("TVSEG_DATA")
    found["TVSEG_HOME"] = str(home())
    if arguments.json:
        print_json(found)
        return OK
    for key, value in found.items():
        if isinstance(value, dict):
            print(f"{key}:")
            for name, fact in value.items():
                print(f"  {name}: {'-' if fact is None else fact}")
        else:
            print(f"{key}: {'-' if value is None else value}")
    return OK
