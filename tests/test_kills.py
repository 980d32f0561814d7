"""A run that is killed at a random moment goes on where it stopped, with the same numbers."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_three_kills() -> None:
    script = [sys.executable, str(ROOT / "scripts/kill_runs.py"), "--kills", "3"]
    done = subprocess.run(
        script,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("every time: finished cells untouched")
