"""What stands beside the results of a run: the grid, written first, traces of failures, and
predictions where they are asked for."""

from __future__ import annotations

import json
import warnings
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.features.cache.safe_files import slug
from tvseg_bench.benchmark.results.result_file import atomic_write

if TYPE_CHECKING:
    from tvseg_bench.benchmark.execution.plan import Cell, Plan
    from tvseg_bench.benchmark.execution.prediction_files import PredictionFolder
    from tvseg_bench.benchmark.execution.selection import Selection
    from tvseg_bench.benchmark.recording.writer import MediaRecorder

SCHEMA = "tvseg-bench/manifest@1"
WRITERS = 10
"""How often the grid is written where another run writes its own at the same moment."""


def write_manifest(directory: Path, plan: Plan) -> None:
    """Write the cells of a plan to `manifest.json`, joined with the cells of earlier commands.

    Raises:
        ResultError: the folder cannot be written.
    """
    path = directory / "manifest.json"
    own = {row["cell_id"]: row for row in _rows(plan)}
    for _ in range(WRITERS):
        earlier = {row["cell_id"]: row for row in _earlier(path)}
        if path.exists() and own.keys() <= earlier.keys():
            return
        manifest = {"schema": SCHEMA, "cells": list({**earlier, **own}.values())}
        atomic_write(path, (json.dumps(manifest, indent=1) + "\n").encode())


def write_trace(directory: Path, cell_id: str, trace: str) -> Path:
    """Write the traceback of a failed cell to `errors/<cell_id>.txt` and return its path."""
    path = directory / "errors" / f"{cell_id}.txt"
    atomic_write(path, trace.encode())
    return path


def recorder_of(cell: Cell, selection: Selection) -> MediaRecorder | None:
    """Return what records images of a cell: of the first seed, unless none are wanted."""
    from tvseg_bench.benchmark.recording.writer import MediaRecorder

    if not selection.keep or cell.seed != min(selection.seeds):
        return None
    return MediaRecorder(
        selection.output, cell.key.cell_id, cell.dataset, selection.keep, replace=selection.force
    )


def predictions_of(cell: Cell, selection: Selection) -> PredictionFolder | None:
    """Return where the predictions of a cell are written, a folder that official tools take; None
    where none are wanted."""
    from tvseg_bench.benchmark.execution.prediction_files import PredictionFolder

    if selection.save_predictions is None:
        return None
    return PredictionFolder(_folder(cell, selection))


def check_predictions(plan: Plan, done: Collection[str]) -> None:
    """Refuse `--save-predictions` where nothing would be saved; warn of cells that are done.

    Raises:
        UsageError: none of the chosen protocols makes predictions that can be written.
    """
    if plan.selection.save_predictions is None or not plan.cells:
        return
    able = [c for c in plan.cells if c.needs.predictions]
    if not able:
        chosen = ", ".join(dict.fromkeys(cell.protocol.label for cell in plan.cells))
        raise UsageError(
            f"--save-predictions: {chosen} writes no predictions; leave it out, or add "
            "--protocol propagation"
        )
    for cell in able:
        if cell.key.cell_id in done and not _folder(cell, plan.selection).is_dir():
            warnings.warn(
                f"{cell.label} is done already, so its predictions are not saved; type --force "
                "to compute it again",
                stacklevel=3,
            )


def _folder(cell: Cell, selection: Selection) -> Path:
    assert selection.save_predictions is not None
    key = cell.key
    words = (slug(key.model), slug(cell.protocol.label), slug(f"{key.dataset}-{key.split}"))
    return selection.save_predictions / "_".join((*words, key.cell_id))


def _rows(plan: Plan) -> list[dict[str, Any]]:
    return [
        {
            "cell_id": cell.key.cell_id,
            "model": cell.key.model,
            "protocol": cell.protocol.label,
            "dataset": f"{cell.key.dataset}:{cell.key.split}",
            "seed": cell.seed,
        }
        for cell in plan.cells
    ]


def _earlier(path: Path) -> Sequence[dict[str, Any]]:
    """Return the rows of an earlier manifest; anything else there counts for nothing."""
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
        return [row for row in loaded["cells"] if isinstance(row["cell_id"], str)]
    except (OSError, ValueError, KeyError, TypeError):
        return []
