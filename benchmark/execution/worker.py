"""Does tasks of a recorded run, in whichever process and on whichever machine that sees it.

A task is done from what lies in the run's folder and in the feature cache, and from nothing that
another process holds in memory. What is there already is not computed again; what is missing of a
task's inputs is computed here.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tvseg_bench.benchmark.errors import TvsegError
from tvseg_bench.benchmark.execution.cells import CellRunner, SharedPass
from tvseg_bench.benchmark.execution.parts import CellPart, PartStore
from tvseg_bench.benchmark.execution.plan import Cell, Plan, make_plan
from tvseg_bench.benchmark.execution.run_record import (
    EventLog,
    EventReader,
    RunRecord,
    TaskState,
)
from tvseg_bench.benchmark.results.store import ResultStore

if TYPE_CHECKING:
    from tvseg_bench.benchmark.execution.tasks import Range, Task
    from tvseg_bench.benchmark.results.result import Result


REPORT_S = 30.0
"""Seconds between two lines on how far a forward pass is."""


class NodeError(TvsegError):
    """This machine cannot do a task as it was planned; another one may."""


@dataclass(frozen=True)
class TaskOutcome:
    """What became of a task; plain values, small enough to be sent anywhere."""

    task: int
    state: TaskState
    cell_id: str = ""
    reason: str = ""


@dataclass
class Worker:
    """Does tasks one after the other; models and features are shared by tasks in a row.

    Args:
        record: of the run.
        name: that no other process uses at the same time.
        clock: seconds that never go back.
    """

    record: RunRecord
    name: str
    clock: Callable[[], float] = time.monotonic
    _plans: dict[tuple[str, str], Plan] = field(default_factory=dict)
    _runner: CellRunner | None = None
    _opened: tuple[object, SharedPass] | None = None
    _pass: tuple[int, int] = (0, 0)
    """Frames in total and done of the forward pass."""
    _begun: float = 0.0

    def __post_init__(self) -> None:
        """Find out whether this machine can take part at all.

        Raises:
            UsageError: it has another version of the suite.
        """
        self.record.check_suite()
        self.events = EventLog(self.record, self.name)
        self.earlier = EventReader(self.record)
        self.parts = PartStore(self.record.parts)
        self._said = self.clock()

    def run(self, tasks: Iterable[int]) -> list[TaskOutcome]:
        """Do tasks, given by their positions, and say what became of each."""
        with _folder(Path(self.record.content.folder)):
            return [self.perform(index) for index in tasks]

    def perform(self, index: int) -> TaskOutcome:
        """Do one task; what goes wrong is said in the outcome, and nothing is raised."""
        task = self.record.tasks[index]
        self.events.say(index, "started", task.cell_id)
        self._say(f"started: {task.label}, {task.frames} frames")
        try:
            outcome = self._do(index, task)
        except TvsegError as error:
            outcome = TaskOutcome(index, "failed", task.cell_id, str(error))
        except Exception as error:  # one broken task must not take the others down
            text = f"{type(error).__name__}: {error}".replace("\n", " ")
            outcome = TaskOutcome(index, "failed", task.cell_id, text)
        self.events.say(index, outcome.state, outcome.cell_id, outcome.reason)
        self._say(f"{outcome.state}: {task.label} {outcome.reason}")
        return outcome

    def _say(self, text: str) -> None:
        """Print a line to the log of the job, with the time of day."""
        self._said = self.clock()
        sys.stderr.write(f"{datetime.now():%H:%M:%S} {text}".rstrip() + "\n")
        sys.stderr.flush()

    def _on_progress(self, cells: Sequence[Cell], done: int, total: int) -> None:
        """Say now and then how far a forward pass is."""
        if done == 0 or self._pass[0] != total or done < self._pass[1]:
            self._begun = self.clock()
        self._pass = (total, done)
        if self.clock() - self._said >= REPORT_S:
            speed = done / max(self.clock() - self._begun, 1e-9)
            left = (total - done) / speed
            self._say(f"{done} of {total} frames, {speed:.1f} frames/s, {left:.0f} s left")

    def _do(self, index: int, task: Task) -> TaskOutcome:
        if task.cell_id and self._is_done(index, task, task.cell_id):
            return TaskOutcome(index, "kept", task.cell_id)
        cell = self._cell(task)
        cell_id = cell.key.cell_id
        if not task.cell_id and self._is_done(index, task, cell_id):
            return TaskOutcome(index, "kept", cell_id)
        if task.kind == "extract":
            if not cell.inapplicable:
                self._extract(task, cell)
        elif task.clips is not None:
            if not cell.inapplicable:
                self.parts.write(self._part(task, cell, task.clips))
        else:
            result = self._result(task, cell)
            if result.status == "failed":
                return TaskOutcome(index, "failed", cell_id, result.reason)
        return TaskOutcome(index, "done", cell_id)

    def _result(self, task: Task, cell: Cell) -> Result:
        """Write the result of a cell: its score, put together from parts or made at once, or why
        there is none."""
        if cell.inapplicable:
            return self.runner.without(cell, "skipped", cell.inapplicable)
        if task.kind == "reduce":
            result = self.runner.reduce(cell, partial(self._all_parts, task, cell))
            if result.status != "failed":
                self.parts.remove(cell.key.cell_id, task.parts)
            return result
        try:
            opened = self._open(task, cell, None)
        except TvsegError as error:
            return self.runner.without(cell, "failed", str(error))
        return self.runner.evaluate(cell, opened)

    def _is_done(self, index: int, task: Task, cell_id: str) -> bool:
        """Return whether what a task gives is there; in a forced run, made by this very run."""
        if task.kind == "extract":
            return False  # every clip that is cached is left out on its own
        if task.clips is not None and self.parts.holds(cell_id, task.clips):
            return True
        if self.record.selection.force:
            earlier = self.earlier.latest().get(index)
            return earlier is not None and earlier.state in ("done", "kept")
        return self.runner.store.done(cell_id)

    @property
    def runner(self) -> CellRunner:
        """What evaluates cells."""
        if self._runner is None:
            selection = self.record.selection
            command = self.record.content.command
            store = ResultStore(selection.output)
            self._runner = CellRunner(selection, store, command, self._on_progress)
        return self._runner

    def _cell(self, task: Task) -> Cell:
        """Return the cell of a task as this machine plans it.

        Raises:
            NodeError: this machine lacks the model or the data, or has others.
        """
        plan = self._plan(task.model, task.dataset)
        same = [c for c in plan.cells if _coordinates(c) == (task.protocol, task.seed)]
        if not same:
            reasons = [part.reason for part in plan.unavailable]
            raise NodeError(reasons[0] if reasons else f"{task.label} is not planned here")
        cell = same[0]
        if task.cell_id and cell.key.cell_id != task.cell_id:
            raise NodeError(self._difference(cell))
        return cell

    def _plan(self, model: str, dataset: str) -> Plan:
        if (model, dataset) not in self._plans:
            whole = self.record.selection
            given = {m: path for m, path in whole.weights.items() if m == model}
            self._plans[model, dataset] = make_plan(
                replace(whole, model=(model,), dataset=(dataset,), weights=given)
            )
        return self._plans[model, dataset]

    def _difference(self, cell: Cell) -> str:
        """Return why a cell is another one here than where the run was planned."""
        planned = self.record.content
        if planned.revisions.get(cell.model, cell.card.revision) != cell.card.revision:
            return (
                f"the model {cell.model} is another one on this machine: its revision is "
                f"{cell.card.revision} here and {planned.revisions[cell.model]} where the run "
                "was planned; give all machines the same weights and code"
            )
        manifest = cell.dataset.manifest_sha256
        if planned.manifests.get(cell.source, manifest) != manifest:
            return (
                f"the files of {cell.source} are others on this machine than where the run was "
                "planned; give all machines the same data, or type --data-root"
            )
        return f"{cell.label} is another cell on this machine than where the run was planned"

    def _extract(self, task: Task, cell: Cell) -> None:
        if task.training:
            opened = self.runner.open_training(cell, task.clips)
        else:
            opened = self._open(task, cell, task.clips)
        for _ in opened.features:
            pass

    def _part(self, task: Task, cell: Cell, clips: Range) -> CellPart:
        return self.runner.evaluate_range(cell, self._open(task, cell, clips), clips)

    def _all_parts(self, task: Task, cell: Cell) -> Sequence[CellPart]:
        """Return the parts of a cell; those that are missing are computed now."""
        return list(self._each_part(task, cell))

    def _each_part(self, task: Task, cell: Cell) -> Iterator[CellPart]:
        for clips in task.parts:
            found = self.parts.read(cell.key.cell_id, clips)
            if found is None:
                found = self._part(task, cell, clips)
                self.parts.write(found)
            yield found

    def _open(self, task: Task, cell: Cell, clips: Range | None) -> SharedPass:
        """Return the forward pass of a task, the last one's if it is the same."""
        view = replace(cell.view, attention=task.attention)
        key = (cell.model, cell.source, view, clips, task.keep)
        if self._opened is None or self._opened[0] != key:
            self._opened = None
            opened = self.runner.open((cell,), view, keep=task.keep, clips=clips)
            self._opened = (key, opened)
        return self._opened[1]


def _coordinates(cell: Cell) -> tuple[str, int]:
    return cell.protocol.reference, cell.seed


@contextmanager
def _folder(folder: Path) -> Iterator[None]:
    """Work in the folder where the run was typed, so that paths mean the same.

    Raises:
        NodeError: it is not there.
    """
    before = Path.cwd()
    try:
        os.chdir(folder)
    except OSError:
        raise NodeError(
            f"the folder {folder}, where the run was typed, cannot be seen on this machine; "
            "start it from a folder that all machines share"
        ) from None
    try:
        yield
    finally:
        os.chdir(before)
