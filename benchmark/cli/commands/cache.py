"""`tvseg-bench cache`: show the cache of features, or remove entries from it."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING

from tvseg_bench.benchmark.cli.console import print_rows
from tvseg_bench.benchmark.cli.output import OK, counted, print_json
from tvseg_bench.benchmark.cli.parser import CommandParser

if TYPE_CHECKING:
    from tvseg_bench.benchmark.features.cache.feature_cache import CacheRow, FeatureCache


def add_arguments(parser: CommandParser) -> None:
    """Take what to do, and which entries to remove."""
    parser.add_choice("action", ("status", "prune", "path"))
    parser.add_argument("--all", action="store_true", help="prune everything")
    parser.add_argument(
        "--older-than", type=float, metavar="DAYS", help="prune what was not used for so long"
    )
    parser.add_argument("--to", metavar="SIZE", help="prune down to a size such as 20G")


def run(arguments: argparse.Namespace) -> int:
    """Print the entries that are there, those that were removed, or the folder."""
    from tvseg_bench.benchmark.features.cache.feature_cache import FeatureCache

    cache = FeatureCache()
    if arguments.action == "path":
        print(cache.root)
        return OK
    prune = arguments.action == "prune"
    entries = _prune(cache, arguments) if prune else cache.status()
    if arguments.json:
        print_json([asdict(entry) for entry in entries])
        return OK
    if entries:
        print_rows([_shown(entry) for entry in entries])
    size = sum(entry.bytes for entry in entries) / 1e6
    verb = "removed" if prune else "held"
    print(
        f"{counted(len(entries), 'entry')}, {size:.1f} MB {verb}; limit {cache.limit / 1e9:.0f} GB"
    )
    return OK


def _shown(entry: CacheRow) -> dict[str, str | int]:
    """Return an entry as a row that fits a terminal; `--json` gives it in full."""
    return {
        "model": entry.model,
        "revision": entry.revision[:19],
        "dataset": entry.dataset,
        "view": entry.view,
        "clips": entry.clips,
        "MB": f"{entry.bytes / 1e6:.1f}",
        "last use": f"{entry.last_use:%Y-%m-%d %H:%M} UTC",
    }


def _prune(cache: FeatureCache, arguments: argparse.Namespace) -> list[CacheRow]:
    from tvseg_bench.benchmark.features.cache.feature_cache import parse_bytes

    days, size = arguments.older_than, arguments.to
    return cache.prune(
        everything=arguments.all,
        older_than=None if days is None else timedelta(days=days),
        to_bytes=None if size is None else parse_bytes(size),
    )
