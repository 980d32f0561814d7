"""Infomap in a process of its own: its SWIG module and faiss's crash each other in one.

Reads {"k", "edges", "communities", "markov_time", "seeds"} as JSON from standard input and writes
the module of each part, a list per seed, to standard output.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any


def modules(job: Mapping[str, Any], seed: int) -> list[int]:
    """Return the module of each of k parts, found with one seed (1 or more)."""
    from importlib import import_module

    network = import_module("infomap").Infomap(
        f"--two-level --silent --flow-model undirected --markov-time {job['markov_time']} "
        f"--preferred-number-of-modules {job['communities']} --seed {seed}"
    )
    for part in range(job["k"]):
        network.add_node(part)
    for i, j, weight in job["edges"]:
        network.add_link(i, j, weight)
    found = network.run().modules()
    return [int(found[part]) for part in range(job["k"])]


def main() -> None:
    """Read one job, write its modules."""
    job = json.load(sys.stdin)
    json.dump([modules(job, seed) for seed in job["seeds"]], sys.stdout)


if __name__ == "__main__":
    main()
