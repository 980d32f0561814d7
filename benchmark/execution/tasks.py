"""The plan as tasks with declared inputs and outputs, which any engine may run, also twice.

    extract    a range of clips of (model, data set, view) -> the feature cache
    evaluate   a cell -> its result; where the protocol works clip by clip, a range of clips of a
               cell -> a part
    reduce     the parts of a cell -> its result

Ranges depend on the data set, the view and the number of frames asked for, on nothing else. A task
finds what it needs or computes it itself: the order of tasks saves work and changes no number.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from tvseg_bench.benchmark.execution.plan import Cell, Plan, grouped, shared_view
from tvseg_bench.benchmark.features.cache.entry import cache_key
from tvseg_bench.benchmark.features.cache.feature_cache import FeatureCache
from tvseg_bench.benchmark.features.frames import choose_frames
from tvseg_bench.benchmark.types import Dataset, View

Range = tuple[int, int]
"""First and one past the last clip."""

TaskKind = Literal["extract", "evaluate", "reduce"]
STAGES: tuple[TaskKind, ...] = ("extract", "evaluate", "reduce")
"""In the order in which they want to run."""

RANGE_FRAMES = 2000
"""Frames of a range, unless asked otherwise: seconds on a GPU, minutes on a few cores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A piece of work that one process does at once."""

    kind: TaskKind
    model: str
    """The reference as typed."""
    dataset: str
    """The reference as typed."""
    protocol: str
    """NAME:PRESET of the cell; of an extraction, of the first cell that it serves."""
    seed: int = 0
    cell_id: str = ""
    """Empty where it is not known here, because the weights are on other machines."""
    clips: Range | None = None
    """None = all."""
    attention: bool | Literal["if-any"] = False
    """Whether the shared forward pass keeps attention, as in `View`."""
    training: bool = False
    """Whether the clips are those that the cell learns from."""
    keep: bool = False
    """Whether features are cached as they are computed."""
    parts: tuple[Range, ...] = ()
    """What a reduction puts together."""
    after: tuple[int, ...] = ()
    """Positions of the tasks whose outputs it wants."""
    frames: int = 0
    """Frames that pass through the model, or that the protocol looks at."""

    @property
    def label(self) -> str:
        """The task in a few words."""
        clips = "" if self.clips is None else f" clips {self.clips[0]}-{self.clips[1] - 1}"
        seed = f" seed {self.seed}" if self.seed and self.kind != "extract" else ""
        what = "" if self.kind == "extract" else f" × {self.protocol}"
        training = " to learn from" if self.training else ""
        return f"{self.kind} {self.model}{what} × {self.dataset}{seed}{training}{clips}"

    @property
    def output(self) -> str:
        """What is there once the task is done, below the run or the feature cache."""
        cell = self.cell_id or "?"
        if self.kind == "extract":
            return "features"
        if self.kind == "evaluate" and self.clips is not None:
            return f"parts/{cell}/{self.clips[0]}-{self.clips[1]}.json"
        return f"results/{cell}.json"


def clip_ranges(
    frames: Sequence[int], wanted: int = RANGE_FRAMES, multiple: int = 1
) -> list[Range]:
    """Divide clips into ranges of about equally many frames.

    Args:
        frames: how many of each clip are looked at.
        wanted: frames from which on a range is full.
        multiple: ranges begin at multiples of it.

    Example:
        >>> clip_ranges([5, 5, 5, 20, 1], wanted=10)
        [(0, 2), (2, 4), (4, 5)]
        >>> clip_ranges([5, 5, 5, 20, 1], wanted=10, multiple=3)
        [(0, 3), (3, 5)]
    """
    ranges: list[Range] = []
    first = held = 0
    for i, n in enumerate(frames, start=1):
        held += n
        if held >= wanted and i % multiple == 0:
            ranges.append((first, i))
            first, held = i, 0
    if first < len(frames):
        ranges.append((first, len(frames)))
    return ranges


def make_tasks(
    plan: Plan, done: Collection[str] = (), range_frames: int = RANGE_FRAMES
) -> list[Task]:
    """Return the tasks of all cells that have work left, inputs before what reads them.

    Args:
        done: ids of the cells that need no work.
        range_frames: frames from which on a range is full.
    """
    cells = [c for c in plan.cells if c.key.cell_id not in done]
    todo = [c for c in (*cells, *plan.elsewhere) if not c.inapplicable]
    maker = _TaskMaker(plan.selection.dtype, range_frames)
    for group in grouped(todo):
        maker.group(group)
    return maker.tasks


class _TaskMaker:
    def __init__(self, dtype: str, range_frames: int) -> None:
        self.tasks: list[Task] = []
        self._dtype = dtype
        self._range_frames = range_frames
        self._counts: dict[tuple[str, View], list[int]] = {}
        self._ranges: dict[tuple[str, View, int], list[Range]] = {}
        self._cache = FeatureCache()

    def group(self, cells: Sequence[Cell]) -> None:
        """Add the tasks of cells that share model, data set and view."""
        first, view = cells[0], shared_view(cells)
        reads = sum(cell.needs.passes for cell in cells)
        keep = reads > 1 and bool(first.dataset.manifest_sha256)
        shared = self._extraction(first, first.dataset, view, training=False) if keep else ()
        trained: dict[View, tuple[int, ...]] = {}
        for cell in cells:
            after = shared
            if cell.training is not None:
                if cell.view not in trained:
                    trained[cell.view] = self._extraction(
                        cell, cell.training, cell.view, training=True
                    )
                after = (*shared, *trained[cell.view])
            self._evaluation(cell, view, keep, after)

    def _extraction(
        self, cell: Cell, dataset: Dataset, view: View, *, training: bool
    ) -> tuple[int, ...]:
        """Add the extraction of what is not cached; return the positions of the tasks."""
        counts = self._frames(dataset, view)
        before = len(self.tasks)
        held = self._held(cell, dataset, view)
        for clips in self._divided(dataset, view, 1):
            if not all(held[slice(*clips)]):
                n = sum(counts[slice(*clips)])
                self._add(cell, "extract", clips, n, view=view, training=training)
        return tuple(range(before, len(self.tasks)))

    def _evaluation(self, cell: Cell, view: View, keep: bool, after: tuple[int, ...]) -> None:
        """Add the evaluation of a cell, in ranges of clips where its protocol allows it."""
        counts, needs = self._frames(cell.dataset, cell.view), cell.needs
        ranges = self._divided(cell.dataset, cell.view, needs.clips_per_unit)
        if needs.unit != "clip" or len(ranges) < 2:
            self._add(cell, "evaluate", None, sum(counts), view=view, keep=keep, after=after)
            return
        before = len(self.tasks)
        for clips in ranges:
            n = sum(counts[slice(*clips)])
            wanted = tuple(i for i in after if _overlap(self.tasks[i], clips))
            self._add(cell, "evaluate", clips, n, view=view, keep=keep, after=wanted)
        made = tuple(range(before, len(self.tasks)))
        divided = tuple(ranges)
        self._add(cell, "reduce", None, 0, view=view, keep=keep, parts=divided, after=made)

    def _add(
        self,
        cell: Cell,
        kind: TaskKind,
        clips: Range | None,
        frames: int,
        *,
        view: View,
        training: bool = False,
        keep: bool = True,
        parts: tuple[Range, ...] = (),
        after: tuple[int, ...] = (),
    ) -> None:
        self.tasks.append(
            Task(
                kind=kind,
                model=cell.model,
                dataset=cell.source,
                protocol=cell.protocol.reference,
                seed=cell.seed,
                cell_id=cell.key.cell_id if cell.card.revision else "",
                clips=clips,
                attention=view.attention,
                training=training,
                keep=keep,
                parts=parts,
                after=after,
                frames=frames,
            )
        )

    def _frames(self, dataset: Dataset, view: View) -> list[int]:
        key = (_identity(dataset), view)
        if key not in self._counts:
            self._counts[key] = [
                len(choose_frames(clip.n_frames, view, clip.name)) for clip in dataset.clips
            ]
        return self._counts[key]

    def _divided(self, dataset: Dataset, view: View, multiple: int) -> list[Range]:
        key = (_identity(dataset), view, multiple)
        if key not in self._ranges:
            counts = self._frames(dataset, view)
            self._ranges[key] = clip_ranges(counts, self._range_frames, multiple)
        return self._ranges[key]

    def _held(self, cell: Cell, dataset: Dataset, view: View) -> list[bool]:
        """Return of each clip whether its features are cached."""
        if not cell.card.revision:
            return [False] * len(dataset.clips)
        view = self._cache.cached_view(cell.card, dataset, view, self._dtype)
        key = cache_key(cell.card, dataset, view, self._dtype)
        if key is None:
            return [False] * len(dataset.clips)
        return self._cache.entry(key).held(dataset.clips)


def _overlap(task: Task, clips: Range) -> bool:
    """Return whether a range of clips reads what a task extracts."""
    if task.clips is None or task.training:
        return True
    return task.clips[0] < clips[1] and clips[0] < task.clips[1]


def _identity(dataset: Dataset) -> str:
    return f"{dataset.card.name}:{dataset.split}:{dataset.manifest_sha256}:{len(dataset.clips)}"
