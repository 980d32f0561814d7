"""`local`: every cell in this process, one forward pass after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tvseg_bench.benchmark.errors import TvsegError
from tvseg_bench.benchmark.execution.plan import shared_view

if TYPE_CHECKING:
    from tvseg_bench.benchmark.execution.callbacks import RunCallbacks
    from tvseg_bench.benchmark.execution.cells import CellRunner
    from tvseg_bench.benchmark.execution.plan import Cell
    from tvseg_bench.benchmark.results.result import Result


def evaluate_group(
    cells: Sequence[Cell], runner: CellRunner, callbacks: RunCallbacks
) -> Iterator[tuple[Cell, Result, bool]]:
    """Evaluate cells that share a forward pass; yield each with its result, and whether it was
    computed here: another process may have finished it in the meantime."""
    try:
        keep = sum(cell.needs.passes for cell in cells) > 1
        opened = runner.open(cells, shared_view(cells), keep=keep)
    except TvsegError as error:
        for cell in cells:
            yield cell, runner.without(cell, "failed", str(error)), True
        return
    for cell in cells:
        found = None if runner.selection.force else runner.store.finished(cell.key.cell_id)
        if found is not None:
            yield cell, found, False
            continue
        callbacks.on_start(cell)
        yield cell, runner.evaluate(cell, opened), True
