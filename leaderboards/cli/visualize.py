"""`tvseg-bench visualize`: what a model sees in a video without labels, as a page."""

from __future__ import annotations

import argparse
from pathlib import Path

from tvseg_bench.benchmark.cli.parser import CommandParser, wanted_progress


def add_arguments(parser: CommandParser) -> None:
    """Take a model and a video, and how to cluster its features."""
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("video", type=Path, metavar="VIDEO", help="a video or frame folder")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="weights for the model")
    parser.add_argument("--k", type=int, default=6, metavar="K", help="clusters (default: 6)")
    parser.add_argument("--size", type=int, default=224, metavar="N", help="short side")
    parser.add_argument(
        "--frames", type=int, default=64, metavar="N", help="equidistant frames (default: 64)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda, ...")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="default: visualized")
    parser.add_progress()


def run(arguments: argparse.Namespace) -> int:
    """Write the page of a video.

    Raises:
        UsageError: an unknown model, or numbers that cannot be.
        DataError: the video cannot be read.
    """
    from tvseg_bench.benchmark.cli.count_progress import count_progress
    from tvseg_bench.leaderboards.cli.pages import print_page, write_page
    from tvseg_bench.leaderboards.report.visualize import MARK, page_of_video

    what, wanted = f"looking at {arguments.video.name}", wanted_progress(arguments)
    with count_progress(what, "frames", wanted) as update:
        text = page_of_video(
            arguments.model,
            arguments.video,
            weights=arguments.weights,
            k=arguments.k,
            size=arguments.size,
            frames=arguments.frames,
            seed=arguments.seed,
            device=arguments.device,
            progress=update,
        )
    out = arguments.output or Path("visualized")
    path = write_page(out / f"{arguments.video.stem or 'video'}.html", text, MARK)
    return print_page(path, (), arguments.json)
