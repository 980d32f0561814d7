"""A run that says where it stands every half minute, beside what its callbacks show."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from tvseg_bench.benchmark.cli.heartbeat import INTERVAL_S, Heartbeat
from tvseg_bench.benchmark.cli.pace import Clock
from tvseg_bench.benchmark.cli.run_status import RunSnapshot, RunStatus
from tvseg_bench.benchmark.execution.callbacks import RunCallbacks
from tvseg_bench.benchmark.execution.plan import Cell, Plan, UnavailableCell
from tvseg_bench.benchmark.results.result import Result


class PeriodicRun(RunCallbacks):
    """Passes every call on, and says where the run stands while a `with` block lasts.

    Args:
        shown: what the calls are passed on to.
        say: called from a thread of its own with where the run stands.
        interval_s: seconds between two calls of `say`.
        clock: what times and speeds are measured by.
    """

    def __init__(
        self,
        shown: RunCallbacks,
        say: Callable[[RunSnapshot], None],
        interval_s: float = INTERVAL_S,
        clock: Clock = time.monotonic,
    ) -> None:
        self._shown = shown
        self._say = say
        self._status = RunStatus(clock)
        self._heartbeat = Heartbeat(self.beat, interval_s)

    def __enter__(self) -> PeriodicRun:
        self._heartbeat.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._heartbeat.__exit__()

    def beat(self) -> None:
        """Say where the run stands."""
        self._say(self._status.snapshot())

    def on_plan(self, plan: Plan, todo: int) -> None:
        """Begin to count the cells."""
        self._status.on_plan(plan, todo)
        self._shown.on_plan(plan, todo)

    def on_unavailable(self, part: UnavailableCell) -> None:
        """Pass on a part of the plan that cannot run."""
        self._shown.on_unavailable(part)

    def on_progress(self, group: Sequence[Cell], done: int, total: int) -> None:
        """Count the frames."""
        self._status.on_progress(group, done, total)
        self._shown.on_progress(group, done, total)

    def on_start(self, cell: Cell) -> None:
        """Begin to measure the time of a cell."""
        self._status.on_start(cell)
        self._shown.on_start(cell)

    def on_result(self, cell: Cell, result: Result, computed: bool) -> None:
        """Count a cell."""
        self._status.on_result(cell, result, computed)
        self._shown.on_result(cell, result, computed)
