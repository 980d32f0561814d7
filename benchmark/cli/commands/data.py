"""`tvseg-bench data`: where data sets are, whether they are complete, and what is wrong."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from tvseg_bench.benchmark.cli.console import make_console, print_rows
from tvseg_bench.benchmark.cli.output import OK, SOME_FAILED, counted, print_json
from tvseg_bench.benchmark.cli.parser import CommandParser, wanted_progress
from tvseg_bench.benchmark.errors import UsageError

if TYPE_CHECKING:
    from tvseg_bench.benchmark.data.diagnose import DataReport
    from tvseg_bench.benchmark.data.status import DatasetStatus

MOST_SHOWN = 20
"""Findings of a kind that are printed one by one."""


def add_arguments(parser: CommandParser) -> None:
    """Take what to do, and a data set."""
    parser.add_choice("action", ("status", "check", "path"))
    parser.add_argument("name", nargs="?", metavar="NAME[:SPLIT]", help="one data set")
    parser.add_argument("--data-root", metavar="DIR", help="folder of data sets ($TVSEG_DATA)")
    parser.add_progress()


def run(arguments: argparse.Namespace) -> int:
    """Print which data sets are there, the folder of one, or a check of its files."""
    from tvseg_bench.benchmark.data import status
    from tvseg_bench.benchmark.execution.selection import split_reference
    from tvseg_bench.benchmark.paths import data_root

    root = Path(arguments.data_root).expanduser() if arguments.data_root else data_root()
    if arguments.action == "status":
        rows = status.status(root)
        if arguments.json:
            print_json([asdict(row) for row in rows])
        else:
            _print_status(rows, root)
        return OK
    if arguments.name is None:
        raise UsageError(f"which data set? type: tvseg-bench data {arguments.action} NAME")
    name, split = split_reference(arguments.name)
    if arguments.action == "path":
        print(status.path(name, root))
        return OK
    report = _check(name, split, root, wanted_progress(arguments))
    if arguments.json:
        print_json(asdict(report))
    else:
        _print_check(report)
    return OK if report.ok else SOME_FAILED


def _print_status(rows: Sequence[DatasetStatus], root: Path | None) -> None:
    """Print one row per data set, and which archive is wanted for those that are not there."""
    print_rows(
        [
            {
                "dataset": row.name,
                "found": "yes" if row.found else "no",
                "split": row.split,
                "lists": ", ".join(row.splits) or None,
                "clips": row.clips or None,
                "frames": row.frames or None,
                "folder": row.root,
            }
            for row in rows
        ]
    )
    console = make_console()
    for row in rows:
        if row.problem and row.found:
            line = f"\n[yellow]{row.name}[/yellow]: {escape(row.problem)}"
            console.print(line, soft_wrap=True)
    absent = [row for row in rows if not row.found]
    if absent:
        place = "none is set; type: export TVSEG_DATA=DIR" if root is None else root
        console.print(
            "\nTo add one, unpack its official archive below the data root "
            f"({escape(str(place))}):",
            soft_wrap=True,
        )
    for row in absent:
        console.print(f"  {row.name}: {escape(row.archive or row.problem)}", soft_wrap=True)


def _check(name: str, split: str | None, root: Path | None, progress: str | None) -> DataReport:
    """Read every frame and mask of a split, and show how far it is."""
    from tvseg_bench.benchmark.cli.count_progress import count_progress
    from tvseg_bench.benchmark.data.diagnose import check
    from tvseg_bench.benchmark.registry import datasets

    _ = datasets[name]
    with count_progress(f"reading {name}", "frames", progress) as update:
        return check(name, split, root, update)


def _print_check(report: DataReport) -> None:
    """Print what a split holds and what is wrong with it."""
    console = make_console()
    void = report.void_share
    held = [
        counted(report.clips, "clip"),
        counted(report.frames, "frame"),
        counted(report.masks, "mask"),
    ]
    held += [f"{what} of {counted(count, 'frame')}" for what, count in report.beside.items()]
    for key, value in (
        ("data set", f"{report.dataset}:{report.split}, version {report.version}"),
        ("folder", report.root or "none, the data are no image files"),
        ("holds", ", ".join(held)),
        ("bytes", f"{report.bytes:,}"),
        ("manifest", f"sha256:{report.manifest_sha256}"),
        ("frame sizes", ", ".join(f"{k} ({n})" for k, n in report.sizes.items())),
        ("mask modes", ", ".join(f"{k} ({n})" for k, n in report.modes.items()) or "–"),
        ("palette", ", ".join(f"{k} {v}" for k, v in report.palette.items()) or "–"),
        ("void", "–" if void is None else f"{100 * void:.2f} % of the pixels"),
    ):
        console.print(f"{key}: {escape(str(value))}", soft_wrap=True)
    total = sum(report.pixels.values())
    if total:
        print_rows(
            [
                {
                    "label": label,
                    "name": report.names.get(label, "void" if label == 255 else ""),
                    "pixels": f"{count:,}",
                    "share": f"{100 * count / total:.2f} %",
                }
                for label, count in sorted(report.pixels.items())
            ]
        )
    _print_findings(report)


def _print_findings(report: DataReport) -> None:
    console = make_console()
    shown: dict[str, int] = {}
    for finding in report.findings:
        shown[finding.kind] = shown.get(finding.kind, 0) + 1
        if shown[finding.kind] <= MOST_SHOWN:
            mark = "[yellow]note[/yellow]" if finding.is_note else "[red]wrong[/red]"
            console.print(f"{mark} {escape(finding.text)}", soft_wrap=True)
    for kind, count in report.counts.items():
        if count > MOST_SHOWN:
            console.print(
                f"… {count - min(MOST_SHOWN, shown.get(kind, 0))} more of the kind {kind}"
            )
    verdict = "complete" if report.ok else "not complete; nothing was changed on disk"
    console.print(f"{report.dataset}:{report.split} is {verdict}")
