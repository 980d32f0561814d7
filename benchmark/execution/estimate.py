"""What a run would do: which cells, which forward passes, about how long, how much disk."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tvseg_bench.benchmark.execution.plan import Cell, load, make_plan, shared_view
from tvseg_bench.benchmark.features.cache.entry import STORED
from tvseg_bench.benchmark.features.cache.feature_cache import FeatureCache
from tvseg_bench.benchmark.features.frames import choose_frames, target_size
from tvseg_bench.benchmark.results.store import ResultStore
from tvseg_bench.benchmark.types import FeatureModel

if TYPE_CHECKING:
    from tvseg_bench.benchmark.execution.selection import Selection


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
    kept_mb: float
    """Disk for features that are read more than once; 0 = streamed."""


def estimate(selection: Selection) -> dict[str, Any]:
    """Return cells, passes and totals as plain values.

    Raises:
        UsageError: a name or parameter that does not exist.
    """
    plan = make_plan(selection)
    store = ResultStore(selection.output)
    ids = [cell.key.cell_id for cell in plan.cells]
    done = set() if selection.force else {i for i in ids if store.done(i)}
    cells = [
        {
            "cell": cell.key.cell_id,
            "state": "done" if cell.key.cell_id in done else "to do",
            "model": cell.key.model,
            "protocol": cell.protocol.label,
            "dataset": f"{cell.key.dataset}:{cell.key.split}",
            "seed": cell.seed,
        }
        for cell in plan.cells
    ]
    groups = [[cell for cell in g if cell.key.cell_id not in done] for g in plan.groups()]
    passes = [asdict(_pass(group, selection)) for group in groups if group]
    return {
        "cells": cells,
        "passes": passes,
        "unavailable": [asdict(part) for part in plan.unavailable],
        "totals": {
            "cells": len(cells),
            "done": len(done),
            "frames": sum(p["frames"] - p["cached"] for p in passes),
            "seconds": sum(p["seconds"] or 0.0 for p in passes),
            "kept_mb": sum(p["kept_mb"] for p in passes),
        },
    }


def _pass(cells: Sequence[Cell], selection: Selection) -> ForwardPass:
    first = cells[0]
    dataset, card, cache = first.dataset, first.card, FeatureCache()
    view = cache.cached_view(card, dataset, shared_view(cells), selection.dtype)
    counts = [len(choose_frames(c.n_frames, view, c.name)) for c in dataset.clips]
    key = FeatureCache.key(card, dataset, view, selection.dtype)
    entry = cache.entry(key) if key else None
    held = [entry is not None and entry.holds(clip) for clip in dataset.clips]
    cached = sum(n for n, is_held in zip(counts, held, strict=True) if is_held)
    reads = sum(c.protocol.evaluation().needs.passes for c in cells)
    shape = dataset.clips[0].image(0).shape
    rows, cols = target_size(shape[0], shape[1], view, card.patch_size)
    tokens = (rows // card.patch_size) * (cols // card.patch_size)
    numbers = rows * cols if view.output == "segments" else tokens * card.embed_dim
    width = 4 if STORED[selection.dtype] == "float32" else 2
    per_frame = _seconds_per_frame(first, selection, (rows, cols))
    return ForwardPass(
        model=card.name,
        dataset=f"{dataset.card.name}:{dataset.split}",
        protocols=", ".join(dict.fromkeys(cell.protocol.label for cell in cells)),
        frames=sum(counts),
        cached=cached,
        seconds=None if per_frame is None else round(per_frame * (sum(counts) - cached), 1),
        kept_mb=round(sum(counts) * numbers * width / 1e6, 1) * (reads > 1),
    )


def _seconds_per_frame(cell: Cell, selection: Selection, size: tuple[int, int]) -> float | None:
    """Time the model on two images of the first clip's size; None where it will not."""
    import torch

    from tvseg_bench.benchmark.devices import resolve_device
    from tvseg_bench.benchmark.plugins.load import to_device

    model = load(cell.model, selection).model
    if not isinstance(model, FeatureModel):
        return None
    device = resolve_device(selection.device)
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
