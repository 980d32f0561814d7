"""How runs go on: what is waiting, running, done and failed, and where the log is."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.execution.executors.slurm_queue import (
    JobState,
    explained,
    job_states,
)
from tvseg_bench.benchmark.execution.run_files import SCHEMA
from tvseg_bench.benchmark.execution.run_record import FOLDER, RunRecord, TaskEvent
from tvseg_bench.benchmark.execution.tasks import Task
from tvseg_bench.benchmark.paths import home
from tvseg_bench.benchmark.results.result import Result
from tvseg_bench.benchmark.results.result_file import Problem, atomic_write
from tvseg_bench.benchmark.results.store import ResultStore

State = Literal["waiting", "running", "done", "skipped", "failed", "stopped"]
STATES: tuple[State, ...] = ("waiting", "running", "done", "skipped", "failed", "stopped")
"""stopped: begun by a worker, or handed to a job, that is no more; the same command goes on."""


@dataclass(frozen=True)
class CellStatus:
    """One cell of a run."""

    cell: str | None
    """None where the id is known only where the weights are."""
    state: State
    model: str
    protocol: str
    dataset: str
    seed: int
    metric: str | None = None
    """The headline; None where there is no score."""
    value: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class TaskStatus:
    """One task of a run over several processes."""

    task: int
    label: str
    state: State
    node: str
    job: str
    log: str
    reason: str
    cell_id: str = ""
    """As its worker told it; empty before."""


@dataclass(frozen=True)
class RunState:
    """A folder of results and how it goes on."""

    folder: Path
    executor: str
    created: str
    cells: tuple[CellStatus, ...]
    tasks: tuple[TaskStatus, ...]
    """Of the last run over several processes; empty where there was none."""
    record: RunRecord | None
    problems: tuple[Problem, ...] = ()
    """What is wrong with files among the results."""

    @property
    def counts(self) -> Mapping[str, int]:
        """How many cells are in which state."""
        return Counter(cell.state for cell in self.cells)

    @property
    def going_on(self) -> bool:
        """Whether tasks of several processes are still to end."""
        return any(task.state in ("waiting", "running") for task in self.tasks)


def remember(folder: Path) -> None:
    """Note, in the suite's own folder, that there is a run; `known_runs` finds it again."""
    name = hashlib.sha256(str(folder.absolute()).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    path = home() / "runs" / f"{name}.json"
    if not path.exists():
        atomic_write(path, (json.dumps({"folder": str(folder.absolute())}) + "\n").encode())


def known_runs(below: Path | None = None) -> list[Path]:
    """Return the folders of runs that were typed on this machine and are still there.

    Args:
        below: only those in and below it, wherever they were typed.
    """
    if below is not None:
        found = {path.parent for path in below.rglob("manifest.json") if _is_run(path.parent)}
        return sorted(found)
    noted = []
    for path in sorted((home() / "runs").glob("*.json")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            noted.append(Path(json.loads(path.read_text("utf-8"))["folder"]))
    return [folder for folder in noted if _is_run(folder)]


def _is_run(folder: Path) -> bool:
    try:
        _manifest(folder)
    except UsageError:
        return False
    return True


def read_status(folder: Path, *, ask_engine: bool = True) -> RunState:
    """Return how a run goes on.

    Args:
        folder: of results, or one of those below its `execution`.
        ask_engine: whether Slurm is asked about its jobs.

    Raises:
        UsageError: it is not the folder of a run.
    """
    record = None
    if (folder / "run.json").is_file():
        record = RunRecord.read(folder)
        folder = record.output
    manifest = _manifest(folder)
    if record is None:
        records = sorted(path.parent for path in (folder / FOLDER).glob("*/run.json"))
        record = RunRecord.read(records[-1]) if records else None
    files, problems = ResultStore(folder).load_all()
    results = {file.result.cell_id: file.result for file in files}
    tasks = () if record is None else tuple(_tasks(record, ask_engine))
    return RunState(
        folder=folder,
        executor="local" if record is None else record.content.executor,
        created=_created(folder, record),
        cells=tuple(_cells(manifest, results, record, tasks)),
        tasks=tasks,
        record=record,
        problems=tuple(problems),
    )


def _manifest(folder: Path) -> list[dict[str, Any]]:
    path = folder / "manifest.json"
    try:
        found = json.loads(path.read_text("utf-8"))
        if found["schema"] != SCHEMA:
            raise ValueError(found["schema"])
        rows = found["cells"]
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(
            f"{folder} is not the folder of a run: it has no readable manifest.json; type: "
            "tvseg-bench list runs"
        ) from None
    return [row for row in rows if isinstance(row, dict)]


def _created(folder: Path, record: RunRecord | None) -> str:
    if record is not None:
        return record.content.created
    from datetime import datetime, timezone

    changed = (folder / "manifest.json").stat().st_mtime
    return datetime.fromtimestamp(changed, timezone.utc).isoformat(timespec="seconds")


def _tasks(record: RunRecord, ask_engine: bool) -> Iterator[TaskStatus]:
    """Yield every task with its state, by what workers said and what the engine says."""
    queue = job_states() if ask_engine and record.content.executor == "slurm" else None
    events = record.latest()  # after the queue was asked: what ends in between is seen here
    places = {
        index: (jobs.job, member)
        for jobs in record.content.jobs
        for member, tasks in enumerate(jobs.tasks)
        for index in tasks
    }
    for index, task in enumerate(record.tasks):
        event, place = events.get(index), places.get(index)
        job = queue.get(place) if queue is not None and place is not None else None
        yield TaskStatus(
            task=index,
            label=task.label,
            state=_state(event, job, asked=queue is not None),
            node="" if job is None else job.node,
            job="" if place is None else f"{place[0]}_{place[1]}",
            log="" if place is None else _log(record, place),
            reason=event.reason if event is not None and event.reason else _reason(job),
            cell_id=event.cell_id if event is not None else "",
        )


def _state(event: TaskEvent | None, job: JobState | None, *, asked: bool) -> State:
    """Return the state of a task by what its worker said last and what Slurm says of its job."""
    if event is not None and event.state in ("done", "kept"):
        return "done"
    if event is not None and event.state == "failed":
        return "failed"
    if not asked:
        return "waiting" if event is None else "running"
    if job is None or job.ended:
        return "stopped"
    return "running" if event is not None and job.state == "RUNNING" else "waiting"


def _reason(job: JobState | None) -> str:
    """Return why a job waits or has ended."""
    if job is None or job.reason in ("", "None") or job.state in ("RUNNING", "COMPLETED"):
        return ""
    return explained(job)


def _log(record: RunRecord, place: tuple[str, int]) -> str:
    """Return where a job writes what it prints."""
    job, member = place
    names = (f"{job}_{member}_0_log.err", f"{job}_0_log.err")
    found = (record.logs / name for name in names)
    return str(next((path for path in found if path.exists()), record.logs / names[0]))


def _cells(
    manifest: Sequence[Mapping[str, Any]],
    results: Mapping[str, Result],
    record: RunRecord | None,
    tasks: Sequence[TaskStatus],
) -> Iterator[CellStatus]:
    """Yield the cells of the folder, by their results, else by their tasks."""
    of_cell: dict[str, list[TaskStatus]] = {}
    away: dict[tuple[str, str, str, int], list[TaskStatus]] = {}
    for status in tasks:
        assert record is not None
        task = record.tasks[status.task]
        if task.kind == "extract":
            continue
        if task.cell_id:
            of_cell.setdefault(task.cell_id, []).append(status)
        else:
            away.setdefault(_coordinates(task), []).append(status)
    for row in manifest:
        known = (str(row.get(name, "")) for name in ("cell_id", "model", "protocol", "dataset"))
        cell_id, model, protocol, dataset = known
        seed, own = row.get("seed", 0), of_cell.get(cell_id, ())
        yield _cell(cell_id, model, protocol, dataset, seed, results, own)
    for (model, protocol, dataset, seed), found in away.items():
        told = next((t.cell_id for t in found if t.cell_id), None)
        if told is None or told not in of_cell:
            yield _cell(told, model, protocol, dataset, seed, results, found)


def _cell(
    cell_id: str | None,
    model: str,
    protocol: str,
    dataset: str,
    seed: int,
    results: Mapping[str, Result],
    tasks: Sequence[TaskStatus],
) -> CellStatus:
    result = None if cell_id is None else results.get(cell_id)
    state, reason = _of_cell(result, tasks)
    metric = None if result is None else result.headline
    value = None if result is None or metric is None else result.metrics[metric].value
    return CellStatus(cell_id, state, model, protocol, dataset, seed, metric, value, reason)


def _of_cell(result: Result | None, tasks: Sequence[TaskStatus]) -> tuple[State, str]:
    states = {task.state for task in tasks}
    going_on = next((s for s in ("running", "waiting") if s in states), None)
    if result is not None and result.status != "failed":
        return "done" if result.status == "ok" else "skipped", result.reason
    if going_on is not None:
        return going_on, next((t.reason for t in tasks if t.state == going_on), "")
    if result is not None:
        return "failed", result.reason
    for state in ("failed", "stopped"):
        if state in states:
            return state, next(t.reason for t in tasks if t.state == state)
    return ("done", "") if states else ("waiting", "")


def _coordinates(task: Task) -> tuple[str, str, str, int]:
    return task.model, task.protocol, task.dataset, task.seed
