"""What a run would do: which cells, forward passes and tasks, how long, how much disk."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from tvseg_bench.benchmark.execution.plan import Cell, Plan, grouped, load, make_plan, shared_view
from tvseg_bench.benchmark.execution.tasks import RANGE_FRAMES, Task, make_tasks
from tvseg_bench.benchmark.features.cache.entry import STORED
from tvseg_bench.benchmark.features.cache.feature_cache import FeatureCache
from tvseg_bench.benchmark.features.frames import choose_frames, target_size
from tvseg_bench.benchmark.results.store import ResultStore
from tvseg_bench.benchmark.types import FeatureModel

if TYPE_CHECKING:
    from tvseg_bench.benchmark.execution.selection import Selection
    from tvseg_bench.benchmark.plugins.load import LoadedModel


@dataclass(frozen=True)
class ForwardPass:
    """One forward pass that several cells share."""

    model: str
    dataset: str
    protocols: str
    frames: int
    cached: int
    """Frames whose features are in the cache already."""
    seconds: float | None
    """Of the forward pass alone, measured on two images; None where it cannot be."""
    own_seconds: float
    """Of the protocols themselves, after features are there."""
    kept_mb: float
    """Disk for features that are read more than once; 0 = streamed."""


def estimate(
    selection: Selection, *, tasks: bool = False, range_frames: int = RANGE_FRAMES
) -> dict[str, Any]:
    """Return cells, passes and totals, and tasks where they are asked for, as plain values.

    Args:
        range_frames: frames from which on a range of clips is full.

    Raises:
        UsageError: a name or parameter that does not exist.
    """
    plan = make_plan(selection)
    store = ResultStore(selection.output)
    ids = [cell.key.cell_id for cell in plan.cells]
    done = set() if selection.force else {i for i in ids if store.done(i)}
    todo = [c for c in plan.cells if c.key.cell_id not in done and not c.inapplicable]
    rest = [c for c in plan.elsewhere if not c.inapplicable]
    clock = _Clock(selection, _measured(store, plan))
    passes = [_pass(group, clock) for group in grouped([*todo, *rest])]
    found: dict[str, Any] = {
        "cells": [_row(cell, done) for cell in (*plan.cells, *plan.elsewhere)],
        "passes": [asdict(one) for one in passes],
        "unavailable": [asdict(part) for part in plan.unavailable if not part.elsewhere],
        "elsewhere": {part.model: part.reason for part in plan.unavailable if part.elsewhere},
        "totals": {
            "cells": len(plan.cells) + len(plan.elsewhere),
            "done": len(done),
            "skipped": len(plan.cells) + len(plan.elsewhere) - len(done) - len(todo) - len(rest),
            "frames": sum(p.frames - p.cached for p in passes),
            "seconds": round(sum(p.seconds or 0.0 for p in passes), 1),
            "own_seconds": round(sum(p.own_seconds for p in passes), 1),
            "kept_mb": round(sum(p.kept_mb for p in passes), 1),
        },
    }
    if tasks:
        made = make_tasks(plan, done, range_frames)
        found["tasks"] = [_task_row(i, task, plan, clock) for i, task in enumerate(made)]
        found["totals"]["tasks"] = len(made)
    return found


def _row(cell: Cell, done: Iterable[str]) -> dict[str, Any]:
    """Return a cell as a row; its id is known only where the weights are."""
    known = bool(cell.card.revision)
    state = "done" if known and cell.key.cell_id in done else "to do"
    if cell.inapplicable and state != "done":
        state = "skipped"
    return {
        "cell": cell.key.cell_id if known else None,
        "state": state if known or state == "skipped" else "to do where the weights are",
        "model": cell.key.model,
        "protocol": cell.protocol.label,
        "dataset": f"{cell.key.dataset}:{cell.key.split}",
        "seed": cell.seed,
        "reason": cell.inapplicable,
    }


def _task_row(index: int, task: Task, plan: Plan, clock: _Clock) -> dict[str, Any]:
    """Return a task as a row."""
    inputs = "the feature cache" if task.keep and task.kind != "extract" else "the data set"
    if task.parts:
        inputs = ", ".join(f"parts/{task.cell_id or '?'}/{a}-{b}.json" for a, b in task.parts)
    cell = clock.cells.get((task.model, task.dataset, task.protocol, task.seed))
    return {
        "task": index,
        "kind": task.kind,
        "model": task.model,
        "protocol": task.protocol,
        "dataset": task.dataset,
        "seed": task.seed,
        "clips": task.clips,
        "training": task.training,
        "after": task.after,
        "inputs": inputs,
        "output": task.output,
        "frames": task.frames,
        "seconds": None if cell is None else clock.task(task, cell),
    }


@dataclass
class _Clock:
    """How long things take here."""

    selection: Selection
    measured: Mapping[str, float]
    """Protocol as typed -> seconds a frame, in earlier results."""
    cells: dict[tuple[str, str, str, int], Cell] = field(default_factory=dict)
    _forward: dict[tuple[str, tuple[int, int]], float | None] = field(default_factory=dict)
    _shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    _loaded: LoadedModel | None = None

    def size(self, cell: Cell) -> tuple[int, int]:
        """Return the size of the model's input, by the first frame of the first clip."""
        if cell.source not in self._shapes:
            self._shapes[cell.source] = cell.dataset.clips[0].image(0).shape
        height, width = self._shapes[cell.source][:2]
        return target_size(height, width, cell.view, cell.card.patch_size)

    def forward(self, cell: Cell) -> float | None:
        """Return seconds a frame of the forward pass; None where it cannot be measured here."""
        size = self.size(cell)
        key = (cell.model, size)
        if key not in self._forward:
            known = cell.card.revision and cell.view.output == "features"
            self._forward[key] = self._timed(cell, size) if known else None
        return self._forward[key]

    def own(self, cell: Cell) -> float:
        """Return seconds a frame of the protocol itself."""
        reference = cell.protocol.reference
        return self.measured.get(reference, cell.protocol.entry.seconds_per_frame)

    def _timed(self, cell: Cell, size: tuple[int, int]) -> float | None:
        """Time the model on two images; None where it will not."""
        import torch

        from tvseg_bench.benchmark.devices import resolve_device
        from tvseg_bench.benchmark.plugins.load import to_device

        if self._loaded is None or self._loaded.reference != cell.model:
            self._loaded = load(cell.model, self.selection)
        model = self._loaded.model
        if not isinstance(model, FeatureModel):
            return None
        device = resolve_device(self.selection.device)
        model = to_device(model, device, torch.float32)
        images = torch.zeros(2, 3, *size, device=device)
        with torch.inference_mode():
            try:
                model.extract(images)
                begin = time.perf_counter()
                model.extract(images).tokens.sum().item()
            except RuntimeError:
                return None
        return (time.perf_counter() - begin) / 2

    def task(self, task: Task, cell: Cell) -> float | None:
        """Return the seconds of a task."""
        if task.kind == "reduce":
            return 0.0
        forward = self.forward(cell) if task.kind == "extract" or not task.keep else 0.0
        if forward is None:
            return None
        own = 0.0 if task.kind == "extract" else self.own(cell)
        return round(task.frames * (forward + own), 2)


def _pass(cells: Sequence[Cell], clock: _Clock) -> ForwardPass:
    for cell in cells:
        clock.cells[cell.model, cell.source, cell.protocol.reference, cell.seed] = cell
    first, selection = cells[0], clock.selection
    dataset, card, cache = first.dataset, first.card, FeatureCache()
    view = cache.cached_view(card, dataset, shared_view(cells), selection.dtype)
    counts = [len(choose_frames(c.n_frames, view, c.name)) for c in dataset.clips]
    key = FeatureCache.key(card, dataset, view, selection.dtype)
    entry = cache.entry(key) if key else None
    held = [False] * len(counts) if entry is None else entry.held(dataset.clips)
    cached = sum(n for n, is_held in zip(counts, held, strict=True) if is_held)
    reads = sum(cell.needs.passes for cell in cells)
    rows, cols = clock.size(first)
    tokens = (rows // card.patch_size) * (cols // card.patch_size)
    numbers = rows * cols if view.output == "segments" else tokens * card.embed_dim
    width = 4 if STORED[selection.dtype] == "float32" else 2
    per_frame = clock.forward(first)
    return ForwardPass(
        model=card.name,
        dataset=f"{dataset.card.name}:{dataset.split}",
        protocols=", ".join(dict.fromkeys(cell.protocol.label for cell in cells)),
        frames=sum(counts),
        cached=cached,
        seconds=None if per_frame is None else round(per_frame * (sum(counts) - cached), 1),
        own_seconds=round(sum(counts) * sum(clock.own(cell) for cell in cells), 1),
        kept_mb=round(sum(counts) * numbers * width / 1e6, 1) * (reads > 1),
    )


def _measured(store: ResultStore, plan: Plan) -> dict[str, float]:
    """Return what protocols took in the results that are there: the median of seconds a frame."""
    wanted = {cell.protocol.reference for cell in plan.cells}
    found: dict[str, list[float]] = {}
    for file in store.load_all()[0]:
        result = file.result
        reference = f"{result.protocol.id}:{result.protocol.preset}"
        frames, seconds = result.dataset.n_frames, result.timing.protocol_s
        if reference in wanted and frames and seconds is not None:
            found.setdefault(reference, []).append(seconds / frames)
    return {reference: statistics.median(values) for reference, values in found.items()}
