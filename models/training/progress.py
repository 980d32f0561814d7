"""Progress of `tvseg-bench train`, on stderr."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tvseg_bench.benchmark.cli.console import (
    print_progress,
    progress_console,
    progress_style,
)
from tvseg_bench.benchmark.cli.heartbeat import Heartbeat
from tvseg_bench.benchmark.cli.pace import Clock, Pace, pace_text
from tvseg_bench.models.training.settings import TrainCallbacks

_SHOWN = ("loss", "entropy", "empty", "clips_per_s")


@contextmanager
def training_progress(wanted: str | None) -> Iterator[TrainCallbacks]:
    """Yield callbacks that show a training on stderr.

    Args:
        wanted: the word after `--progress`: auto, bar, lines or none; None = nothing at all.
    """
    if wanted is None:
        yield TrainCallbacks()
        return
    style = progress_style(wanted)
    console = progress_console(style)
    if style == "bar":
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
            yield BarOfTraining(console, progress)
    elif style == "lines":
        lines = LinesOfTraining(console)
        with Heartbeat(lines.beat):
            yield lines
    else:
        yield PrintedTraining(console)


def job_progress(wanted: str | None) -> Callable[[str], None]:
    """Return what prints a line on a job that is followed, on stderr.

    Args:
        wanted: the word after `--progress`; none and None print nothing.
    """
    style = "none" if wanted is None else progress_style(wanted)
    if style == "none":
        return lambda text: None
    console, begin = progress_console("lines"), time.monotonic()
    return lambda text: print_progress(console, datetime.now(), time.monotonic() - begin, text)


class PrintedTraining(TrainCallbacks):
    """Prints what there is to do, clips that cannot be read, and scores."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def on_start(self, step: int, n_steps: int, clips: int) -> None:
        """Print how much there is to do."""
        at = f" from step {step}" if step else ""
        self.console.print(f"{clips} clips, {n_steps} steps{at}")

    def on_skip(self, name: str, reason: str) -> None:
        """Print which clip is left out, and why."""
        self.console.print(f"skipped {name}: {reason}", markup=False, soft_wrap=True)

    def on_validation(self, step: int, scores: Mapping[str, float | None]) -> None:
        """Print the scores."""
        shown = ", ".join(f"{k} {'-' if v is None else f'{v:.4f}'}" for k, v in scores.items())
        self.console.print(f"after step {step}: {shown}", markup=False, soft_wrap=True)


class BarOfTraining(PrintedTraining):
    """Shows a bar of the steps."""

    def __init__(self, console: Console, progress: Progress) -> None:
        super().__init__(console)
        self.progress = progress

    def on_start(self, step: int, n_steps: int, clips: int) -> None:
        """Show an empty bar, or one that begins where the training goes on."""
        super().on_start(step, n_steps, clips)
        self._task = self.progress.add_task("training", total=n_steps, completed=step)

    def on_step(self, step: int, row: Mapping[str, float | None]) -> None:
        """Move the bar."""
        self.progress.update(self._task, completed=step + 1, description=_numbers(row))


class LinesOfTraining(PrintedTraining):
    """Prints where the training stands: every half minute, and after the last step.

    Args:
        clock: what the speed is measured by.
        now: the time of day that a line begins with.
    """

    def __init__(
        self,
        console: Console,
        clock: Clock = time.monotonic,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        super().__init__(console)
        self._clock = clock
        self._now = now
        self._begin = clock()
        self._lock = threading.RLock()
        self._pace: Pace | None = None
        self._row: Mapping[str, float | None] = {}

    def beat(self) -> None:
        """Print where the training stands."""
        with self._lock:
            text = "the backbone and the clips are opened"
            if self._pace is not None:
                text = pace_text(self._pace.look(), "steps")
                text = f"{text}; {_numbers(self._row)}" if self._row else text
        print_progress(self.console, self._now(), self._clock() - self._begin, text)

    def on_start(self, step: int, n_steps: int, clips: int) -> None:
        """Begin to count the steps."""
        with self._lock:
            self._pace = Pace(step, n_steps, self._clock)
        super().on_start(step, n_steps, clips)

    def on_step(self, step: int, row: Mapping[str, float | None]) -> None:
        """Count a step."""
        with self._lock:
            assert self._pace is not None
            self._pace.update(step + 1)
            self._row = row
            last = self._pace.done == self._pace.total
        if last:
            self.beat()


def _numbers(row: Mapping[str, float | None]) -> str:
    epoch = f"epoch {row['epoch']}, " if row.get("epoch") is not None else ""
    return epoch + ", ".join(f"{k} {row[k]:.4g}" for k in _SHOWN if row.get(k) is not None)
