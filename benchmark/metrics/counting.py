"""The compiled loop of contingency tables: a pixel costs one addition to one small table."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from tvseg_bench.benchmark.compiled import compiled

LANES = 4
"""Tables that are counted in turns: neighbours, which mostly fall into one cell of the table, do
not wait for each other."""


@compiled()
def count_pairs(
    truth: NDArray[Any],
    low: int,
    predicted: NDArray[Any],
    low_p: int,
    cols: int,
    lanes: NDArray[Any],
) -> None:
    """Add one to lanes[i % LANES, (truth[i] - low) * cols + predicted[i] - low_p], for each i."""
    whole = len(truth) - len(truth) % LANES
    for i in range(0, whole, LANES):
        for lane in range(LANES):
            cell = (truth[i + lane] - low) * cols + predicted[i + lane] - low_p
            lanes[lane, cell] += 1
    for i in range(whole, len(truth)):
        lanes[0, (truth[i] - low) * cols + predicted[i] - low_p] += 1
