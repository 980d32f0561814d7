"""The script that measures what tasks cost does each task once, with workers of this process."""

import os
import re
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "bench_scale.py"


def test_workers_do_every_task() -> None:
    given = ["--engine", "threads", "--workers", "3", "--rounds", "2", "--seconds", "0.05"]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *given],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    found = re.search(
        r"threads: 3 workers \((\d) had work\), tasks of 0\.05 s: ([\d.]+) s, "
        r"speed-up ([\d.]+), efficiency ([\d.]+);",
        done.stdout,
    )
    assert found is not None, done.stdout
    workers, seconds, efficiency = int(found[1]), float(found[2]), float(found[4])
    assert 1 <= workers <= 3
    # six tasks were slept through, and none twice; the seconds are rounded to tenths
    assert 0.3 / (3 * (seconds + 0.05)) - 0.001 < efficiency
    assert efficiency < 0.3 / (3 * max(seconds - 0.05, 0.05)) + 0.001
