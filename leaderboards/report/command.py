"""`tvseg-bench report` and `tvseg-bench visualize`, from the command line."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tvseg_bench.benchmark.results.result_file import atomic_write
from tvseg_bench.leaderboards.render.own_files import refuse_foreign
from tvseg_bench.leaderboards.render.page.page import page_start

OK, SOME_FAILED = 0, 1


def report(arguments: argparse.Namespace) -> int:
    """Write the page of one run or of several; return the exit code.

    Raises:
        UsageError: nothing to show, or a file in the way that no report wrote.
    """
    from tvseg_bench.leaderboards.report.gather import gather
    from tvseg_bench.leaderboards.report.view import MARK, page

    pair = tuple(arguments.compare) if arguments.compare else None
    material = gather(arguments.folders, pair)
    out = arguments.output or arguments.folders[0] / "report"
    name = "report.html" if pair is None else "compare.html"
    path = write_page(out / name, page(material), MARK)
    return _said(path, [str(problem) for problem in material.problems], arguments.json)


def visualize(arguments: argparse.Namespace) -> int:
    """Write the page of a video without labels; return the exit code.

    Raises:
        UsageError: an unknown model, or numbers that cannot be.
        DataError: the video cannot be read.
    """
    from tvseg_bench.leaderboards.report.visualize import MARK, page_of_video

    text = page_of_video(
        arguments.model,
        arguments.video,
        weights=arguments.weights,
        k=arguments.k,
        size=arguments.size,
        frames=arguments.frames,
        seed=arguments.seed,
        device=arguments.device,
    )
    out = arguments.output or Path("visualized")
    name = f"{arguments.video.stem or 'video'}.html"
    return _said(write_page(out / name, text, MARK), [], arguments.json)


def write_page(path: Path, text: str, mark: str) -> Path:
    """Write a page; one that was made the same way is replaced, anything else is kept.

    Raises:
        UsageError: another file is in the way.
        ResultError: the folder cannot be written.
    """
    refuse_foreign(path, page_start(mark), "this command")
    atomic_write(path, text.encode("utf-8"))
    return path


def _said(path: Path, problems: list[str], as_json: bool) -> int:
    size = path.stat().st_size
    if as_json:
        found = {"file": str(path), "bytes": size, "problems": problems}
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
    else:
        sys.stdout.write(f"wrote {path} ({size / 1e6:.1f} MB)\n")
    sys.stderr.writelines(f"tvseg-bench: {problem}\n" for problem in problems)
    return SOME_FAILED if problems else OK
