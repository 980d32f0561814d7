"""Options of executors: what fits, what is handed on, and one sentence for what does not fit."""

import builtins
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tvseg_bench.__main__ import main
from tvseg_bench.benchmark.errors import MissingExtraError, UsageError
from tvseg_bench.benchmark.execution.executors.options import parse_options
from tvseg_bench.benchmark.execution.executors.slurm_arrays import divided
from tvseg_bench.benchmark.execution.run import run_selection
from tvseg_bench.benchmark.execution.selection import make_selection
from tvseg_bench.benchmark.execution.tasks import Task

Grid = Callable[..., dict[str, Any]]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"time": "soon"}, "--time 'soon' is not a time; type for example 4:00:00, 90m or 2d"),
        ({"memory": "much"}, "--memory 'much' is not a size; type for example 32G"),
        ({"cpus": 0}, "--cpus 0 must be 1 or more"),
        ({"gpus": -1}, "--retries and --gpus must be 0 or more"),
        ({"jobs": "many"}, "--jobs 'many' does not fit: input should be a valid integer"),
    ],
)
def test_values_that_do_not_fit(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_options("slurm", given)
    assert str(caught.value).startswith(sentence)


def test_options_of_an_engine_need_one(toy_grid: Grid, tmp_path: Path) -> None:
    grid = toy_grid(executor_options={"partition": "gpu"})
    with pytest.raises(UsageError, match="--partition is for --executor ray or slurm; add"):
        run_selection(make_selection(grid))
    assert not (tmp_path / "out").exists()


def test_an_unknown_executor_is_answered_with_the_nearest(toy_grid: Grid) -> None:
    with pytest.raises(UsageError, match="unknown executor 'slrum'; did you mean 'slurm'"):
        make_selection(toy_grid(executor="slrum"))


@pytest.mark.parametrize(("executor", "package"), [("ray", "ray"), ("slurm", "submitit")])
def test_a_missing_extra_is_named(
    toy_grid: Grid, monkeypatch: pytest.MonkeyPatch, executor: str, package: str
) -> None:
    known = builtins.__import__

    def absent(name: str, *rest: Any, **more: Any) -> Any:
        if name.partition(".")[0] == package:
            raise ImportError(name)
        return known(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(MissingExtraError, match=rf"pip install 'tvseg-bench\[{executor}\]'"):
        run_selection(make_selection(toy_grid(executor=executor)))


def test_a_ray_cluster_that_does_not_answer_is_named_at_once(
    toy_grid: Grid, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(UsageError, match=rf"no Ray cluster answers at {address} \(.*refused"):
        run_selection(make_selection(toy_grid(executor="ray")))
    assert not (tmp_path / "out/execution").exists()


def test_no_slurm_is_said_before_anything_is_written(
    toy_grid: Grid, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="there is no `sbatch` here"):
        run_selection(make_selection(toy_grid(executor="slurm")))
    assert not (tmp_path / "out/execution").exists()


def test_fail_fast_is_for_one_process(toy_grid: Grid) -> None:
    with pytest.raises(UsageError, match="--fail-fast is for --executor local"):
        run_selection(make_selection(toy_grid(executor="ray", fail_fast=True)))


def test_jobs_get_about_equally_many_frames() -> None:
    frames = [100, 1, 1, 1, 100, 50, 50]
    tasks = [Task(kind="extract", model="m", dataset="d", protocol="p", frames=n) for n in frames]
    assert divided(range(7), tasks, 10) == [(i,) for i in range(7)]
    jobs = divided(range(7), tasks, 3)
    assert [i for job in jobs for i in job] == list(range(7)), "in order, each once"
    assert jobs == [(0, 1), (2, 3, 4), (5, 6)]


def test_a_config_file_names_the_executor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("executor: slurm\nexecutor_options: {partition: gpu, time: never}\n")
    assert main(["plan", "--config", str(config), "-o", str(tmp_path / "out")]) == 2
    assert "--time 'never' is not a time" in capsys.readouterr().err
