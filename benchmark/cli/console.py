"""What a person sees on the terminal: progress on stderr, tables on stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table as RichTable

from tvseg_bench.benchmark.cli.result_table import ResultTable, protocol_label, tables
from tvseg_bench.benchmark.execution.run import RunCallbacks, RunReport

if TYPE_CHECKING:
    from tvseg_bench.benchmark.execution.plan import Cell, Plan, UnavailableCell
    from tvseg_bench.benchmark.results.result import Result


WIDE = 160
"""Columns where the output is no terminal, so that files and pipes lose nothing."""


def make_console(stderr: bool = False) -> Console:
    """Return a console as wide as the terminal, or wide enough where there is none."""
    console = Console(stderr=stderr, highlight=False)
    if console.is_terminal:
        return console
    return Console(stderr=stderr, highlight=False, width=WIDE)


class RichCallbacks(RunCallbacks):
    """Progress bars, and one line per finished cell."""

    def __init__(self) -> None:
        self.console = make_console(stderr=True)
        self.progress = Progress(
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

    def __enter__(self) -> RichCallbacks:
        self.progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.progress.stop()

    def on_plan(self, plan: Plan, todo: int) -> None:
        """Say how much there is to do."""
        n, done = len(plan.cells), len(plan.cells) - todo
        self.console.print(f"{n} cells, {done} done before, {todo} to do")
        self.cells = self.progress.add_task("cells", total=todo)

    def on_progress(self, group: Sequence[Cell], done: int, total: int) -> None:
        """Move the bar of the forward pass."""
        first = group[0]
        text = f"{first.card.name} on {first.dataset.card.name}: frames"
        ids = tuple(cell.key.cell_id for cell in group)
        if ids not in self.announced:
            self.announced.add(ids)
            shared = ", ".join(dict.fromkeys(cell.protocol.label for cell in group))
            self.console.print(
                f"[dim]one pass of {escape(first.card.name)} over {total} frames of "
                f"{escape(first.dataset.card.name)} for {escape(shared)}[/dim]"
            )
        if self.frames is None:
            self.frames = self.progress.add_task(escape(text), total=total)
        self.progress.update(self.frames, description=escape(text), completed=done, total=total)
        if done >= total:
            self.progress.remove_task(self.frames)
            self.frames = None

    def on_start(self, cell: Cell) -> None:
        """Name the cell at work."""
        if self.cells is not None:
            self.progress.update(self.cells, description=escape(cell.label))

    def on_result(self, cell: Cell, result: Result, computed: bool) -> None:
        """Print one line per cell that was computed."""
        if not computed:
            return
        if self.cells is not None:
            self.progress.advance(self.cells)
        self.console.print(f"{_mark(result)} {escape(cell.label)}  {_outcome(result)}")

    def on_unavailable(self, part: UnavailableCell) -> None:
        """Print what cannot run."""
        label = f"{part.model} × {part.protocol} × {part.dataset}"
        self.console.print(f"[red]✗[/red] {escape(label)}  {escape(part.reason)}")


class JsonCallbacks(RunCallbacks):
    """One JSON object a line on stdout, for machines."""

    def __enter__(self) -> JsonCallbacks:
        return self

    def __exit__(self, *_: object) -> None:
        sys.stdout.flush()

    def _say(self, event: str, **values: Any) -> None:
        sys.stdout.write(json.dumps({"event": event, **values}) + "\n")
        sys.stdout.flush()

    def on_plan(self, plan: Plan, todo: int) -> None:
        """Say the size of the grid."""
        self._say("planned", cells=len(plan.cells), todo=todo, broken=len(plan.broken))

    def on_result(self, cell: Cell, result: Result, computed: bool) -> None:
        """Say a cell's numbers."""
        self._say(
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
        """Say what cannot run."""
        self._say(
            "broken",
            model=part.model,
            protocol=part.protocol,
            dataset=part.dataset,
            seed=part.seed,
            reason=part.reason,
        )


def _mark(result: Result) -> str:
    return {"ok": "[green]✓[/green]", "skipped": "[yellow]–[/yellow]"}.get(
        result.status, "[red]✗[/red]"
    )


def _outcome(result: Result) -> str:
    if result.status != "ok":
        return escape(f"{result.status}: {result.reason}")
    value = result.metrics[result.headline or "miou"].value
    timing = result.timing
    spent = (timing.extract_s or 0) + (timing.protocol_s or 0)
    shown = "–" if value is None else f"{100 * value:.1f}"
    return f"{result.headline} {shown}  [dim]{spent:.1f} s[/dim]"


def print_report(report: RunReport) -> None:
    """Print the tables of a run, and what has no number."""
    console = make_console()
    for table in tables(report.results):
        print_table(console, table)
    skipped = [r for r in report.results if r.status == "skipped"]
    for reason in dict.fromkeys(r.reason for r in skipped):
        cells = [r for r in skipped if r.reason == reason]
        names = ", ".join(dict.fromkeys(protocol_label(r) for r in cells))
        console.print(f"skipped {escape(names)} ({_cells(len(cells))}): {escape(reason)}")
    if report.failed:
        console.print(f"[red]{_cells(report.failed)} failed[/red]; their reasons stand above")


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count} cells"


def print_table(console: Console, table: ResultTable) -> None:
    """Print one table with its notes; what is too wide goes on below, so that nothing is cut."""
    for i, columns in enumerate(_blocks(table, console.width)):
        title = escape(table.title) + (", continued" if i else "")
        rich = RichTable(title=title, title_justify="left", box=None, pad_edge=False)
        rich.add_column("model", no_wrap=True)
        for c in columns:
            rich.add_column(escape(table.columns[c]), justify="right", no_wrap=True)
        for name, values in table.rows:
            style = "dim" if name.startswith("(") else None
            rich.add_row(escape(name), *(escape(values[c]) for c in columns), style=style)
        console.print()
        console.print(rich)
    for note in table.notes:
        console.print(f"[dim]{escape(note)}[/dim]")


def _blocks(table: ResultTable, width: int) -> list[list[int]]:
    """Return the columns that fit beside each other and the names, block by block."""
    names = max(len(name) for name, _ in table.rows)
    blocks: list[list[int]] = []
    left = 0
    for c, title in enumerate(table.columns):
        wide = 2 + max(len(title), *(len(values[c]) for _, values in table.rows))
        if not blocks or wide > left:
            blocks.append([])
            left = width - names
        blocks[-1].append(c)
        left -= wide
    return blocks


def print_rows(rows: Sequence[Mapping[str, Any]], title: str = "") -> None:
    """Print dictionaries as a table, one column per key of the first."""
    console = make_console()
    rich = RichTable(title=title or None, title_justify="left", box=None, pad_edge=False)
    for key in rows[0]:
        rich.add_column(str(key), overflow="fold")
    for row in rows:
        rich.add_row(*("–" if v is None else escape(str(v)) for v in row.values()))
    console.print(rich)


def print_estimate(found: Mapping[str, Any]) -> None:
    """Print what a run would do."""
    console = make_console()
    if found["cells"]:
        print_rows(found["cells"], "cells")
    if found["passes"]:
        console.print()
        print_rows(found["passes"], "forward passes")
    for part in found["broken"]:
        label = f"{part['model']} × {part['protocol']} × {part['dataset']}"
        console.print(f"[red]cannot run[/red] {escape(label)}: {escape(part['reason'])}")
    totals = found["totals"]
    console.print(
        f"\n{totals['cells']} cells, {totals['done']} done; {totals['frames']} frames to pass "
        f"through a model, about {totals['seconds']:.0f} s without clustering; "
        f"{totals['kept_mb']:.0f} MB of features kept"
    )
