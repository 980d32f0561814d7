"""The grid: written as it goes, resumed, and honest about what failed."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tvseg_bench.benchmark.errors import DataError, UsageError
from tvseg_bench.benchmark.evaluation import Needs, RunContext
from tvseg_bench.benchmark.execution.callbacks import RunCallbacks
from tvseg_bench.benchmark.execution.run import RunReport, run_selection
from tvseg_bench.benchmark.execution.selection import make_selection
from tvseg_bench.benchmark.registry import ModelEntry, datasets, models, protocols
from tvseg_bench.benchmark.results.result import Result, comparable_fields
from tvseg_bench.benchmark.results.store import ResultStore
from tvseg_bench.benchmark.types import MetricCard

Grid = Callable[..., dict[str, Any]]

COUNTED = 1
"""Images that count a model's operations, once a run."""


class Recorder(RunCallbacks):
    def __init__(self) -> None:
        self.computed: list[str] = []
        self.frames = 0

    def on_progress(self, group: Any, done: int, total: int) -> None:
        self.frames = done

    def on_result(self, cell: Any, result: Result, computed: bool) -> None:
        if computed:
            self.computed.append(cell.label)


def run(values: dict[str, Any], callbacks: RunCallbacks | None = None) -> RunReport:
    return run_selection(make_selection(values), callbacks)


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_cell_leaves_a_result_its_rows_and_the_grid(toy_grid: Grid, tmp_path: Path) -> None:
    report = run(toy_grid())
    (result,) = report.results
    assert result.status == "ok"
    written = set(files(tmp_path / "out"))
    assert f"media/{result.cell_id}/kept.json" in written
    assert {name for name in written if not name.startswith("media/")} == {
        "manifest.json",
        f"results/{result.cell_id}.json",
        f"samples/{result.cell_id}.jsonl",
    }
    assert result.dataset.n_clips == 3
    assert result.dataset.n_frames == 9
    assert result.protocol.params["matching"] == "hungarian-iou"
    assert result.provenance.packages["torch"]
    assert set(result.references) == {
        *(f"{r}/{m}" for r in ("constant", "oracle") for m in ("miou", "miou_fg")),
        "oracle/position_r2_clusters",
    }
    assert 0.5 < (result.metrics["miou"].value or 0) <= 1
    assert result.metrics["miou"].ci95 is not None


def test_one_forward_pass_serves_every_protocol(toy_grid: Grid) -> None:
    values = toy_grid(
        protocol=["kmeans-frame,kmeans-clip,kmeans-dataset,overcluster-clip"], seeds="0-1"
    )
    report = run(values)
    assert len(report.results) == 8
    assert toy_grid.built["toy/a"][-1].seen <= 16 + COUNTED, "9 frames, in whole batches"


def test_attention_where_there_is_any_costs_no_second_pass(toy_grid: Grid, tmp_path: Path) -> None:
    """`foreground` asks for it, `kmeans-clip` does not; the numbers are those of single runs."""
    report = run(toy_grid(protocol=["kmeans-clip,foreground"]))
    assert toy_grid.built["toy/a"][-1].seen <= 16 + COUNTED, "9 frames, in whole batches"
    again = run(toy_grid(protocol=["kmeans-clip,kmeans-frame"], output=tmp_path / "later"))
    assert toy_grid.built["toy/a"][-1].seen == COUNTED, "kept with attention, read without"
    (alone,) = run(toy_grid(output=tmp_path / "alone", protocol=["foreground"])).results
    by_protocol = {r.protocol.id: r for r in report.results}
    assert comparable_fields(by_protocol["foreground"]) == comparable_fields(alone)
    assert comparable_fields(by_protocol["kmeans-clip"]) == comparable_fields(again.results[0])


def test_what_is_done_is_skipped_and_the_grid_grows(toy_grid: Grid, tmp_path: Path) -> None:
    first = Recorder()
    run(toy_grid(), first)
    before = files(tmp_path / "out")
    again = Recorder()
    report = run(toy_grid(model=["toy/a,toy/b"], protocol=["kmeans-clip,kmeans-frame"]), again)
    assert len(first.computed) == 1
    assert len(again.computed) == 3
    assert len(report.results) == 4
    after = files(tmp_path / "out")
    for name in before:
        if name != "manifest.json":
            assert before[name] == after[name]
    assert len(json.loads(after["manifest.json"])["cells"]) == 4


def test_the_same_numbers_in_any_company(toy_grid: Grid, tmp_path: Path) -> None:
    """Alone or in a grid, streamed or kept, whatever the batch: the same numbers."""
    (alone,) = run(toy_grid()).results
    grid = toy_grid(
        model=["toy/b,toy/a"],
        protocol=["kmeans-dataset,kmeans-clip"],
        output=tmp_path / "other",
        batch_size=2,
    )
    found = {r.cell_id: r for r in run(grid).results}[alone.cell_id]
    assert comparable_fields(found) == comparable_fields(alone)


def test_what_another_run_finishes_meanwhile_is_not_computed_again(toy_grid: Grid) -> None:
    grid = toy_grid(protocol=["kmeans-frame,kmeans-clip,kmeans-dataset"])

    class Overtaken(Recorder):
        def on_result(self, cell: Any, result: Result, computed: bool) -> None:
            if not self.computed:
                run(grid)  # the other run, which does all the rest
            super().on_result(cell, result, computed)

    overtaken = Overtaken()
    report = run(grid, overtaken)
    assert len(overtaken.computed) == 1
    assert [r.status for r in report.results] == ["ok"] * 3


def test_force_computes_again_and_keeps_the_old(toy_grid: Grid, tmp_path: Path) -> None:
    run(toy_grid())
    again = Recorder()
    run(toy_grid(force=True), again)
    assert len(again.computed) == 1
    assert any(name.endswith(".old") for name in files(tmp_path / "out"))


def test_limit_marks_partial_and_is_another_cell(toy_grid: Grid) -> None:
    (whole,) = run(toy_grid()).results
    (part,) = run(toy_grid(limit=2)).results
    assert (part.partial, part.dataset.n_clips) == (True, 2)
    assert part.cell_id != whole.cell_id


def test_seeds_are_cells(toy_grid: Grid) -> None:
    report = run(toy_grid(seeds="0-2"))
    assert [r.seed for r in report.results] == [0, 1, 2]
    assert len({r.cell_id for r in report.results}) == 3


@pytest.fixture
def broken_protocol() -> Iterator[None]:
    """`broken` raises where `kmeans-clip` would compute."""
    standard = protocols["kmeans-clip"]

    class Broken:
        needs = Needs()

        def __init__(self, config: Any) -> None:
            self.view = config.view

        def check_dataset(self, dataset: Any) -> None:
            """Take every data set."""

        def evaluate(self, features: Any, run: RunContext) -> Any:
            raise ZeroDivisionError("of its own making")

    with protocols.overridden({"broken": replace(standard, build=Broken)}):
        yield


@pytest.mark.usefixtures("broken_protocol")
def test_a_failing_cell_is_recorded_and_the_rest_goes_on(toy_grid: Grid, tmp_path: Path) -> None:
    report = run(toy_grid(protocol=["broken,kmeans-clip"]))
    assert [r.status for r in report.results] == ["failed", "ok"]
    assert report.failed == 1
    failed = report.results[0]
    assert failed.reason == (f"ZeroDivisionError: of its own making (errors/{failed.cell_id}.txt)")
    trace = (tmp_path / "out/errors" / f"{failed.cell_id}.txt").read_text()
    assert "Traceback" in trace
    retried = Recorder()
    run(toy_grid(protocol=["broken,kmeans-clip"]), retried)
    assert retried.computed == ["toy/a × broken × toy:val"], "failed cells are tried again"


@pytest.mark.usefixtures("broken_protocol")
def test_fail_fast_stops(toy_grid: Grid) -> None:
    report = run(toy_grid(protocol=["broken,kmeans-clip"], fail_fast=True))
    assert [r.status for r in report.results] == ["failed"]


def test_a_metric_that_is_not_declared_fails_the_cell_and_nothing_else(toy_grid: Grid) -> None:
    other = {"other": MetricCard(title="declared, never returned")}
    entry = replace(protocols["kmeans-clip"], metrics=other)
    with protocols.overridden({"undeclared": entry}):
        report = run(toy_grid(protocol=["undeclared,kmeans-clip"]))
    assert [r.status for r in report.results] == ["failed", "ok"]
    assert report.results[0].reason == (
        "the protocol undeclared returned the metric 'miou', which its entry does not declare; "
        "declared: other; add a MetricCard to the metrics of its ProtocolEntry"
    )


def test_a_model_that_cannot_be_built_takes_only_its_cells(toy_grid: Grid) -> None:
    def build() -> Any:
        raise RuntimeError("no such layer")

    with models.overridden({"toy/bad": ModelEntry(card=None, build=build)}):
        report = run(toy_grid(model=["toy/bad,toy/a"]))
    assert [r.status for r in report.results] == ["ok"]
    (part,) = report.plan.unavailable
    assert part.model == "toy/bad"
    assert "no such layer" in part.reason
    assert report.failed == 1


def test_a_data_set_that_is_not_there_takes_only_its_cells(toy_grid: Grid) -> None:
    def nowhere(root: Any, split: Any) -> Any:
        raise DataError("toy-absent is not below here; type: tvseg-bench data status")

    with datasets.overridden({"absent": replace(datasets["toy"], open=nowhere)}):
        report = run(toy_grid(dataset=["absent,toy"]))
    assert [r.status for r in report.results] == ["ok"]
    assert report.plan.unavailable[0].reason.startswith("toy-absent is not below here")


def test_a_broken_frame_fails_its_cells_with_the_sentence(toy_grid: Grid) -> None:
    whole = datasets["toy"].open(None, None)

    def bad(t: int) -> Any:
        raise DataError("frame 00001.jpg of clip1 is truncated; type: tvseg-bench data check toy")

    clips = [replace(c, image=bad) if i == 1 else c for i, c in enumerate(whole.clips)]
    opened = replace(whole, clips=clips)
    with datasets.overridden({"toy": replace(datasets["toy"], open=lambda root, split: opened)}):
        (result,) = run(toy_grid()).results
    assert result.status == "failed"
    assert "frame 00001.jpg of clip1 is truncated" in result.reason


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model": ["toy/aa"]}, "unknown model 'toy/aa'; did you mean 'toy/a'"),
        ({"dataset": ["tov"]}, "unknown dataset 'tov'; did you mean 'toy'?"),
        ({"weights": "w.pth"}, "--weights w.pth fits no selected model; leave it out"),
        ({"weights": "toy/c=w.pth"}, "--weights toy/c=… names a model that is not selected"),
    ],
)
def test_unknown_names_stop_before_anything_runs(
    toy_grid: Grid, tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UsageError) as caught:
        run(toy_grid(**changes))
    assert str(caught.value).startswith(sentence)
    assert not (tmp_path / "out").exists()


def test_an_interrupt_leaves_what_was_finished(toy_grid: Grid, tmp_path: Path) -> None:
    class Impatient(Recorder):
        def on_result(self, cell: Any, result: Result, computed: bool) -> None:
            super().on_result(cell, result, computed)
            if len(self.computed) == 2:
                raise KeyboardInterrupt

    values = toy_grid(protocol=["kmeans-frame,kmeans-clip,kmeans-dataset"])
    with pytest.raises(KeyboardInterrupt):
        run(values, Impatient())
    assert threading.active_count() < 20
    left = {f.result.cell_id for f in ResultStore(tmp_path / "out").load_all()[0]}
    assert len(left) == 2
    rest = Recorder()
    report = run(values, rest)
    assert len(rest.computed) == 1
    assert len(report.results) == 3


def test_same_revision_other_model_are_other_cells(toy_grid: Grid) -> None:
    report = run(toy_grid(model=["toy/a,toy/b"]))
    assert len({r.cell_id for r in report.results}) == 2


@pytest.fixture(autouse=True)
def no_threads_left() -> Iterator[None]:
    yield
    names = [t.name for t in threading.enumerate() if "tvseg" in t.name]
    assert names == []
