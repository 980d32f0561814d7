"""The events of a run as JSON on stdout, for programs."""

from __future__ import annotations

import json
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from typing import Any

from tvseg_bench.benchmark.cli.periodic_run import PeriodicRun
from tvseg_bench.benchmark.cli.run_status import RunSnapshot
from tvseg_bench.benchmark.cli.score_tables import protocol_label
from tvseg_bench.benchmark.execution.callbacks import RunCallbacks
from tvseg_bench.benchmark.execution.plan import Cell, Plan, UnavailableCell
from tvseg_bench.benchmark.results.result import Result


class JsonOfRun(RunCallbacks):
    """Prints one JSON object per event and line on what is stdout when it is made."""

    def __init__(self) -> None:
        self._out = sys.stdout

    def _print(self, event: str, **values: Any) -> None:
        print(json.dumps({"event": event, **values}) + "\n", end="", file=self._out, flush=True)

    def on_plan(self, plan: Plan, todo: int) -> None:
        """Print the event `planned` with the size of the grid."""
        self._print("planned", cells=len(plan.cells), todo=todo, unavailable=len(plan.unavailable))

    def on_result(self, cell: Cell, result: Result, computed: bool) -> None:
        """Print the event `cell` with the numbers of a cell."""
        self._print(
            "cell",
            cell_id=result.cell_id,
            status=result.status,
            reason=result.reason or None,
            computed=computed,
            model=result.model.name,
            protocol=protocol_label(result),
            dataset=f"{result.dataset.id}:{result.dataset.split}",
            seed=result.seed,
            metrics={name: m.value for name, m in result.metrics.items()},
        )

    def on_unavailable(self, part: UnavailableCell) -> None:
        """Print the event `unavailable` for a part of the grid that cannot run."""
        self._print("unavailable", **asdict(part))

    def stands(self, snapshot: RunSnapshot) -> None:
        """Print the event `progress` with where the run stands."""
        self._print("progress", **_plain(snapshot))


def _plain(now: RunSnapshot) -> dict[str, Any]:
    """Return a snapshot as plain values; None where something is not known."""
    cell, frames = now.running, now.frames
    return {
        "elapsed_s": round(now.elapsed_s, 1),
        "cells": now.cells,
        "done": now.done,
        "failed": now.failed,
        "skipped": now.skipped,
        "todo": now.todo,
        "running": now.n_running,
        "cell_id": None if cell is None else cell.key.cell_id,
        "cell": None if cell is None else cell.label,
        "cell_s": None if cell is None else round(now.running_s, 1),
        "frames_done": None if frames is None else frames.done,
        "frames": None if frames is None else frames.total,
        "frames_per_s": _rounded(None if frames is None else frames.per_s),
        "frames_left_s": _rounded(None if frames is None else frames.left_s),
        "left_s": _rounded(now.left_s),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def json_run(wanted: str) -> AbstractContextManager[RunCallbacks]:
    """Return callbacks that print JSON events, for use in a `with` block.

    Args:
        wanted: the word after `--progress`; `lines` adds an event every half minute.
    """
    printed = JsonOfRun()
    return PeriodicRun(printed, printed.stands) if wanted == "lines" else nullcontext(printed)
