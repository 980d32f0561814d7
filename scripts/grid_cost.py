"""What a large grid costs on a cluster: time, disk, the share of each stage, and what is next.

    python scripts/grid_cost.py                        30 models, 6 data sets, 10 protocols
    python scripts/grid_cost.py --gpus 8 --seeds 1       another one
    python scripts/grid_cost.py --frames-per-second 900  another GPU

A calculation and no measurement: the tasks are those that a run would hand over, of data sets with
the official numbers of clips and frames; how long each takes follows from the values below; a
simulation lets so many workers take them in order, each as soon as its inputs are there (Ray) or
its stage begins (Slurm). No frame is read and no model is built. The same numbers every time.
"""

from __future__ import annotations

import argparse
import heapq
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from grid_inputs import (
    ARCHITECTURES,
    NUMBER_BYTES,
    OFFICIAL,
    PROTOCOLS,
    READ_S,
    READERS,
    START_S,
    STORAGE,
    TASK_S,
    TAUGHT,
    Architecture,
    Grid,
    kind_of,
    planned,
)

from tvseg_bench.benchmark.execution.executors.options import ExecutorOptions
from tvseg_bench.benchmark.execution.executors.slurm_arrays import divided
from tvseg_bench.benchmark.execution.plan import Cell
from tvseg_bench.benchmark.execution.tasks import STAGES, Task, TaskKind
from tvseg_bench.benchmark.features.cache.feature_cache import DEFAULT_LIMIT
from tvseg_bench.benchmark.features.frames import target_size

# ------------------------------------------------------------------------ what tasks take


def multiplications(kind: Architecture, tokens: int) -> float:
    """Return the multiplications of a forward pass: projections, MLP and attention of blocks."""
    width = kind.channels
    return kind.depth * (12 * tokens * width**2 + 2 * tokens**2 * width)


@dataclass(frozen=True)
class TaskCost:
    """What a task takes."""

    seconds: float
    forward: float = 0.0
    """Of which the GPU computes features."""
    reading: float = 0.0
    """Of which, beside the forward pass, frames are decoded and resized."""
    own: float = 0.0
    """Of which the protocol itself computes."""
    written: float = 0.0
    """Bytes of features."""
    read: float = 0.0
    """Bytes of features."""


@dataclass
class Costs:
    """Tells what each task of a grid takes."""

    grid: Grid
    cells: Sequence[Cell]
    _by_task: dict[tuple[str, str, str, int], Cell] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Find cells by what a task knows of them."""
        for cell in self.cells:
            self._by_task[cell.model, cell.source, cell.protocol.reference, cell.seed] = cell

    def of(self, task: Task) -> TaskCost:
        """Return what a task takes."""
        if task.kind == "reduce":
            return TaskCost(TASK_S)
        cell = self._by_task[task.model, task.dataset, task.protocol, task.seed]
        height, width = OFFICIAL[task.dataset].size
        rows, columns = target_size(height, width, cell.view, 16)
        tokens = rows * columns // 256
        kind = kind_of(int(task.model.removeprefix("grid/m")))
        scale = multiplications(kind, tokens) / multiplications(ARCHITECTURES[0], 196)
        forward = task.frames * scale / self.grid.frames_per_second
        reading = task.frames * READ_S * height * width / (480 * 854) / READERS
        size = tokens * kind.channels * NUMBER_BYTES
        if task.kind == "extract":
            seconds = max(forward, reading) + TASK_S
            return TaskCost(seconds, forward, reading, written=size * task.frames)
        own = task.frames * cell.protocol.entry.seconds_per_frame
        seen = float(task.frames)
        if cell.training is not None:
            learned = sum(clip.n_frames for clip in cell.training.clips)
            seen += learned
            own *= (1 + learned / task.frames) / (1 + TAUGHT)
        if task.keep:
            read = size * seen * cell.needs.passes
            return TaskCost(own + TASK_S, own=own, read=read)
        return TaskCost(max(forward, reading) + own + TASK_S, forward, reading, own)


# ------------------------------------------------------------------------- the simulation


def in_order(tasks: Sequence[Task], seconds: Sequence[float], workers: int) -> float:
    """Return when the last task ends where each begins as soon as its inputs are there and a
    worker is free, the first in the list first."""
    missing = [len(task.after) for task in tasks]
    readers: list[list[int]] = [[] for _ in tasks]
    for i, task in enumerate(tasks):
        for before in task.after:
            readers[before].append(i)
    ready = [i for i, n in enumerate(missing) if n == 0]
    heapq.heapify(ready)
    running: list[tuple[float, int]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < workers:
            i = heapq.heappop(ready)
            heapq.heappush(running, (now + seconds[i], i))
        now, ended = heapq.heappop(running)
        for i in readers[ended]:
            missing[i] -= 1
            if missing[i] == 0:
                heapq.heappush(ready, i)
    return now


def in_stages(
    tasks: Sequence[Task], seconds: Sequence[float], workers: int, most: int
) -> tuple[float, int]:
    """Return when the last job ends, and how many there are, where each stage is an array of at
    most so many jobs and begins when the stage before it has ended."""
    begin, n_jobs = 0.0, 0
    for stage in STAGES:
        chosen = [i for i, task in enumerate(tasks) if task.kind == stage]
        jobs = divided(chosen, tasks, most) if chosen else []
        free = [begin] * workers
        for job in jobs:
            end = heapq.heappop(free) + START_S + sum(seconds[i] for i in job)
            heapq.heappush(free, end)
        begin, n_jobs = max(free), n_jobs + len(jobs)
    return begin, n_jobs


def longest_chain(tasks: Sequence[Task], seconds: Sequence[float]) -> float:
    """Return the seconds of the longest chain of tasks that wait for each other."""
    ends: list[float] = []
    for task, own in zip(tasks, seconds, strict=True):
        ends.append(own + max((ends[i] for i in task.after), default=0.0))
    return max(ends, default=0.0)


# -------------------------------------------------------------------------------- results


@dataclass(frozen=True)
class Outlook:
    """What a grid costs; times in seconds, sizes in bytes."""

    grid: Grid
    cells: int
    skipped: int
    tasks: Counter[TaskKind]
    stages: dict[TaskKind, float]
    """Seconds of all tasks of a stage, one after the other."""
    parts: dict[str, float]
    """The same by what computes: `forward`, `reading`, `own`."""
    protocols: dict[str, float]
    """The protocols' own seconds."""
    stored: float
    read: float
    ray: float
    slurm: float
    jobs: int
    chain: float

    @property
    def work(self) -> float:
        """Seconds of all tasks."""
        return sum(self.stages.values())


def outlook(grid: Grid) -> Outlook:
    """Calculate what a grid costs."""
    with planned(grid) as (cells, tasks):
        costs = Costs(grid, cells)
        found = [costs.of(task) for task in tasks]
    seconds = [cost.seconds for cost in found]
    stages: dict[TaskKind, float] = dict.fromkeys(STAGES, 0.0)
    protocols: Counter[str] = Counter()
    for task, cost in zip(tasks, found, strict=True):
        stages[task.kind] += cost.seconds
        protocols[task.protocol.partition(":")[0]] += cost.own  # type: ignore[assignment]
    slurm, jobs = in_stages(tasks, seconds, grid.gpus, ExecutorOptions.jobs)
    return Outlook(
        grid=grid,
        cells=len(cells),
        skipped=sum(bool(cell.inapplicable) for cell in cells),
        tasks=Counter(task.kind for task in tasks),
        stages=stages,
        parts={
            name: sum(getattr(cost, name) for cost in found)
            for name in ("forward", "reading", "own")
        },
        protocols=dict(protocols),
        stored=sum(cost.written for cost in found),
        read=sum(cost.read for cost in found),
        ray=START_S + in_order(tasks, seconds, grid.gpus),
        slurm=slurm,
        jobs=jobs,
        chain=longest_chain(tasks, seconds),
    )


def limits(found: Outlook) -> list[tuple[str, float]]:
    """Return below what the duration cannot fall, in seconds, the highest first."""
    gpus = found.grid.gpus
    bounds = {
        "the protocols' own work over all workers": found.parts["own"] / gpus,
        "the forward passes over all GPUs": found.parts["forward"] / gpus,
        "decoding frames over all workers": found.parts["reading"] / gpus,
        f"reading features at {STORAGE / 1e9:g} GB/s": found.read / STORAGE,
        "the longest chain of tasks": found.chain,
    }
    return sorted(bounds.items(), key=lambda bound: -bound[1])


def hours(seconds: float) -> str:
    """Return a duration in words."""
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min"


def table(found: Outlook) -> str:
    """Return what a grid costs as a table of Markdown and some lines."""
    grid, work = found.grid, found.work
    lines = [
        f"{grid.models} models x {grid.datasets} data sets x {grid.protocols} protocols x "
        f"{grid.seeds} seeds on {grid.gpus} GPUs: {found.cells} cells, of which {found.skipped} "
        f"cannot be scored; {sum(found.tasks.values())} tasks",
        "",
        "| stage | tasks | hours of workers | share |",
        "|---|---|---|---|",
    ]
    for stage in STAGES:
        seconds = found.stages[stage]
        lines.append(
            f"| {stage} | {found.tasks[stage]} | {seconds / 3600:.1f} | {seconds / work:.1%} |"
        )
    used = work / (grid.gpus * found.ray)
    lines += [
        "",
        f"Ray: {hours(found.ray)}, workers in use {used:.0%} of the time. Slurm, stage after "
        f"stage in {found.jobs} jobs: {hours(found.slurm)}.",
        f"Features on disk: {found.stored / 1e12:.2f} TB, where the cache keeps "
        f"{DEFAULT_LIMIT / 1e9:g} GB unless TVSEG_CACHE_LIMIT says more; read "
        f"{found.read / 1e12:.1f} TB, on average {found.read / 1e9 / found.ray:.2f} GB/s.",
        "Own work of protocols: "
        + ", ".join(
            f"{name} {own / max(found.parts['own'], 1e-9):.0%}"
            for name, own in sorted(found.protocols.items(), key=lambda one: -one[1])[:5]
        )
        + ".",
        "The duration cannot fall below: "
        + "; ".join(f"{what} {hours(bound)}" for what, bound in limits(found))
        + ".",
    ]
    return "\n".join(lines)


def growth(grid: Grid, whole: Outlook) -> str:
    """Return how cost falls with half of everything, one after the other, as a table."""
    lines = [
        "| half of | tasks | hours of workers | Ray | features |",
        "|---|---|---|---|---|",
    ]
    for name in ("models", "datasets", "protocols", "seeds", "gpus"):
        less = max(1, round(getattr(grid, name) / 2))
        found = outlook(replace(grid, **{name: less}))
        lines.append(
            f"| {name.replace('datasets', 'data sets')}: {less} | {sum(found.tasks.values())} | "
            f"{found.work / whole.work:.2f} | {found.ray / whole.ray:.2f} | "
            f"{found.stored / whole.stored:.2f} |"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Calculate and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for option in fields(Grid):
        parser.add_argument(
            f"--{option.name.replace('_', '-')}",
            type=float if option.name == "frames_per_second" else int,
            default=option.default,
        )
    parser.add_argument("--no-growth", action="store_true", help="the grid alone")
    chosen = parser.parse_args(arguments)
    for name, most in (("datasets", len(OFFICIAL)), ("protocols", len(PROTOCOLS))):
        if vars(chosen)[name] > most:
            parser.error(f"--{name} is at most {most}")
    grid = Grid(**{option.name: vars(chosen)[option.name] for option in fields(Grid)})
    whole = outlook(grid)
    print(table(whole))
    if not chosen.no_growth:
        print("\nWith less of one thing, as shares of the above:\n")
        print(growth(grid, whole))


if __name__ == "__main__":
    main()
