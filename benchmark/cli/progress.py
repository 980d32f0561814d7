"""The progress of a run: bars and lines on stderr for people, JSON on stdout for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from tvseg_bench.benchmark.cli.console import TerminalProgress, make_console
from tvseg_bench.benchmark.cli.output import counted
from tvseg_bench.benchmark.cli.score_tables import protocol_label
from tvseg_bench.benchmark.execution.callbacks import RunCallbacks
from tvseg_bench.benchmark.execution.plan import Cell, Plan, UnavailableCell
from tvseg_bench.benchmark.results.result import Result


class RichCallbacks(RunCallbacks):
    """Shows progress bars on a terminal, and prints one line per finished cell."""

    def __init__(self) -> None:
        self.console = make_console(stderr=True)
        self.progress = TerminalProgress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self.cells: TaskID | None = None
        self.frames: TaskID | None = None
        self.announced: set[tuple[str, ...]] = set()
        """Ids of the cells of every forward pass that was announced."""

    def __enter__(self) -> RichCallbacks:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def on_plan(self, plan: Plan, todo: int) -> None:
        """Print how much there is to do."""
        cells, done = counted(len(plan.cells), "cell"), len(plan.cells) - todo
        self.console.print(f"{cells}, {done} done before, {todo} to do")
        self.cells = self.progress.add_task("cells", total=todo)

    def on_progress(self, group: Sequence[Cell], done: int, total: int) -> None:
        """Move the bar of the forward pass; print one line when the pass begins."""
        self._announce(group, total)
        first = group[0]
        text = escape(f"{first.card.name} on {first.dataset.card.name}: frames")
        if self.frames is None:
            self.frames = self.progress.add_task(text, total=total)
        self.progress.update(self.frames, description=text, completed=done, total=total)
        if done >= total:
            self.progress.remove_task(self.frames)
            self.frames = None

    def _announce(self, group: Sequence[Cell], total: int) -> None:
        ids = tuple(cell.key.cell_id for cell in group)
        if ids in self.announced:
            return
        self.announced.add(ids)
        first = group[0]
        shared = ", ".join(dict.fromkeys(cell.protocol.label for cell in group))
        self.console.print(
            f"[dim]one pass of {escape(first.card.name)} over {counted(total, 'frame')} of "
            f"{escape(first.dataset.card.name)} for {escape(shared)}[/dim]",
            soft_wrap=True,
        )

    def on_start(self, cell: Cell) -> None:
        """Show which cell is being evaluated."""
        if self.cells is not None:
            self.progress.update(self.cells, description=escape(cell.label))

    def on_result(self, cell: Cell, result: Result, computed: bool) -> None:
        """Print one line per cell that was computed."""
        if not computed:
            return
        if self.cells is not None:
            self.progress.advance(self.cells)
        line = f"{_mark(result)} {escape(cell.label)}  {_outcome(result)}"
        self.console.print(line, soft_wrap=True)

    def on_unavailable(self, part: UnavailableCell) -> None:
        """Print a part of the grid that cannot run, with the reason."""
        label = f"{part.model} × {part.protocol} × {part.dataset}"
        line = f"[red]✗[/red] {escape(label)}  {escape(part.reason)}"
        self.console.print(line, soft_wrap=True)


def _mark(result: Result) -> str:
    marks = {"ok": "[green]✓[/green]", "skipped": "[yellow]–[/yellow]"}
    return marks.get(result.status, "[red]✗[/red]")


def _outcome(result: Result) -> str:
    if result.status != "ok":
        return escape(f"{result.status}: {result.reason}")
    value = result.metrics[result.headline or "miou"].value
    timing = result.timing
    seconds = (timing.extract_s or 0) + (timing.protocol_s or 0)
    shown = "–" if value is None else f"{100 * value:.1f}"
    return f"{result.headline} {shown}  [dim]{seconds:.1f} s[/dim]"


class JsonCallbacks(RunCallbacks):
    """Prints one JSON object per event and line on stdout."""

    def _print(self, event: str, **values: Any) -> None:
        print(json.dumps({"event": event, **values}), flush=True)

    def on_plan(self, plan: Plan, todo: int) -> None:
        """Print the event `planned` with the size of the grid."""
        self._print("planned", cells=len(plan.cells), todo=todo, unavailable=len(plan.unavailable))

    def on_result(self, cell: Cell, result: Result, computed: bool) -> None:
        """Print the event `cell` with the numbers of a cell."""
        self._print(
            "cell",
            cell_id=result.cell_id,
            status=result.status,
            reason=result.reason or None,
            computed=computed,
            model=result.model.name,
            protocol=protocol_label(result),
            dataset=f"{result.dataset.id}:{result.dataset.split}",
            seed=result.seed,
            metrics={name: m.value for name, m in result.metrics.items()},
        )

    def on_unavailable(self, part: UnavailableCell) -> None:
        """Print the event `unavailable` for a part of the grid that cannot run."""
        self._print("unavailable", **asdict(part))
