"""A worker does what a record says, with this machine's model and data, or says why not."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tvseg_bench.benchmark.errors import MissingWeightsError, UsageError
from tvseg_bench.benchmark.execution.executors.remote import Watch
from tvseg_bench.benchmark.execution.parts import PartStore
from tvseg_bench.benchmark.execution.plan import Cell, UnavailableCell, make_plan
from tvseg_bench.benchmark.execution.run import run_selection
from tvseg_bench.benchmark.execution.run_files import write_manifest
from tvseg_bench.benchmark.execution.run_record import RunRecord
from tvseg_bench.benchmark.execution.selection import make_selection
from tvseg_bench.benchmark.execution.status import read_status
from tvseg_bench.benchmark.execution.tasks import make_tasks
from tvseg_bench.benchmark.execution.worker import Worker
from tvseg_bench.benchmark.registry import ModelEntry, datasets, models
from tvseg_bench.benchmark.results.result import Result, comparable_fields
from tvseg_bench.benchmark.results.store import ResultStore

Grid = Callable[..., dict[str, Any]]


def recorded(values: dict[str, Any], range_frames: int = 5) -> RunRecord:
    """Return the record of a run as an executor writes it."""
    plan = make_plan(make_selection({"executor": "ray", **values}))
    return RunRecord.create(plan, make_tasks(plan, range_frames=range_frames), None)


def test_tasks_one_by_one_give_what_a_run_gives(toy_grid: Grid, tmp_path: Path) -> None:
    grid = {"protocol": ["kmeans-frame,kmeans-clip:timet,kmeans-dataset"], "overrides": {}}
    whole = run_selection(make_selection(toy_grid(**grid, output=tmp_path / "whole")))
    record = recorded(toy_grid(**grid))
    for i in range(len(record.tasks)):
        (outcome,) = Worker(record, f"w{i}").run([i])
        assert outcome.state == "done"
    for result in whole.results:
        found = ResultStore(tmp_path / "out").read(result.cell_id)
        assert comparable_fields(found) == comparable_fields(result)
        rows = [tmp_path / one / f"samples/{result.cell_id}.jsonl" for one in ("whole", "out")]
        assert rows[0].read_bytes() == rows[1].read_bytes()
    assert not (tmp_path / "out/parts").exists()


def test_a_reduction_computes_what_is_missing(toy_grid: Grid, tmp_path: Path) -> None:
    record = recorded(toy_grid())
    last = len(record.tasks) - 1
    worker = Worker(record, "w")
    (outcome,) = worker.run([last])
    assert outcome.state == "done"
    assert [o.state for o in worker.run(range(last))] == ["kept"] * last


def test_a_damaged_part_is_computed_again(toy_grid: Grid, tmp_path: Path) -> None:
    record = recorded(toy_grid())
    worker = Worker(record, "w")
    worker.run([0])
    (part,) = (tmp_path / "out/parts").rglob("*.json")
    part.write_bytes(part.read_bytes()[:100])
    assert [o.state for o in worker.run([1, 2])] == ["done", "done"]


def test_a_forced_run_does_everything_once_more(toy_grid: Grid) -> None:
    run_selection(make_selection(toy_grid()))
    record = recorded(toy_grid(force=True))
    everything = range(len(record.tasks))
    assert {o.state for o in Worker(record, "one").run(everything)} == {"done"}
    assert {o.state for o in Worker(record, "two").run(everything)} == {"kept"}


def test_weights_that_only_a_worker_has_are_enough(toy_grid: Grid, tmp_path: Path) -> None:
    """The run is typed where they are not; its cells get their ids where they are."""

    def absent() -> Any:
        raise MissingWeightsError("the weights of toy/b are not on this machine")

    card = replace(models["toy/b"].build().card, revision="")
    grid = toy_grid(model=["toy/b"], protocol=["kmeans-clip,segmenter"], overrides={})
    with models.overridden({"toy/b": ModelEntry(card=card, build=absent)}):
        plan = make_plan(make_selection({"executor": "ray", **grid}))
        write_manifest(tmp_path / "out", plan)
        record = RunRecord.create(plan, make_tasks(plan, range_frames=5), None)
    found = Collected()
    watch = Watch(record, plan.elsewhere, found)
    for outcome in Worker(record, "w").run(range(len(record.tasks))):
        watch.outcome(outcome)
    assert (watch.waiting, found.unavailable) == (0, [])
    alone = run_selection(make_selection({**grid, "output": tmp_path / "alone"}))
    assert {r.cell_id: r.status for r in found.results} == {
        r.cell_id: r.status for r in alone.results
    }
    assert {r.status for r in found.results} == {"ok", "skipped"}
    states = {cell.cell: cell.state for cell in read_status(tmp_path / "out").cells}
    assert states == {r.cell_id: "done" if r.status == "ok" else "skipped" for r in alone.results}


class Collected:
    """Takes results as they come."""

    def __init__(self) -> None:
        self.results: list[Result] = []
        self.unavailable: list[UnavailableCell] = []

    def add(self, cell: Cell, result: Result, computed: bool) -> None:
        self.results.append(result)

    def cannot(self, part: UnavailableCell) -> None:
        self.unavailable.append(part)


def test_other_weights_on_a_machine_are_refused(toy_grid: Grid) -> None:
    record = recorded(toy_grid())
    model = models["toy/a"].build()
    changed = replace(model.card, revision="test-other")
    model.card = changed
    with models.overridden({"toy/a": ModelEntry(card=None, build=lambda: model)}):
        (outcome,) = Worker(record, "w").run([0])
    assert outcome.state == "failed"
    assert outcome.reason == (
        "the model toy/a is another one on this machine: its revision is test-other here and "
        "test-1.0 where the run was planned; give all machines the same weights and code"
    )


def test_other_data_on_a_machine_are_refused(toy_grid: Grid) -> None:
    record = recorded(toy_grid())
    other = replace(datasets["toy"].open(None, None), manifest_sha256="cd" * 32)
    entry = replace(datasets["toy"], open=lambda root, split: other)
    with datasets.overridden({"toy": entry}):
        (outcome,) = Worker(record, "w").run([0])
    assert "the files of toy are others on this machine" in outcome.reason


def test_another_version_of_the_suite_is_refused(toy_grid: Grid) -> None:
    record = recorded(toy_grid())
    path = record.directory / "run.json"
    content = json.loads(path.read_text())
    content["suite"]["version"] = "0.0.1"
    path.write_text(json.dumps(content))
    with pytest.raises(UsageError, match=r"another tvseg-bench than the one that planned the run"):
        Worker(RunRecord.read(record.directory), "w")


def test_a_folder_that_cannot_be_seen_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"needs a folder that all of them share"):
        RunRecord.read(tmp_path / "nowhere")


def test_a_damaged_record_is_named_and_a_torn_event_says_nothing(
    toy_grid: Grid, tmp_path: Path
) -> None:
    record = recorded(toy_grid())
    Worker(record, "w").run([0])
    (record.directory / "events/torn.jsonl").write_text('{"task": 1, "sta\n[]\n{"task": 1}\n')
    assert {i: e.state for i, e in RunRecord.read(record.directory).latest().items()} == {
        0: "done"
    }
    for name in ("tasks.jsonl", "run.json"):
        path = record.directory / name
        path.write_bytes(path.read_bytes()[:50])
        with pytest.raises(UsageError, match=rf"{name} cannot be read as that of a run: .*; move"):
            _ = RunRecord.read(record.directory).tasks


def test_a_full_disk_fails_its_task_and_no_other(toy_grid: Grid, tmp_path: Path) -> None:
    record = recorded(toy_grid(protocol=["kmeans-clip,kmeans-dataset"]))
    (tmp_path / "out/parts").write_text("no folder: nothing can be written below it")
    outcomes = Worker(record, "w").run(range(len(record.tasks)))
    failed = [o for o in outcomes if o.state == "failed"]
    assert {record.tasks[o.task].protocol for o in failed} == {"kmeans-clip:standard"}
    assert all("cannot be written" in o.reason for o in failed)
    (tmp_path / "out/parts").unlink()
    outcomes = Worker(record, "again").run(range(len(record.tasks)))
    assert [o.reason for o in outcomes if o.state == "failed"] == []


def test_parts_are_read_back_or_not_at_all(toy_grid: Grid, tmp_path: Path) -> None:
    record = recorded(toy_grid())
    Worker(record, "w").run([0])
    store = PartStore(record.parts)
    cell = record.tasks[0].cell_id
    found = store.read(cell, (0, 2))
    assert found is not None
    assert (found.cell_id, found.clips, found.timing.frames) == (cell, (0, 2), 6)
    assert store.read(cell, (2, 3)) is None
    store.path(cell, (2, 3)).write_bytes(store.path(cell, (0, 2)).read_bytes())
    assert store.read(cell, (2, 3)) is None, "a part of other clips"
    store.remove(cell, [(0, 2)])
    assert store.path(cell, (2, 3)).exists(), "what is not named stays"
