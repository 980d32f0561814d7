"""How soon the command line answers, against an empty Python: medians over complete processes.

python scripts/bench_startup.py --repeats 15
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

SUITE = [sys.executable, "-m", "tvseg_bench"]
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "--help": [*SUITE, "--help"],
    "run --help": [*SUITE, "run", "--help"],
    "list models": [*SUITE, "list", "models"],
    "list protocols": [*SUITE, "list", "protocols"],
    "list datasets": [*SUITE, "list", "datasets"],
    "info kmeans-clip": [*SUITE, "info", "kmeans-clip"],
    "info dino/vits16": [*SUITE, "info", "dino/vits16"],
    "import torch": [sys.executable, "-c", "import torch"],
}


def seconds(command: Sequence[str]) -> float:
    """Return how long a process takes from start to end."""
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def main() -> None:
    """Time the commands in turn and print their medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(repeats):
        for name, command in COMMANDS.items():
            taken[name].append(seconds(command))
    empty = statistics.median(taken["python -c pass"])
    print(f"{'command':20} {'median s':>9} {'/ empty Python':>15}")
    for name, values in taken.items():
        median = statistics.median(values)
        print(f"{name:20} {median:9.3f} {median / empty:15.1f}")


if __name__ == "__main__":
    main()
