"""Where a run stands: cells done and to do, the pass of the model, the time that is left."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from tvseg_bench.benchmark.cli.output import duration
from tvseg_bench.benchmark.cli.pace import Clock, Pace, Reading, pace_text
from tvseg_bench.benchmark.execution.callbacks import RunCallbacks
from tvseg_bench.benchmark.execution.plan import Cell, Plan
from tvseg_bench.benchmark.results.result import Result


@dataclass(frozen=True)
class RunSnapshot:
    """Where a run stands at one moment."""

    elapsed_s: float
    cells: int | None
    """None while the plan is being made."""
    done: int = 0
    """Cells with a number, those of earlier runs included."""
    failed: int = 0
    skipped: int = 0
    """Cells to which the protocol does not apply."""
    todo: int = 0
    """Cells that have no result yet; the one that runs is among them."""
    running: Cell | None = None
    """The cell that has run for longest."""
    n_running: int = 0
    running_s: float = 0.0
    frames: Reading | None = None
    """Of the pass of the model; None where no frame has come yet."""
    passes: int = 0
    """How many times the frames of the cell were begun."""
    left_s: float | None = None
    """Estimate for all cells; None before the first has ended."""


@dataclass
class _Rates:
    """Seconds per frame by name."""

    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    frames: Counter[str] = field(default_factory=Counter)

    def add(self, name: str, seconds: float, frames: int) -> None:
        self.seconds[name] += seconds
        self.frames[name] += frames

    def of(self, name: str) -> float:
        """Return the rate of a name, or that of all where it is not known yet."""
        if self.frames[name]:
            return self.seconds[name] / self.frames[name]
        total = sum(self.frames.values())
        return sum(self.seconds.values()) / total if total else 0.0


class RunStatus(RunCallbacks):
    """Follows a run through its callbacks; may be asked from any thread.

    The time of the cells to do is estimated from those that have ended: seconds per frame of each
    model's pass, and of each protocol's own work. What was not seen yet counts as the mean. Where
    other processes run the cells, and this one none, only cells per second are known.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._begin = clock()
        self._forget()

    def _forget(self) -> None:
        self._cells: int | None = None
        self._found = 0
        self._counts: Counter[str] = Counter()
        self._planned = self._clock()
        self._is_here = False
        """Whether any cell was started in this process."""
        self._waiting: dict[str, Cell] = {}
        self._group: dict[str, int] = {}
        self._passed: set[int] = set()
        self._running: dict[str, tuple[Cell, float, float]] = {}
        self._pass: tuple[tuple[str, ...], Pace] | None = None
        self._passes = 0
        self._extraction, self._rereading, self._protocols = _Rates(), _Rates(), _Rates()

    def on_plan(self, plan: Plan, todo: int) -> None:
        """Begin with a plan, another than before where there was one."""
        with self._lock:
            self._forget()
            self._cells, self._found = len(plan.cells), len(plan.cells) - todo
            for i, group in enumerate(plan.groups()):
                for cell in group:
                    self._waiting[cell.key.cell_id] = cell
                    self._group[cell.key.cell_id] = i

    def on_start(self, cell: Cell) -> None:
        """Note that a cell runs."""
        with self._lock:
            self._running[cell.key.cell_id] = (cell, self._clock(), self._cost(cell))
            self._pass, self._passes = None, 0
            self._is_here = True

    def on_progress(self, group: Sequence[Cell], done: int, total: int) -> None:
        """Note frames; a pass begins where there are other ones or fewer than before."""
        ids = tuple(cell.key.cell_id for cell in group)
        with self._lock:
            if self._pass is not None:
                before, pace = self._pass
                if before == ids and pace.total == total and pace.done < done:
                    pace.update(done)
                    return
            self._pass, self._passes = (ids, Pace(done, total, self._clock)), self._passes + 1

    def on_result(self, cell: Cell, result: Result, computed: bool) -> None:
        """Note that a cell has ended, and how long it took."""
        with self._lock:
            self._waiting.pop(cell.key.cell_id, None)
            self._running.pop(cell.key.cell_id, None)
            if not computed:
                return
            self._counts[result.status] += 1
            group = self._group.get(cell.key.cell_id, -1)
            if result.status == "ok":
                n, timing = _n_frames(cell), result.timing
                rates = self._rereading if group in self._passed else self._extraction
                rates.add(cell.model, timing.extract_s or 0.0, n)
                self._protocols.add(cell.protocol.label, timing.protocol_s or 0.0, n)
                self._passed.add(group)

    def snapshot(self) -> RunSnapshot:
        """Return where the run stands, and remember this moment for the next speed."""
        with self._lock:
            now = self._clock()
            if self._cells is None:
                return RunSnapshot(now - self._begin, None)
            frames = self._pass[1].look() if self._pass and self._running else None
            running = next(iter(self._running.values()), None)
            counts = self._counts
            todo = max(self._cells - self._found - sum(counts.values()), 0)
            return RunSnapshot(
                elapsed_s=now - self._begin,
                cells=self._cells,
                done=self._found + counts["ok"],
                failed=counts["failed"],
                skipped=counts["skipped"],
                todo=todo,
                running=None if running is None else running[0],
                n_running=len(self._running),
                running_s=0.0 if running is None else now - running[1],
                frames=frames,
                passes=self._passes,
                left_s=self._left(now, todo, frames),
            )

    def _left(self, now: float, todo: int, frames: Reading | None) -> float | None:
        """Estimate the seconds to the end."""
        if not self._counts["ok"]:
            return 0.0 if todo == 0 else None
        if not self._is_here:
            return (now - self._planned) / sum(self._counts.values()) * todo
        known_s = 0.0
        for _, since, cost in self._running.values():
            known_s += max(cost - (now - since), 0.0)
        if frames is not None and len(self._running) == 1:
            known_s = max(known_s, frames.left_s or 0.0)
        waiting = [cell for key, cell in self._waiting.items() if key not in self._running]
        passed = self._passed | {self._group.get(key, -1) for key in self._running}
        rest_s = 0.0
        for cell in waiting:
            group = self._group[cell.key.cell_id]
            rest_s += self._cost(cell, reread=group in passed)
            passed.add(group)
        # Which cells an earlier run had finished is told group by group.
        share = min((todo - len(self._running)) / len(waiting), 1.0) if waiting else 0.0
        return known_s + share * rest_s

    def _cost(self, cell: Cell, reread: bool | None = None) -> float:
        """Estimate the seconds of one cell; features that another has read cost less."""
        if reread is None:
            reread = self._group.get(cell.key.cell_id, -1) in self._passed
        reading = self._rereading if reread else self._extraction
        per_frame = reading.of(cell.model) + self._protocols.of(cell.protocol.label)
        return per_frame * _n_frames(cell)


def _n_frames(cell: Cell) -> int:
    """Return how many frames a cell sees, about; what is enough for an estimate."""
    most = cell.view.frames
    return sum(c.n_frames if most is None else min(c.n_frames, most) for c in cell.dataset.clips)


def run_text(now: RunSnapshot) -> str:
    """Return where a run stands as one line for a log.

    Example:
        >>> run_text(RunSnapshot(65.0, None))
        'the plan is being made: data sets and models are opened'
        >>> run_text(RunSnapshot(900.0, 9, done=9, failed=0, todo=0, left_s=0.0))
        '9 of 9 cells done, 0 to do'
    """
    if now.cells is None:
        return "the plan is being made: data sets and models are opened"
    counts = [f"{now.done} of {now.cells} cells done"]
    counts += [
        f"{n} {word}" for n, word in ((now.failed, "failed"), (now.skipped, "skipped")) if n
    ]
    parts = [", ".join([*counts, f"{now.todo} to do"])]
    if now.running is not None:
        parts.append(f"now {_running_text(now, now.running)}")
    elif now.todo:
        parts.append("no cell runs in this process at the moment")
    if now.left_s is not None and now.todo:
        parts.append(f"about {duration(now.left_s)} left for all")
    elif now.todo > 1:
        parts.append("the time left for all is not known yet")
    return "; ".join(parts)


def _running_text(now: RunSnapshot, cell: Cell) -> str:
    if now.n_running > 1:
        longest = f"the longest for {duration(now.running_s)}: {cell.label}"
        return f"{now.n_running} cells, {longest}"
    since = f"for {duration(now.running_s)}"
    if now.frames is None:
        return f"{cell.label} {since}"
    read = "" if now.passes == 1 else f"pass {now.passes} over the frames, "
    seen = pace_text(now.frames, "frames")
    if now.frames.done == now.frames.total:
        seen += f" seen, computing for {duration(now.frames.idle_s)}"
    return f"{cell.label} {since}: {read}{seen}"
