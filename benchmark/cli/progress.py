"""The progress of a run on stderr: bars or lines, and a line per finished cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime

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

from tvseg_bench.benchmark.cli.console import (
    print_progress,
    progress_console,
    progress_style,
)
from tvseg_bench.benchmark.cli.output import counted
from tvseg_bench.benchmark.cli.periodic_run import PeriodicRun
from tvseg_bench.benchmark.cli.run_status import RunSnapshot, run_text
from tvseg_bench.benchmark.execution.callbacks import RunCallbacks
from tvseg_bench.benchmark.execution.plan import Cell, Plan, UnavailableCell
from tvseg_bench.benchmark.results.result import Result
from tvseg_bench.benchmark.results.text import UNITS, score_text


class PrintedRun(RunCallbacks):
    """Prints what there is to do, and one line per finished cell.

    Args:
        now: the time of day that a line of progress begins with.
    """

    def __init__(self, console: Console, now: Callable[[], datetime] = datetime.now) -> None:
        self.console = console
        self._now = now
        self.announced: set[tuple[str, ...]] = set()
        """Ids of the cells of every forward pass that was announced."""

    def on_plan(self, plan: Plan, todo: int) -> None:
        """Print how much there is to do."""
        cells, done = counted(len(plan.cells), "cell"), len(plan.cells) - todo
        self.console.print(f"{cells}, {done} done before, {todo} to do")

    def on_progress(self, group: Sequence[Cell], done: int, total: int) -> None:
        """Print one line when the forward pass begins."""
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

    def on_result(self, cell: Cell, result: Result, computed: bool) -> None:
        """Print one line per cell that was computed."""
        if computed:
            line = f"{_mark(result)} {escape(cell.label)}  {_outcome(result)}"
            self.console.print(line, soft_wrap=True)

    def on_unavailable(self, part: UnavailableCell) -> None:
        """Print a part of the grid that cannot run, with the reason."""
        label = f"{part.model} × {part.protocol} × {part.dataset}"
        line = f"[red]✗[/red] {escape(label)}  {escape(part.reason)}"
        self.console.print(line, soft_wrap=True)

    def stands(self, snapshot: RunSnapshot) -> None:
        """Print one line that says where the run stands."""
        print_progress(self.console, self._now(), snapshot.elapsed_s, run_text(snapshot))


class BarsOfRun(PrintedRun):
    """Shows bars below the lines: of the cells, and of the frames that the model sees."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self.cells: TaskID | None = None
        self.frames: TaskID | None = None

    def __enter__(self) -> BarsOfRun:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def on_plan(self, plan: Plan, todo: int) -> None:
        """Show a bar of all cells, in place of that of the plan before."""
        super().on_plan(plan, todo)
        if self.cells is not None:
            self.progress.remove_task(self.cells)
        self.cells = self.progress.add_task("cells", total=todo)

    def on_progress(self, group: Sequence[Cell], done: int, total: int) -> None:
        """Move the bar of the forward pass."""
        super().on_progress(group, done, total)
        first = group[0]
        text = escape(f"{first.card.name} on {first.dataset.card.name}: frames")
        if self.frames is None:
            self.frames = self.progress.add_task(text, total=total)
        self.progress.update(self.frames, description=text, completed=done, total=total)
        if done >= total:
            self.progress.remove_task(self.frames)
            self.frames = None

    def on_start(self, cell: Cell) -> None:
        """Show which cell is being evaluated."""
        if self.cells is not None:
            self.progress.update(self.cells, description=escape(cell.label))

    def on_result(self, cell: Cell, result: Result, computed: bool) -> None:
        """Move the bar of the cells."""
        if computed and self.cells is not None:
            self.progress.advance(self.cells)
        super().on_result(cell, result, computed)


def shown_run(wanted: str) -> AbstractContextManager[RunCallbacks]:
    """Return callbacks that show a run on stderr, for use in a `with` block.

    Args:
        wanted: the word after `--progress`: auto, bar, lines or none.
    """
    style = progress_style(wanted)
    console = progress_console(style)
    if style == "bar":
        return BarsOfRun(console)
    printed = PrintedRun(console)
    return PeriodicRun(printed, printed.stands) if style == "lines" else nullcontext(printed)


def _mark(result: Result) -> str:
    marks = {"ok": "[green]✓[/green]", "skipped": "[yellow]–[/yellow]"}
    return marks.get(result.status, "[red]✗[/red]")


def _outcome(result: Result) -> str:
    if result.status != "ok":
        return escape(f"{result.status}: {result.reason}")
    metric = result.metrics[result.headline or "miou"]
    timing = result.timing
    seconds = (timing.extract_s or 0) + (timing.protocol_s or 0)
    shown = score_text(metric.value, metric.unit)
    if metric.value is not None and metric.unit != "share":
        shown += f" {UNITS[metric.unit]}"
    return f"{result.headline} {shown}  [dim]{seconds:.1f} s[/dim]"
