"""What a run tells whoever started it; the command line shows it, a library call need not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tvseg_bench.benchmark.execution.plan import Cell, Plan, UnavailableCell
    from tvseg_bench.benchmark.results.result import Result


class RunCallbacks:
    """Called as a run goes on; every method does nothing until it is overridden."""

    def on_plan(self, plan: Plan, todo: int) -> None:
        """Called once with the plan, before the first cell runs.

        Args:
            todo: how many of them are not done yet.
        """

    def on_unavailable(self, part: UnavailableCell) -> None:
        """Called after the plan, for each part of it that cannot run."""

    def on_progress(self, group: Sequence[Cell], done: int, total: int) -> None:
        """Called while features are extracted.

        Args:
            group: the cells that share the forward pass.
            done: frames that were seen.
            total: frames that there are.
        """

    def on_start(self, cell: Cell) -> None:
        """Called before a cell is evaluated."""

    def on_result(self, cell: Cell, result: Result, computed: bool) -> None:
        """Called with the result of a cell, computed now or found done."""
