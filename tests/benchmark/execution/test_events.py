"""What workers say of their tasks: appended by each, read by all."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tvseg_bench.benchmark.execution.plan import make_plan
from tvseg_bench.benchmark.execution.run_record import EventLog, EventReader, RunRecord
from tvseg_bench.benchmark.execution.selection import make_selection
from tvseg_bench.benchmark.execution.tasks import Task, make_tasks

Grid = Callable[..., dict[str, Any]]


def record_of(grid: dict[str, Any]) -> tuple[RunRecord, list[Task]]:
    plan = make_plan(make_selection(grid))
    tasks = make_tasks(plan, range_frames=1)
    return RunRecord.create(plan, tasks, None), tasks


def states(events: EventReader) -> dict[int, str]:
    return {task: event.state for task, event in events.latest().items()}


def test_what_workers_say_is_read_as_it_comes(toy_grid: Grid) -> None:
    record, _ = record_of(toy_grid())
    events = EventReader(record)
    assert states(events) == {}, "no worker has begun"
    first, second = EventLog(record, "a"), EventLog(record, "b")
    first.say(0, "started")
    assert states(events) == {0: "started"}
    first.say(0, "failed", reason="no luck")
    second.say(1, "started")
    assert states(events) == {0: "failed", 1: "started"}
    second.say(1, "done", cell_id="ab" * 8)
    first.say(1, "failed")
    assert states(events) == {0: "failed", 1: "done"}, "what is done stays done"
    assert events.latest()[1].worker == "b"
    assert events.latest() == EventReader(record).latest() == record.latest()


def test_a_line_that_is_being_written_is_read_when_it_is_complete(toy_grid: Grid) -> None:
    record, _ = record_of(toy_grid())
    EventLog(record, "a").say(0, "started")
    events, path = EventReader(record), record.directory / "events" / "a.jsonl"
    line = path.read_bytes().replace(b"started", b"done")
    with path.open("ab") as file:
        file.write(line[:20])
    assert states(events) == {0: "started"}
    with path.open("ab") as file:
        file.write(line[20:])
    assert states(events) == {0: "done"}


def test_tasks_are_read_back_equal(toy_grid: Grid, tmp_path: Path) -> None:
    record, tasks = record_of(toy_grid(protocol=["kmeans-clip,kmeans-dataset"], seeds="0-1"))
    assert RunRecord.read(record.directory).tasks == tasks
    assert {task.kind for task in tasks} == {"extract", "evaluate", "reduce"}
    assert str(tmp_path) not in (record.directory / "tasks.jsonl").read_text("utf-8")
