"""One run by every executor: the same bytes, whatever dies in the middle of it."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tvseg_bench.benchmark.execution.status import read_status
from tvseg_bench.scripts import kill_workers as trial
from tvseg_bench.scripts.local_slurm import LocalSlurm, local_slurm, missing_programs

WITHOUT = missing_programs()
needs_slurm = pytest.mark.skipif(WITHOUT is not None, reason=str(WITHOUT))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, a model, and the run of one process in `local`."""
    root = tmp_path_factory.mktemp("executors")
    trial.prepare(root)
    with trial.engine("submitit", root) as environment:
        trial.run(trial.command(root, root / "local", None), environment)
    return root


def check(root: Path, output: Path) -> None:
    """Assert that a run gave what one process gives, and did nothing twice."""
    assert trial.differences(root / "local", output) == []
    assert trial.done_twice(output) == []
    assert not (output / "parts").exists(), "what was put together is removed"
    status = read_status(output, ask_engine=False)
    assert {cell.state for cell in status.cells} == {"done", "skipped"}


@pytest.mark.parametrize(
    "executor",
    ["submitit", "ray", pytest.param("slurm", marks=[pytest.mark.slurm, needs_slurm])],
)
def test_every_executor_gives_the_bytes_of_one_process(root: Path, executor: str) -> None:
    output = root / executor
    with trial.engine(executor, root) as environment:
        trial.run(trial.command(root, output, executor), environment)
    check(root, output)


@pytest.mark.faults
@pytest.mark.parametrize("executor", ["submitit", "ray"])
def test_a_killed_worker_loses_nothing(root: Path, executor: str) -> None:
    trial.trial(root, executor, kills=2, rng=trial.random.Random(1), pause_s=2.0)
    check(root, root / f"{executor}-0")


@pytest.mark.faults
def test_a_ray_node_that_dies_takes_nothing_with_it(root: Path) -> None:
    from ray.cluster_utils import Cluster

    output = root / "ray-node"
    store = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={**store, "include_dashboard": False})
    try:
        node = cluster.add_node(**store)
        environment = {
            **os.environ,
            "RAY_ADDRESS": cluster.address,
            "TVSEG_HOME": str(root / "home-node"),
            "TOY_SLEEP": "0.3",
        }
        with background(trial.command(root, output, "ray"), environment) as process:
            wait_until(lambda: process.poll() is not None or len(events(output, "started")) > 2)
            cluster.remove_node(node, allow_graceful=False)
            assert process.wait(300) == 0, process.stderr and process.stderr.read()
    finally:
        cluster.shutdown()
    check(root, output)


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[LocalSlurm]:
    with local_slurm(tmp_path / "s", nodes=2) as cluster:
        yield cluster


@pytest.mark.faults
@pytest.mark.slurm
@needs_slurm
def test_slurm_jobs_are_requeued_preempted_and_outlive_a_node(
    root: Path, slurm: LocalSlurm
) -> None:
    output = root / "requeued"
    environment = {
        **os.environ,
        **slurm.environment,
        "TVSEG_HOME": str(root / "home-requeued"),
        "TOY_SLEEP": "2",
    }
    typed = [word for word in trial.command(root, output, "slurm") if word != "--wait"]
    submitted = trial.run(typed, environment)
    assert "tvseg-bench status" in submitted.stdout, "what to type next"

    def running() -> list[str]:
        shown = trial.run(["squeue", "-h", "-r", "-t", "R", "-o", "%i"], environment).stdout
        return shown.split()

    def queued() -> list[str]:
        return trial.run(["squeue", "-h", "-r", "-o", "%i"], environment).stdout.split()

    wait_until(lambda: bool(events(output, "started")) and len(running()) > 1)
    first, *rest = running()
    trial.run(["scontrol", "requeue", first], environment, code=None)  # as at a preemption
    for job in rest:
        trial.run(["scancel", "--signal=USR2", job], environment, code=None)  # as at a time-out
    assert {t.state for t in statuses(output, slurm)} & {"running", "waiting"}
    wait_until(lambda: bool(running()))
    slurm.stop_node("n1")
    wait_until(lambda: not queued())
    again = trial.run(trial.command(root, output, "slurm"), environment)  # where a job had failed
    assert "failed" not in again.stderr
    check(root, output)


def statuses(output: Path, slurm: LocalSlurm) -> list[Any]:
    """Return the tasks of a run as the command tells them."""
    words = [trial.sys.executable, "-m", "tvseg_bench", "status", str(output), "--json"]
    told = trial.run(words, {**os.environ, **slurm.environment}, code=None)
    return [Told(**{k: t[k] for k in ("state", "log")}) for t in json.loads(told.stdout)["tasks"]]


@pytest.mark.slurm
@needs_slurm
def test_slurm_refuses_in_one_sentence(root: Path, slurm: LocalSlurm) -> None:
    output = root / "refused"
    environment = {**os.environ, **slurm.environment, "TVSEG_HOME": str(root / "home-refused")}
    typed = [*trial.command(root, output, "slurm"), "--partition", "nope"]
    refused = trial.run(typed, environment, code=2)
    last = refused.stderr.strip().splitlines()[-1]
    assert last.startswith("tvseg-bench: Slurm refuses the jobs of the stage ")
    assert "nvalid partition" in last
    assert read_status(output, ask_engine=False).counts.get("done", 0) == 0


@pytest.mark.faults
@pytest.mark.slurm
@needs_slurm
def test_a_node_that_cannot_see_the_run_is_told_of(root: Path, slurm: LocalSlurm) -> None:
    """Its jobs fail before they can write a word; the folder is taken away while they wait."""
    output = root / "unseen"
    environment = {**os.environ, **slurm.environment, "TVSEG_HOME": str(root / "home-unseen")}
    typed = [word for word in trial.command(root, output, "slurm") if word != "--wait"]
    for node in slurm.nodes:
        slurm.stop_node(node)
    trial.run(typed, environment)
    (execution,) = (output / "execution").iterdir()
    logs, aside = execution / "logs", execution / "aside"
    logs.rename(aside)
    for node in slurm.nodes:
        slurm.start_node(node)

    def failed() -> str:
        words = ["squeue", "-h", "-r", "-t", "all", "-o", "%T %r"]
        return trial.run(words, environment).stdout

    wait_until(lambda: "JobLaunchFailure" in failed() and "RUNNING" not in failed())
    aside.rename(logs)
    words = [trial.sys.executable, "-m", "tvseg_bench", "status", str(output)]
    told = trial.run(words, environment, code=None)
    assert "the node may not see the folder of the run; choose a shared one" in told.stdout


class Told:
    """A task as `status --json` tells it."""

    def __init__(self, state: str, log: str) -> None:
        self.state, self.log = state, log


def events(output: Path, state: str) -> list[Any]:
    """Return what workers of the last run said of tasks."""
    found = sorted((output / "execution").glob("*/run.json"))
    if not found:
        return []
    record = trial.RunRecord.read(found[-1].parent)
    return [event for event in trial.EventReader(record).new() if event.state == state]


def wait_until(come: Callable[[], bool], most_s: float = 600.0) -> None:
    """Wait for something that has to come; a test that waits so long has failed."""
    end = time.monotonic() + most_s
    while not come():
        if time.monotonic() > end:
            raise AssertionError("it did not come")
        time.sleep(0.2)


@contextmanager
def background(typed: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run a command beside the test, and never leave it behind."""
    with subprocess.Popen(
        typed, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()
