"""A run that an engine spreads over processes: hand the tasks over, and follow what becomes of
them."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.execution.plan import UnavailableCell
from tvseg_bench.benchmark.execution.run_record import RunRecord
from tvseg_bench.benchmark.execution.tasks import make_tasks
from tvseg_bench.benchmark.results.store import ResultStore
from tvseg_bench.benchmark.results.text import ResultError

if TYPE_CHECKING:
    from tvseg_bench.benchmark.execution.executors.options import ExecutorOptions
    from tvseg_bench.benchmark.execution.plan import Cell, Plan
    from tvseg_bench.benchmark.execution.tasks import Task
    from tvseg_bench.benchmark.execution.worker import TaskOutcome
    from tvseg_bench.benchmark.results.result import Result


class ResultSink(Protocol):
    """Takes results as they come."""

    def add(self, cell: Cell, result: Result, computed: bool) -> None:
        """Take the result of a cell, computed now or found done."""

    def cannot(self, part: UnavailableCell) -> None:
        """Take a cell that could not run."""


@dataclass
class Watch:
    """Turns outcomes of tasks into results of cells.

    Args:
        cells: those that have work left.
    """

    record: RunRecord
    cells: Sequence[Cell]
    sink: ResultSink
    _seen: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Find the cells by what a task knows of them."""
        self._store = ResultStore(self.record.output)
        self._by_task = {_coordinates(cell): cell for cell in self.cells}

    @property
    def waiting(self) -> int:
        """How many cells have no result yet."""
        final = sum(_is_final(task) for task in self.record.tasks)
        return final - len(self._seen)

    def outcome(self, outcome: TaskOutcome) -> None:
        """Take what became of a task; those that give no result by themselves are passed over."""
        task = self.record.tasks[outcome.task]
        if not _is_final(task) or outcome.task in self._seen:
            return
        self._seen.add(outcome.task)
        cell = self._by_task[task.model, task.dataset, task.protocol, task.seed]
        try:
            result = self._store.read(outcome.cell_id) if outcome.cell_id else None
        except ResultError:
            result = None
        if result is None:
            label = (cell.model, cell.protocol.label, cell.source, cell.seed)
            reason = outcome.reason or f"its result cannot be seen in {self._store.results}"
            self.sink.cannot(UnavailableCell(*label, reason))
        else:
            self.sink.add(cell, result, outcome.state != "kept")


def run_elsewhere(
    plan: Plan,
    cells: Sequence[Cell],
    options: ExecutorOptions,
    sink: ResultSink,
    command: Sequence[str] | None,
) -> tuple[int, RunRecord | None]:
    """Hand the tasks of cells to the engine that the selection names.

    Returns:
        How many cells are still to be finished, and the record of the run; None where there was
        nothing to do.

    Raises:
        MissingExtraError: the engine's package is not installed.
        UsageError: the engine cannot be reached or refuses the run.
        ResultError: the output folder cannot be written.
    """
    if plan.selection.fail_fast:
        raise UsageError(
            "--fail-fast is for --executor local: tasks of other executors run side by side; "
            "leave it out"
        )
    if not cells:
        return 0, None
    tasks = make_tasks(plan, _others(plan, cells), options.range_frames)
    if plan.selection.executor == "ray":
        from tvseg_bench.benchmark.execution.executors import ray_tasks

        ray_tasks.check(options)
        record = RunRecord.create(plan, tasks, command)
        watch = Watch(record, cells, sink)
        ray_tasks.execute(record, options, watch)
    else:
        from tvseg_bench.benchmark.execution.executors import slurm_arrays

        slurm_arrays.check(options)
        record = RunRecord.create(plan, tasks, command)
        watch = Watch(record, cells, sink)
        record = slurm_arrays.submit(record, options)
        if options.wait:
            with contextlib.suppress(KeyboardInterrupt):  # the jobs go on without being followed
                slurm_arrays.follow(record, watch)
    return watch.waiting, record


def _others(plan: Plan, cells: Sequence[Cell]) -> set[str]:
    todo = {cell.key.cell_id for cell in cells}
    return {cell.key.cell_id for cell in plan.cells} - todo


def _is_final(task: Task) -> bool:
    """Return whether a task gives the result of a cell."""
    return task.kind == "reduce" or (task.kind == "evaluate" and task.clips is None)


def _coordinates(cell: Cell) -> tuple[str, str, str, int]:
    return cell.model, cell.source, cell.protocol.reference, cell.seed
