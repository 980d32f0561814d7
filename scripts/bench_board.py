"""How long a board takes: CSV, Markdown and HTML from 200 and 20 000 invented results.

Each build is a process of its own; its peak memory is that of the process, and torch must not be
in it. Where there is a Chromium, the time to sort 1 000 rows of the page is printed too.

python scripts/bench_board.py
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import board_data

AIMS = {200: 2.0, 20_000: 20.0}
"""Seconds at most, by number of results."""
BUILD = """
import json, resource, sys, time
begin, cpu = time.perf_counter(), time.process_time()
from pathlib import Path
from tvseg_bench.leaderboards.board import build
report = build([Path(sys.argv[1])], Path(sys.argv[2]))
assert "torch" not in sys.modules, "torch was imported"
print(json.dumps({
    "seconds": time.perf_counter() - begin,
    "cpu": time.process_time() - cpu,
    "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    "rows": len(report.frame),
    "page": sum(f.stat().st_size for f in report.files if f.suffix == ".html") / 2**20,
}))
"""
SORT = """() => {
  const all = [...document.querySelectorAll("table.full")];
  const table = all.find((t) => t.tBodies[0].rows.length >= 1000);
  const button = table.querySelector("th:nth-child(3) .sort");
  const begin = performance.now();
  button.click();
  table.getBoundingClientRect();
  return [performance.now() - begin, table.tBodies[0].rows.length];
}"""


def build(results: Path, out: Path) -> dict[str, float]:
    """Build a board in a process of its own and return what it took."""
    run = [sys.executable, "-c", BUILD, str(results), str(out)]
    found: dict[str, float] = json.loads(subprocess.check_output(run, text=True))
    return found


def sort_time(page: Path) -> str:
    """Return the median time to sort the rows of a table, in words."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        return "not run (needs Chromium)"
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        opened = browser.new_page()
        opened.goto(page.as_uri())
        taken = [opened.evaluate(SORT) for _ in range(7)]
        browser.close()
    times = sorted(ms for ms, _ in taken)
    return f"{times[len(times) // 2]:.0f} ms for {taken[0][1]} rows (median of {len(times)})"


def main() -> None:
    """Make results, build, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=int, nargs="+", default=list(AIMS))
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for count in wanted.results:
            source, out = Path(folder) / f"run{count}", Path(folder) / f"out{count}"
            board_data.write(source, count)
            took = build(source, out)
            aim = f", aim {AIMS[count]:g} s" if count in AIMS else ""
            print(
                f"{count} results, {took['rows']:.0f} rows: {took['seconds']:.2f} s "
                f"({took['cpu']:.2f} s of processor{aim}), peak {took['mib']:.0f} MiB, "
                f"page {took['page']:.1f} MiB, no torch",
                flush=True,
            )
        source, out = Path(folder) / "sorted", Path(folder) / "sorted-out"
        board_data.write(source, 1000, per_model=1)
        build(source, out)
        print(f"sorting in Chromium: {sort_time(out / 'leaderboard.html')}")


if __name__ == "__main__":
    main()
