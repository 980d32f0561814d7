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
    from tvseg_bench.benchmark.features.cache.feature_cache import CacheRow, FeatureCache, Pruned


def add_arguments(parser: CommandParser) -> None:
    """Take what to do, and which entries to remove."""
    parser.add_choice("action", ("status", "prune", "path"))
    parser.add_argument("--all", action="store_true", help="prune everything")
    parser.add_argument(
        "--older-than", type=float, metavar="DAYS", help="prune what was not used for so long"
    )
    parser.add_argument("--to", metavar="SIZE", help="prune down to a size such as 20G")


def run(arguments: argparse.Namespace) -> int:
    """Print the entries that are there, those that were removed or stayed, or the folder."""
    from tvseg_bench.benchmark.features.cache.feature_cache import FeatureCache

    cache = FeatureCache()
    if arguments.action == "path":
        print(cache.root)
        return OK
    if arguments.action == "prune":
        return _print_pruned(_prune(cache, arguments), cache, arguments.json)
    entries = cache.status()
    if arguments.json:
        print_json([asdict(entry) for entry in entries])
        return OK
    _print_entries(entries)
    print(f"{_total(entries)} held; limit {cache.limit / 1e9:.0f} GB")
    return OK


def _print_pruned(pruned: Pruned, cache: FeatureCache, as_json: bool) -> int:
    if as_json:
        print_json(asdict(pruned))
        return OK
    _print_entries([*pruned.removed, *pruned.in_use])
    stayed = f"; {_total(pruned.in_use)} stayed, in use" if pruned.in_use else ""
    print(f"{_total(pruned.removed)} removed{stayed}; limit {cache.limit / 1e9:.0f} GB")
    return OK


def _print_entries(entries: list[CacheRow]) -> None:
    if entries:
        print_rows([_shown(entry) for entry in entries])


def _total(entries: list[CacheRow]) -> str:
    size = sum(entry.bytes for entry in entries) / 1e6
    return f"{counted(len(entries), 'entry')}, {size:.1f} MB"


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
        "in use": "yes" if entry.in_use else "no",
    }


def _prune(cache: FeatureCache, arguments: argparse.Namespace) -> Pruned:
    from tvseg_bench.benchmark.features.cache.feature_cache import parse_bytes

    days, size = arguments.older_than, arguments.to
    return cache.prune(
        everything=arguments.all,
        older_than=None if days is None else timedelta(days=days),
        to_bytes=None if size is None else parse_bytes(size),
    )
