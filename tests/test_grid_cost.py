"""The calculation of what a large grid costs: its schedule, its tasks, and no trace of it left."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tvseg_bench.benchmark.execution.tasks import Task
from tvseg_bench.benchmark.registry import datasets, models

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "grid_cost.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("grid_cost", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPT.parent))
        patch.setitem(__import__("sys").modules, "grid_cost", module)
        spec.loader.exec_module(module)
    return module


def task(kind: Any, *after: int) -> Task:
    return Task(kind=kind, model="m", dataset="d", protocol="p:standard", after=after, frames=1)


TASKS = [
    *(task("extract"), task("extract"), task("extract")),
    *(task("evaluate", 0), task("evaluate", 1, 2)),
    task("reduce", 3, 4),
]
SECONDS = [4.0, 1.0, 2.0, 3.0, 5.0, 1.0]


def test_tasks_begin_when_their_inputs_and_a_worker_are_there(script: ModuleType) -> None:
    # 0 | 0-4, then 3 | 4-7; 1, 2 | 0-1, 1-3, then 4 | 3-8; 5 | 8-9
    assert script.in_order(TASKS, SECONDS, 2) == 9
    assert script.in_order(TASKS, SECONDS, 1) == sum(SECONDS)
    assert script.in_order(TASKS, SECONDS, 9) == script.longest_chain(TASKS, SECONDS) == 8


def test_a_stage_begins_when_the_one_before_has_ended(script: ModuleType) -> None:
    # extractions 4 and 1 + 2, then 3 and 5, then 1; each job starts a process
    end, jobs = script.in_stages(TASKS, SECONDS, workers=2, most=1000)
    start = script.START_S
    assert (end, jobs) == (max(4 + start, 1 + 2 + 2 * start) + 5 + start + 1 + start, 6)
    end, jobs = script.in_stages(TASKS, SECONDS, workers=2, most=1)
    assert (end, jobs) == (sum(SECONDS) + 3 * start, 3)


def test_models_are_of_three_kinds(script: ModuleType) -> None:
    kinds = [script.kind_of(i).name for i in range(20)]
    assert kinds[:10] == kinds[10:]
    assert [kinds.count(name) for name in ("ViT-S/16", "ViT-B/16", "ViT-L/16")] == [12, 6, 2]


def test_a_small_grid(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TVSEG_HOME", str(tmp_path))
    before = (list(models), {name: datasets[name] for name in datasets})
    grid = script.Grid(models=2, datasets=2, protocols=6, seeds=2, gpus=3)
    found = script.outlook(grid)
    assert (list(models), {name: datasets[name] for name in datasets}) == before
    assert found == script.outlook(grid), "the same every time"
    assert found.cells == 2 * 2 * 6 * 2
    assert found.skipped > 0, "davis-2017 has no labels that mean the same in every clip"
    assert found.tasks["extract"] == 2 * 2, "davis-2016 in one range, davis-2017 as well"
    assert max(bound for what, bound in script.limits(found) if "GB/s" not in what) <= found.ray
    assert found.ray < found.slurm
    # 350 and 350 tokens of 384 numbers of four bytes
    assert found.stored == 2 * (1376 + 1999) * 350 * 384 * 4
    assert not list(tmp_path.iterdir())
    text = script.table(found)
    assert text.startswith("2 models x 2 data sets x 6 protocols x 2 seeds on 3 GPUs: 48 cells")
    assert "| extract | 4 |" in text


def test_what_there_is_not_is_refused(
    script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        script.main(["--datasets", "7"])
    assert "--datasets is at most 6" in capsys.readouterr().err
