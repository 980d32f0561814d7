"""Kill a run at random moments and issue it again: nothing may be lost, changed or redone.

    python scripts/kill_runs.py --kills 100

Each trial starts a small grid in a process of its own and ends it with SIGKILL, a random moment
after a random number of cells is finished; then it issues the grid again. What was finished has to
be untouched, byte for byte, and the numbers of the complete run have to be those of a run that was
never killed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import tvseg_bench
from tvseg_bench.benchmark.execution import run  # noqa: F401  (before any fork)
from tvseg_bench.benchmark.features import extract  # noqa: F401
from tvseg_bench.benchmark.results import result
from tvseg_bench.benchmark.results.result_file import read_result
from tvseg_bench.protocols.kmeans import evaluation  # noqa: F401

GRID: dict[str, Any] = {
    "model": ["baseline/pixels"],
    "protocol": ["kmeans-frame", "kmeans-clip", "kmeans-dataset", "overcluster-clip"],
    "seeds": "0-1",
    "overrides": {"protocol.all.size": 96, "protocol.all.n_init": 3},
}


def make_data(folder: Path, clips: int = 4, frames: int = 5, size: int = 96) -> None:
    """Write a small data set of PNG frames and masks with textured blocks."""
    rng = np.random.default_rng(0)
    for clip in range(clips):
        for t in range(frames):
            truth = np.zeros((size, size), np.uint8)
            truth[20 + 2 * t : 60 + 2 * t, 10 + 8 * clip : 50 + 8 * clip] = 1 + clip % 2
            image = rng.integers(0, 90, (size, size, 3)).astype(np.uint8)
            image[truth > 0] += np.uint8(60 + 30 * clip)
            for kind, array in (("JPEGImages", image), ("Annotations", truth)):
                path = folder / kind / f"clip{clip}" / f"{t:05d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(path)


def issue(data: Path, output: Path) -> int:
    """Start the grid in a child process and return its id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        report = tvseg_bench.run(dataset=f"folder:{data}", output=output, **GRID)
        code = report.failed
    finally:
        os._exit(code)


def finish(child: int) -> None:
    """Wait for a child that is not killed."""
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit("an undisturbed run failed")


def numbers(output: Path) -> dict[str, object]:
    """Return the numbers of every finished cell, and its rows."""
    found: dict[str, object] = {}
    for path in sorted((output / "results").glob("[0-9a-f]*.json")):
        file = output / "samples" / f"{path.stem}.jsonl"
        rows = file.read_text(encoding="utf-8") if file.exists() else ""
        found[path.stem] = json.dumps([result.comparable_fields(read_result(path).result), rows])
    return found


def finished(output: Path) -> dict[str, tuple[bytes, int]]:
    """Return the bytes and the time of writing of every finished result."""
    paths = (output / "results").glob("[0-9a-f]*.json")
    return {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in paths}


def wait_for(child: int, output: Path, count: int) -> None:
    """Return once so many cells are finished, or the child has ended."""
    while len(finished(output)) < count and os.waitpid(child, os.WNOHANG) == (0, 0):
        time.sleep(0.001)


def trial(data: Path, output: Path, count: int, moment: float, expected: dict[str, object]) -> int:
    """Kill a moment after so many cells, issue again, compare; return how many were finished."""
    child = issue(data, output)
    wait_for(child, output, count)
    time.sleep(moment)
    with contextlib.suppress(ProcessLookupError, ChildProcessError):  # it was quicker
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    before = finished(output)
    finish(issue(data, output))
    after = finished(output)
    touched = [name for name, state in before.items() if after.get(name) != state]
    if touched:
        raise SystemExit(
            f"killed {moment:.3f} s after cell {count}: finished cells were redone: {touched}"
        )
    if numbers(output) != expected:
        raise SystemExit(f"killed {moment:.3f} s after cell {count}: the numbers are not the same")
    return len(before)


def main() -> None:
    """Run the trials and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        make_data(root / "data")
        os.environ["TVSEG_HOME"] = str(root / "home")
        finish(issue(root / "data", root / "first"))  # compiles what there is to compile
        shutil.rmtree(root / "home")
        undisturbed = issue(root / "data", root / "reference")
        wait_for(undisturbed, root / "reference", 1)  # the start is no cell
        begin = time.perf_counter()
        finish(undisturbed)
        lasts = time.perf_counter() - begin
        expected = numbers(root / "reference")
        seen: dict[int, int] = {}
        for index in range(arguments.kills):
            os.environ["TVSEG_HOME"] = str(root / f"home{index}")
            output = root / f"run{index}"
            moment = rng.uniform(0, lasts / (len(expected) - 1))
            after = rng.randint(0, len(expected) - 1)
            count = trial(root / "data", output, after, moment, expected)
            seen[count] = seen.get(count, 0) + 1
            shutil.rmtree(output, ignore_errors=True)
            shutil.rmtree(root / f"home{index}", ignore_errors=True)
    total = len(expected)
    print(f"{arguments.kills} kills of a run of {total} cells, {lasts:.2f} s from first to last")
    for count in sorted(seen):
        print(f"  {seen[count]:3d} times {count} of {total} cells were finished before the kill")
    print("every time: finished cells untouched, all numbers those of the undisturbed run")


if __name__ == "__main__":
    main()
