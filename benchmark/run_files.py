"""What stands beside the results of a run: the grid, written first, and traces of failures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvseg_bench.benchmark.result_file import write_whole

if TYPE_CHECKING:
    from tvseg_bench.benchmark.plan import Plan

SCHEMA = "tvseg-bench/manifest@1"


def write_manifest(directory: Path, plan: Plan) -> None:
    """Write the grid to `manifest.json`, joined with the cells of earlier commands.

    Raises:
        ResultError: the folder cannot be written.
    """
    path = directory / "manifest.json"
    cells = {row["cell_id"]: row for row in [*_earlier(path), *_rows(plan)]}
    whole = {"schema": SCHEMA, "cells": list(cells.values())}
    write_whole(path, (json.dumps(whole, indent=1) + "\n").encode())


def write_trace(directory: Path, cell_id: str, trace: str) -> Path:
    """Write the traceback of a failed cell to `errors/<cell_id>.txt` and return its path."""
    path = directory / "errors" / f"{cell_id}.txt"
    write_whole(path, trace.encode())
    return path


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
