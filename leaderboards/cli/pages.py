"""How `report` and `visualize` write their pages."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tvseg_bench.benchmark.cli.output import print_json, print_problems
from tvseg_bench.benchmark.results.result_file import atomic_write, refuse_to_replace
from tvseg_bench.leaderboards.render.page.page import page_start


def write_page(path: Path, text: str, mark: str) -> Path:
    """Write a page over an earlier one of its kind; another file in the way stays as it is.

    Args:
        mark: what pages of this kind begin with.

    Raises:
        UsageError: another file is in the way.
        ResultError: the folder cannot be written.
    """
    refuse_to_replace(path, page_start(mark), "this command")
    atomic_write(path, text.encode("utf-8"))
    return path


def print_page(path: Path, problems: Iterable[object], as_json: bool) -> int:
    """Print where a page is and how large; return the exit code, 1 where there are problems."""
    size, lines = path.stat().st_size, [str(problem) for problem in problems]
    if as_json:
        print_json({"file": path, "bytes": size, "problems": lines})
    else:
        print(f"wrote {path} ({size / 1e6:.1f} MB)")
    return print_problems(lines)
