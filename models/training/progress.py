"""Progress of `tvseg-bench train`, on stderr."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from tvseg_bench.benchmark.cli.console import TerminalProgress, make_console
from tvseg_bench.models.training.settings import TrainCallbacks


@contextmanager
def training_progress(shown: bool) -> Iterator[TrainCallbacks]:
    """Yield callbacks that show a bar, or lines where there is no terminal; or nothing at all."""
    if not shown:
        yield TrainCallbacks()
        return
    console = make_console(stderr=True)
    with TerminalProgress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as progress:
        yield _ShownTraining(console, progress)


class _ShownTraining(TrainCallbacks):
    """Shows a bar on a terminal, and about twenty lines where there is none."""

    def __init__(self, console: Console, progress: TerminalProgress) -> None:
        self.console = console
        self.progress = progress
        self._n_steps = 0

    def on_start(self, step: int, n_steps: int, clips: int) -> None:
        self._n_steps = n_steps
        at = f" from step {step}" if step else ""
        self.console.print(f"{clips} clips, {n_steps} steps{at}")
        self._task = self.progress.add_task("training", total=n_steps, completed=step)

    def on_step(self, step: int, row: Mapping[str, float | None]) -> None:
        shown = ("loss", "entropy", "empty", "clips_per_s")
        text = "  ".join(f"{k} {row[k]:.4g}" for k in shown if row.get(k) is not None)
        self.progress.update(self._task, completed=step + 1, description=text)
        every = max(self._n_steps // 20, 1)
        if not self.console.is_terminal and (step % every == 0 or step + 1 == self._n_steps):
            self.console.print(f"step {step + 1}/{self._n_steps}  {text}")

    def on_skip(self, name: str, reason: str) -> None:
        self.console.print(f"skipped {name}: {reason}", markup=False)

    def on_validation(self, step: int, scores: Mapping[str, float | None]) -> None:
        shown = ", ".join(f"{k} {'-' if v is None else f'{v:.4f}'}" for k, v in scores.items())
        self.console.print(f"after step {step}: {shown}", markup=False)
