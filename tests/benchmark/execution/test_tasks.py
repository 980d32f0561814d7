"""The plan as tasks: what they read and give, and that ranges depend on the data alone."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tvseg_bench.benchmark.errors import MissingWeightsError
from tvseg_bench.benchmark.execution.plan import Plan, make_plan
from tvseg_bench.benchmark.execution.run import run_selection
from tvseg_bench.benchmark.execution.selection import make_selection
from tvseg_bench.benchmark.execution.tasks import STAGES, Task, clip_ranges, make_tasks
from tvseg_bench.benchmark.registry import ModelEntry, datasets, models
from tvseg_bench.benchmark.types import ModelCard

Grid = Callable[..., dict[str, Any]]


def plan_of(values: dict[str, Any]) -> Plan:
    return make_plan(make_selection(values))


def shown(tasks: list[Task]) -> list[tuple[Any, ...]]:
    return [(t.kind, t.protocol.partition(":")[0], t.clips, t.after) for t in tasks]


@given(
    frames=st.lists(st.integers(1, 30), max_size=20),
    wanted=st.integers(1, 60),
    multiple=st.integers(1, 4),
)
def test_ranges_hold_every_clip_once_and_begin_at_multiples(
    frames: list[int], wanted: int, multiple: int
) -> None:
    ranges = clip_ranges(frames, wanted, multiple)
    assert [i for first, last in ranges for i in range(first, last)] == list(range(len(frames)))
    assert all(first % multiple == 0 for first, _ in ranges)
    full = [sum(frames[slice(*one)]) for one in ranges[:-1]]
    assert all(n >= wanted for n in full)


def test_a_cell_that_works_clip_by_clip_is_divided_and_put_together(toy_grid: Grid) -> None:
    tasks = make_tasks(plan_of(toy_grid()), range_frames=5)
    assert shown(tasks) == [
        ("evaluate", "kmeans-clip", (0, 2), ()),
        ("evaluate", "kmeans-clip", (2, 3), ()),
        ("reduce", "kmeans-clip", None, (0, 1)),
    ]
    assert [t.frames for t in tasks] == [6, 3, 0]
    assert tasks[2].parts == ((0, 2), (2, 3))
    assert not any(t.keep for t in tasks), "read once, so nothing is cached"


def test_what_is_read_twice_is_extracted_once(toy_grid: Grid) -> None:
    tasks = make_tasks(plan_of(toy_grid(protocol=["kmeans-clip,kmeans-dataset"])), range_frames=5)
    assert shown(tasks) == [
        ("extract", "kmeans-clip", (0, 2), ()),
        ("extract", "kmeans-clip", (2, 3), ()),
        ("evaluate", "kmeans-clip", (0, 2), (0,)),
        ("evaluate", "kmeans-clip", (2, 3), (1,)),
        ("reduce", "kmeans-clip", None, (2, 3)),
        ("evaluate", "kmeans-dataset", None, (0, 1)),
    ]
    assert all(t.keep for t in tasks)


def test_tasks_come_after_what_they_read(toy_grid: Grid) -> None:
    chosen = ["kmeans-frame,kmeans-dataset,foreground"]
    grid = toy_grid(protocol=chosen, seeds="0-1", overrides={"protocol.all.size": 64})
    for i, task in enumerate(make_tasks(plan_of(grid), range_frames=1)):
        assert all(before < i for before in task.after)
        assert STAGES.index(task.kind) >= 0


def test_what_is_done_or_cached_makes_no_task(toy_grid: Grid) -> None:
    grid = toy_grid(protocol=["kmeans-dataset"])
    report = run_selection(make_selection(grid))
    plan = plan_of(toy_grid(protocol=["kmeans-dataset"], seeds="0-1"))
    done = {r.cell_id for r in report.results}
    assert shown(make_tasks(plan, done)) == [("evaluate", "kmeans-dataset", None, ())]


def test_what_cannot_be_scored_makes_no_task_and_a_skipped_cell(toy_grid: Grid) -> None:
    grid = toy_grid(protocol=["segmenter,kmeans-clip"], overrides={"protocol.all.size": 64})
    plan = plan_of(grid)
    reasons = {cell.protocol.name: cell.inapplicable for cell in plan.cells}
    assert "brings no clusters of its own" in reasons["segmenter"]
    assert reasons["kmeans-clip"] == ""
    assert {t.protocol for t in make_tasks(plan)} == {"kmeans-clip:standard"}
    results = {r.protocol.id: r for r in run_selection(make_selection(grid)).results}
    assert (results["segmenter"].status, results["kmeans-clip"].status) == ("skipped", "ok")
    assert results["segmenter"].reason == reasons["segmenter"]


def test_still_images_are_left_out_of_what_needs_motion(toy_grid: Grid) -> None:
    toy = datasets["toy"].open(None, None)
    stills = replace(toy, clips=[replace(clip, n_frames=1) for clip in toy.clips])
    entry = replace(datasets["toy"], open=lambda root, split: stills)
    with datasets.overridden({"toy": entry}):
        plan = plan_of(toy_grid(protocol=["temporal,propagation,kmeans-frame"], overrides={}))
    assert [bool(cell.inapplicable) for cell in plan.cells] == [True, True, False]


@pytest.fixture
def absent_weights() -> ModelEntry:
    def build(weights: Any = None) -> Any:
        raise MissingWeightsError("the weights of toy/big are not on this machine: type --weights")

    card = ModelCard(name="toy/big", patch_size=16, embed_dim=3)
    return ModelEntry(card=card, build=build, takes_weights=True, needs_weights=True)


def test_models_whose_weights_are_elsewhere_are_planned(
    toy_grid: Grid, absent_weights: ModelEntry
) -> None:
    with models.overridden({"toy/big": absent_weights}):
        plan = plan_of(toy_grid(model=["toy/big,toy/a"]))
        assert [cell.model for cell in plan.elsewhere] == ["toy/big"]
        (task, other) = make_tasks(plan)
    assert (task.model, task.cell_id, other.model) == ("toy/a", task.cell_id, "toy/big")
    assert other.cell_id == "", "the revision, and so the id, is known where the weights are"
    (part,) = plan.unavailable
    assert part.elsewhere
    assert "not on this machine" in part.reason
