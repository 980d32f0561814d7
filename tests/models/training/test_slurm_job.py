"""Training as a job: options and refusals without Slurm, and on a real one with two nodes."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from training_runs import DATA, PLUGIN, TYPED, losses, plugin, setup

from tvseg_bench.__main__ import main
from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.execution.executors import slurm_arrays, slurm_queue
from tvseg_bench.benchmark.execution.executors.slurm_queue import JobState
from tvseg_bench.models.training import slurm_job
from tvseg_bench.models.training.checkpoints import TrainingError
from tvseg_bench.models.training.loop import train
from tvseg_bench.scripts import local_slurm as script

WITHOUT = script.missing_programs()
SLURM = ("--executor", "slurm")

# stops for ever once so many steps are logged, as the start of the job says, until it is killed
HANGING = """
import os
import time
from pathlib import Path

def _hang(module, args):
    plan = Path(__file__).with_name("hang")
    if plan.exists():
        journal, *stops = plan.read_text().split()
        start = int(os.environ.get("SLURM_RESTART_COUNT", "0"))
        while start < len(stops) and Path(journal).exists():
            if Path(journal).read_text().count('"step"') < int(stops[start]):
                break
            time.sleep(0.1)

_build = build
def build():
    model = _build()
    next(m for m in model.modules() if type(m).__name__ == "PatchEmbed").register_forward_pre_hook(
        _hang
    )
    return model
"""


def command(folder: Path, output: str, *more: str) -> list[str]:
    model = f"file:{plugin(folder)}"
    typed = ["train", "timet", "--model", model, "--data", DATA, "-o", str(folder / output)]
    rates = ("recipe.steps=6", "recipe.head_rate=0.001", "recipe.backbone_rate=0.001")
    return [*typed, "--device", "cpu", *TYPED, *rates, *more]


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        (["--nodes", "2"], "--nodes is for --executor slurm; add that, or leave it out"),
        (["--wait"], "--wait is for --executor slurm"),
        (["--executor", "ray"], "--executor ray does not train; for training there are local"),
        (["--executor", "slrum"], "--executor slrum is not known; for training there are local"),
        ([*SLURM, "--nodes", "0"], "--nodes 0 must be a whole number from 1 on"),
        ([*SLURM, "--gpus", "0.5"], "--gpus 0.5 must be a whole number: each has a process"),
        ([*SLURM, "--time", "soon"], "--time 'soon' is not a time; type for example 4:00:00"),
        ([*SLURM, "--executor-option", "jobs=3"], "executor_options.jobs is for tvseg-bench run"),
        ([*SLURM, "recipe.epoch=3"], "unknown key of recipe 'epoch'; did you mean 'epochs'?"),
        ([*SLURM, "--clips", "shapes-1"], "unknown clip 'shapes-1'"),
    ],
)
def test_mistakes_get_one_sentence_and_leave_no_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], typed: list[str], sentence: str
) -> None:
    assert main(command(tmp_path, "out", *typed)) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1
    assert sentence in error[0]
    assert not (tmp_path / "out").exists()


def test_without_submitit_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    assert main(command(tmp_path, "out", *SLURM, "--nodes", "2")) == 1
    assert capsys.readouterr().err == (
        "tvseg-bench: --executor slurm needs the package 'submitit', which is not installed; "
        "type: pip install 'tvseg-bench[slurm]'\n"
    )


def test_without_slurm_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(command(tmp_path, "out", *SLURM)) == 2
    assert "--executor slurm: there is no `sbatch` here" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


class Submitted:
    """Takes the place of sbatch and squeue; keeps what would be submitted."""

    job_id = "7"

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.parameters: dict[str, Any] = {}
        self.works: list[slurm_job.TrainingJob] = []
        self.states: dict[tuple[str, int], JobState] | None = {}
        self.error: Exception | None = None
        monkeypatch.setattr(slurm_arrays, "check", lambda options: None)
        monkeypatch.setattr(slurm_arrays, "job_executor", self.executor)
        monkeypatch.setattr(slurm_queue, "job_states", lambda: self.states)

    def executor(self, folder: Path, options: Any, **parameters: Any) -> "Submitted":
        self.parameters = parameters
        return self

    def submit(self, work: slurm_job.TrainingJob) -> "Submitted":
        if self.error:
            raise self.error
        self.works.append(work)
        return self


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch) -> Submitted:
    return Submitted(monkeypatch)


def test_a_config_file_says_where_and_the_command_line_wins(
    tmp_path: Path, slurm: Submitted, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("executor: slurm\nexecutor_options: {nodes: 4, gpus: 8, time: 90}\n")
    more = ("--config", str(config), "--nodes", "2", "--device", "auto", "--json")
    assert main(command(tmp_path, "out", *more)) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["job"] == "7"
    assert shown["logs"] == str(tmp_path / "out" / "slurm")
    wanted = {"nodes": 2, "tasks_per_node": 8, "gpus_per_node": 8, "dependency": "singleton"}
    assert {key: slurm.parameters[key] for key in wanted} == wanted
    assert slurm.parameters["slurm_srun_args"] == ["--kill-on-bad-exit=1"]
    assert slurm.works[0].values["device"] == "cuda"  # never many processes on the CPU


def test_a_second_command_trains_nothing_while_the_job_lives(
    tmp_path: Path, slurm: Submitted, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = command(tmp_path, "out")
    assert main([*typed, *SLURM]) == 0
    assert "submitted as Slurm job 7" in capsys.readouterr().out
    slurm.states = {("7", 0): JobState("PENDING", "Priority", "")}
    for more in (SLURM, (), ("--resume", "auto"), (*SLURM, "--wait", "--seed", "1")):
        assert main([*typed, *more]) == 2
        error = capsys.readouterr().err.strip()
        assert "the Slurm job 7 is training into" in error
        assert "\n" not in error
    slurm.states = None
    assert main([*typed, *SLURM]) == 2
    assert "Slurm cannot be asked from here; type it where squeue works" in capsys.readouterr().err
    slurm.states = {("7", 0): JobState("FAILED", "NonZeroExitCode", "n0")}
    assert main([*typed, *SLURM]) == 0
    slurm.states = {("8", 0): JobState("RUNNING", "None", "n0")}
    assert main([*typed, *SLURM]) == 0
    assert len(slurm.works) == 3
    slurm.states = {}
    train(setup(tmp_path))  # no job any more
    capsys.readouterr()
    assert main([*typed, *SLURM]) == 2
    assert "holds a run already (config.json); type --resume auto" in capsys.readouterr().err
    assert main([*typed, *SLURM, "--resume", "auto"]) == 0
    assert "out: was finished before, 6 steps" in capsys.readouterr().out
    assert main([*typed, *SLURM, "--resume", "auto", "--seed", "1"]) == 1
    assert "belongs to a run with other settings (seed)" in capsys.readouterr().err
    assert main([*typed, *SLURM, "--wait"]) == 0
    assert "out: finished, 6 steps" in capsys.readouterr().out
    assert len(slurm.works) == 3


def test_a_refusal_says_why(
    tmp_path: Path, slurm: Submitted, capsys: pytest.CaptureFixture[str]
) -> None:
    slurm.error = RuntimeError("sbatch: error: invalid partition specified: nope\n")
    assert main(command(tmp_path, "out", *SLURM, "--partition", "nope")) == 2
    refused = "tvseg-bench: Slurm refuses the training: invalid partition specified: nope\n"
    assert capsys.readouterr().err == refused
    assert not (tmp_path / "out" / "slurm" / "job.json").exists()


def test_a_job_that_ends_too_early_says_why(tmp_path: Path, slurm: Submitted) -> None:
    logs = tmp_path / "slurm"
    logs.mkdir()

    def why(state: JobState | None) -> str:
        slurm.states = {} if state is None else {("7", 0): state}
        with pytest.raises(TrainingError) as raised:
            slurm_job.follow(tmp_path, "7", True, print)
        return str(raised.value)

    assert "ended before the training did: it left no log" in why(None)
    unseen = why(JobState("FAILED", "JobLaunchFailure", "n1"))
    assert f"a node cannot see {logs}; choose a folder that all nodes share with -o" in unseen
    (logs / "7_0_log.err").write_text("RuntimeError: Connection closed by peer\n")
    assert "(FAILED) before the training did: RuntimeError: Conn" in why(
        JobState("FAILED", "", "")
    )
    (logs / "7_1_log.err").write_text("tvseg-bench: the disk is full\nsrun: error: n1\n")
    assert "before the training did: the disk is full; its logs are" in why(None)


def test_what_is_no_job_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "slurm" / "job.json"
    path.parent.mkdir()
    path.write_text("{}")
    with pytest.raises(UsageError, match=r"job.json cannot be read as a job .*; move it away"):
        slurm_job.read_job(tmp_path)


def test_it_goes_through_submitit_without_a_cluster(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = (*SLURM, "--executor-option", "cluster=local")
    assert main([*command(tmp_path, "out", *more)]) == 0
    assert "finished, 6 steps" in capsys.readouterr().out
    train(setup(tmp_path, "one"))
    assert losses(tmp_path / "out") == losses(tmp_path / "one")
    assert main(command(tmp_path, "two", *more, "--nodes", "2")) == 2
    assert "Slurm refuses the training: " in capsys.readouterr().err
    # the job itself says what is wrong
    (tmp_path / "out" / "card.json").unlink()
    (tmp_path / "out" / "checkpoint.safetensors").write_bytes(b"")
    assert main([*command(tmp_path, "out", *more), "--resume", "auto"]) == 1
    assert "is not a checkpoint that can be read" in capsys.readouterr().err


def until_logged(folder: Path, count: int) -> None:
    """Wait for the journal of a run to hold so many steps."""
    for _ in range(1800):
        if (folder / "metrics.jsonl").exists() and len(losses(folder)) >= count:
            return
        time.sleep(0.1)
    logs = [log.read_text() for log in (folder / "slurm").glob("*_log.*")]
    raise AssertionError(f"no step {count}: {logs}")


@pytest.mark.faults
@pytest.mark.slurm
@pytest.mark.slow
@pytest.mark.skipif(WITHOUT is not None, reason=str(WITHOUT))
def test_two_nodes_stopped_and_queued_again_lose_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(os.environ, "OMP_NUM_THREADS", "1")
    monkeypatch.setattr("training_runs.PLUGIN", PLUGIN + HANGING)
    monkeypatch.setattr(slurm_job, "POLL_S", 0.2)
    more = (*SLURM, "--nodes", "2", "--cpus", "1")
    with script.local_slurm(tmp_path / "s", nodes=2, cpus=1) as cluster:
        for name, value in cluster.environment.items():
            monkeypatch.setenv(name, value)
        assert main([*command(tmp_path, "whole", *more), "--wait"]) == 0

        stopped = tmp_path / "stopped"
        (tmp_path / "hang").write_text(f"{stopped / 'metrics.jsonl'} 3 5")
        capsys.readouterr()
        assert main([*command(tmp_path, "stopped", *more), "--json"]) == 0
        job = json.loads(capsys.readouterr().out)["job"]
        until_logged(stopped, 3)
        # what Slurm sends before the time is up
        subprocess.run(["scancel", "--signal=USR2", job], check=True)
        until_logged(stopped, 5)
        assert main(command(tmp_path, "stopped", *more)) == 2
        assert f"the Slurm job {job} is training into" in capsys.readouterr().err
        subprocess.run(["scontrol", "requeue", job], check=True)  # as preemption does
        assert main([*command(tmp_path, "stopped", *more), "--wait"]) == 0
        assert "stopped: finished, 6 steps" in capsys.readouterr().out

        assert main(command(tmp_path, "refused", *more, "--partition", "nope")) == 2
        assert "Slurm refuses the training: " in capsys.readouterr().err
    log = (stopped / "slurm" / f"{job}_0_log.err").read_text()
    assert "3 clips, 6 steps from step 2" in log
    assert "3 clips, 6 steps from step 4" in log
    assert losses(stopped) == losses(tmp_path / "whole")
    weights = [tmp_path / name / "model.safetensors" for name in ("stopped", "whole")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    (tmp_path / "hang").unlink()
    train(setup(tmp_path, "one"))
    assert losses(tmp_path / "whole") == pytest.approx(losses(tmp_path / "one"), rel=1e-5)
