"""Where a run stands, told by its callbacks at times that the tests set."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tvseg_bench.benchmark.cli.run_status import RunStatus, run_text
from tvseg_bench.benchmark.execution.callbacks import RunCallbacks
from tvseg_bench.benchmark.execution.plan import Cell, Plan
from tvseg_bench.benchmark.execution.run import run_selection
from tvseg_bench.benchmark.execution.selection import make_selection
from tvseg_bench.benchmark.results.result import Result


class Seen(RunCallbacks):
    """Keeps the plan and the results of a run."""

    def __init__(self) -> None:
        self.plans: list[Plan] = []
        self.results: list[tuple[Cell, Result]] = []

    def on_plan(self, plan: Plan, todo: int) -> None:
        self.plans.append(plan)

    def on_result(self, cell: Cell, result: Result, computed: bool) -> None:
        self.results.append((cell, result))


@pytest.fixture
def grid(toy_grid: Any) -> Seen:
    """Two models, two protocols; one pass for each model, over 9 frames."""
    seen = Seen()
    values = toy_grid(model=["toy/a", "toy/b"], protocol=["kmeans-clip", "kmeans-frame"])
    run_selection(make_selection(values), seen)
    return seen


def timed(result: Result, extract_s: float, protocol_s: float) -> Result:
    timing = result.timing.model_copy(update={"extract_s": extract_s, "protocol_s": protocol_s})
    return result.model_copy(update={"timing": timing})


def test_a_run_from_its_plan_to_its_end(grid: Seen, clock: Any) -> None:
    status = RunStatus(clock)

    def text() -> str:
        return run_text(status.snapshot())

    assert text() == "the plan is being made: data sets and models are opened"
    status.on_plan(grid.plans[0], 4)
    nothing = "no cell runs in this process at the moment"
    unknown = "the time left for all is not known yet"
    assert text() == f"0 of 4 cells done, 4 to do; {nothing}; {unknown}"
    (first, ok), (second, _), (third, _), (fourth, _) = grid.results
    group = (first, second)
    status.on_start(first)
    clock.wait(5)
    assert text() == f"0 of 4 cells done, 4 to do; now {first.label} for 5 s; {unknown}"
    status.on_progress(group, 100, 1000)
    clock.wait(10)
    status.on_progress(group, 500, 1000)
    assert text() == (
        f"0 of 4 cells done, 4 to do; now {first.label} for 15 s: "
        f"500 of 1000 frames (50 %), 40 frames/s, 12 s left; {unknown}"
    )
    status.on_progress(group, 1000, 1000)
    clock.wait(200)
    assert (
        f"{first.label} for 3 min 35 s: all 1000 frames seen, computing for 3 min 20 s" in text()
    )
    status.on_result(first, timed(ok, 20.0, 190.0), True)
    status.on_start(second)
    status.on_progress(group, 10, 1000)
    status.on_progress(group, 1, 1000)
    assert f"1 of 4 cells done, 3 to do; now {second.label} for 0 s: pass 2 over" in text()
    status.on_result(second, ok.model_copy(update={"status": "failed"}), True)
    status.on_result(third, ok.model_copy(update={"status": "skipped"}), True)
    status.on_start(fourth)
    assert text().startswith("1 of 4 cells done, 1 failed, 1 skipped, 1 to do; now ")
    status.on_result(fourth, ok, True)
    assert text() == "2 of 4 cells done, 1 failed, 1 skipped, 0 to do"


def test_the_time_left_knows_passes_and_protocols(grid: Seen, clock: Any) -> None:
    status = RunStatus(clock)
    status.on_plan(grid.plans[0], 4)
    (first, ok), (second, _), (third, _), (fourth, _) = grid.results
    status.on_start(first)
    assert status.snapshot().left_s is None
    status.on_result(first, timed(ok, 60.0, 10.0), True)
    # 10 s of protocol each, and one more pass of 60 s
    assert status.snapshot().left_s == pytest.approx(3 * 10 + 60)
    status.on_start(second)
    clock.wait(4)
    assert status.snapshot().left_s == pytest.approx(3 * 10 + 60 - 4)
    clock.wait(100)  # longer than it was thought to take
    assert status.snapshot().left_s == pytest.approx(2 * 10 + 60)
    status.on_result(second, timed(ok, 0.0, 30.0), True)
    # 60 for the pass, 10 for kmeans-clip, 30 for kmeans-frame
    assert status.snapshot().left_s == pytest.approx(100)
    status.on_start(third)
    status.on_result(third, timed(ok, 60.0, 10.0), True)
    status.on_start(fourth)
    assert status.snapshot().left_s == pytest.approx(30)


def test_cells_that_were_done_before_count_as_done(grid: Seen, clock: Any) -> None:
    status = RunStatus(clock)
    status.on_plan(grid.plans[0], 1)
    for cell, result in grid.results[:2]:
        status.on_result(cell, result, False)
    seen = status.snapshot()
    assert (seen.cells, seen.done, seen.todo) == (4, 3, 1)
    cell, result = grid.results[2]
    status.on_start(cell)
    status.on_result(cell, timed(result, 50.0, 50.0), True)
    assert (status.snapshot().done, status.snapshot().left_s) == (4, 0)


def test_cells_that_run_elsewhere_are_counted_by_the_second(grid: Seen, clock: Any) -> None:
    status = RunStatus(clock)
    clock.wait(500)
    status.on_plan(grid.plans[0], 4)
    clock.wait(60)
    for cell, result in grid.results[:3]:
        status.on_result(cell, timed(result, 55.0, 5.0), True)
    assert status.snapshot().left_s == pytest.approx(20)
    assert run_text(status.snapshot()) == (
        "3 of 4 cells done, 1 to do; no cell runs in this process at the moment; "
        "about 20 s left for all"
    )


def test_a_second_plan_begins_again(grid: Seen, clock: Any) -> None:
    status = RunStatus(clock)
    status.on_plan(grid.plans[0], 4)
    status.on_start(grid.results[0][0])
    status.on_plan(replace(grid.plans[0], cells=grid.plans[0].cells[:1]), 1)
    seen = status.snapshot()
    assert (seen.cells, seen.todo, seen.running) == (1, 1, None)


def test_several_cells_at_once(grid: Seen, clock: Any) -> None:
    status = RunStatus(clock)
    status.on_plan(grid.plans[0], 4)
    status.on_start(grid.results[0][0])
    clock.wait(60)
    status.on_start(grid.results[1][0])
    text = run_text(status.snapshot())
    assert f"; now 2 cells, the longest for 60 s: {grid.results[0][0].label}; " in text


def test_the_callbacks_of_a_real_run_are_enough(toy_grid: Any, tmp_path: Path) -> None:
    status = RunStatus()
    run_selection(make_selection(toy_grid(protocol=["kmeans-clip", "kmeans-frame"])), status)
    seen = status.snapshot()
    assert (seen.cells, seen.done, seen.todo, seen.running, seen.left_s) == (2, 2, 0, None, 0)
