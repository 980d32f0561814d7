"""Runs a plan: cells -> results, each written the moment its cell ends.

What is done is skipped, what fails is recorded with its reason, and the rest goes on. Killed at
any point, the same command goes on where it stopped and gives the same numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tvseg_bench.benchmark.devices import resolve_device
from tvseg_bench.benchmark.execution import run_files
from tvseg_bench.benchmark.execution.callbacks import RunCallbacks
from tvseg_bench.benchmark.execution.cells import CellRunner
from tvseg_bench.benchmark.execution.executors.local import evaluate_group
from tvseg_bench.benchmark.execution.executors.options import parse_options
from tvseg_bench.benchmark.execution.executors.remote import run_elsewhere
from tvseg_bench.benchmark.execution.plan import Cell, Plan, UnavailableCell, grouped, make_plan
from tvseg_bench.benchmark.execution.status import remember
from tvseg_bench.benchmark.features.frame_cache import FrameCache
from tvseg_bench.benchmark.results.store import ResultStore

if TYPE_CHECKING:
    from tvseg_bench.benchmark.execution.run_record import RunRecord
    from tvseg_bench.benchmark.execution.selection import Selection
    from tvseg_bench.benchmark.results.result import Result


@dataclass(frozen=True)
class RunReport:
    """What a run gave: every cell of the selection, done before or now."""

    plan: Plan
    results: tuple[Result, ...]
    unavailable: tuple[UnavailableCell, ...] = ()
    """What could not run, with the reasons."""
    waiting: int = 0
    """Cells that other processes are still to finish."""
    record: RunRecord | None = None
    """Of a run over several processes."""

    @property
    def failed(self) -> int:
        """Return how many cells have no number although they should."""
        return len(self.unavailable) + sum(r.status == "failed" for r in self.results)


@dataclass
class _Results:
    """Collects results in the order in which they come, and shows them."""

    callbacks: RunCallbacks
    found: dict[str, Result] = field(default_factory=dict)
    unavailable: list[UnavailableCell] = field(default_factory=list)

    def add(self, cell: Cell, result: Result, computed: bool) -> None:
        self.found[result.cell_id] = result
        self.callbacks.on_result(cell, result, computed)

    def cannot(self, part: UnavailableCell) -> None:
        self.unavailable.append(part)
        self.callbacks.on_unavailable(part)

    def report(self, plan: Plan, waiting: int = 0, record: RunRecord | None = None) -> RunReport:
        order = {cell.key.cell_id: i for i, cell in enumerate(plan.cells)}
        ids = sorted(self.found, key=lambda cell_id: order.get(cell_id, len(order)))
        results = tuple(self.found[cell_id] for cell_id in ids)
        return RunReport(plan, results, tuple(self.unavailable), waiting, record)


def run_selection(
    selection: Selection,
    callbacks: RunCallbacks | None = None,
    command: Sequence[str] | None = None,
) -> RunReport:
    """Run every cell of a selection that is not done yet.

    Args:
        command: the command line as typed, for the provenance.

    Raises:
        UsageError: a name or parameter that does not exist, or predictions asked of protocols
            that make none; nothing was run.
        MissingExtraError: the executor needs a package that is not installed; nothing was run.
        ResultError: the output folder cannot be written.
    """
    callbacks = callbacks or RunCallbacks()
    options = parse_options(selection.executor, selection.executor_options)
    if selection.executor == "local":
        resolve_device(selection.device)
    plan = make_plan(selection)
    store = ResultStore(selection.output)
    run_files.write_manifest(selection.output, plan)
    remember(selection.output)
    done = {} if selection.force else finished(plan, store)
    run_files.check_predictions(plan, done)
    callbacks.on_plan(plan, len(plan.cells) - len(done))
    results = _Results(callbacks)
    local = selection.executor == "local"
    for part in plan.unavailable:
        if local or not part.elsewhere:
            results.cannot(part)
    runner = CellRunner(selection, store, command, callbacks.on_progress)
    todo = []
    for cell in plan.cells:
        if cell.key.cell_id in done:
            results.add(cell, done[cell.key.cell_id], False)
        elif cell.inapplicable:
            results.add(cell, runner.without(cell, "skipped", cell.inapplicable), True)
        else:
            todo.append(cell)
    if not local:
        rest = [c for c in plan.elsewhere if not c.inapplicable]
        waiting, record = run_elsewhere(plan, [*todo, *rest], options, results, command)
        return results.report(plan, waiting, record)
    groups = list(grouped(todo))
    passes = Counter(group[0].source for group in groups)
    if max(passes.values(), default=0) > 1:
        runner.frames = FrameCache()
    for group in groups:
        for cell, result, computed in evaluate_group(group, runner, callbacks):
            results.add(cell, result, computed)
            if selection.fail_fast and result.status == "failed":
                return results.report(plan)
    return results.report(plan)


def finished(plan: Plan, store: ResultStore) -> dict[str, Result]:
    """Return the results of the cells that need no work."""
    found = {cell.key.cell_id: store.finished(cell.key.cell_id) for cell in plan.cells}
    return {cell_id: result for cell_id, result in found.items() if result is not None}
