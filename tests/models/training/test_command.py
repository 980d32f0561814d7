import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from training_runs import DATA, TYPED, Stop, plugin, setup

from tvseg_bench.__main__ import main
from tvseg_bench.models.training.loop import train
from tvseg_bench.models.training.metrics_log import rows

RATES = ("recipe.head_rate=0.001", "recipe.backbone_rate=0.001")


def command(folder: Path, output: str, *more: str) -> list[str]:
    typed = ["train", "timet", "--model", f"file:{plugin(folder)}", "--data", DATA]
    return [*typed, "-o", str(folder / output), "--device", "cpu", *TYPED, *RATES, *more]


def losses(folder: Path) -> list[float]:
    return [row["loss"] for row in rows(folder) if "step" in row]


def test_train_then_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    typed = command(tmp_path, "out", "recipe.steps=2")
    assert main(typed) == 0
    printed = capsys.readouterr()
    assert f"type: tvseg-bench run --model file:{tmp_path / 'out'}"[6:] in printed.out
    assert "3 clips, 2 steps" in printed.err
    more = ["--protocol", "kmeans-frame", "--dataset", "moving-shapes", "--limit", "1"]
    results = str(tmp_path / "results")
    assert main(["run", "--model", f"file:{tmp_path / 'out'}", *more, "-o", results]) == 0
    assert "trained/timet-tiny-vit" in capsys.readouterr().out


def test_a_config_file_holds_the_same_keys(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("recipe:\n  steps: 2\n  batch: 3\nseed: 4\n")
    main([*command(tmp_path, "out"), "--config", str(config), "--json"])
    assert json.loads(capsys.readouterr().out)["steps"] == 2
    resolved = json.loads((tmp_path / "out" / "config.json").read_text())
    assert resolved["seed"] == 4
    assert resolved["recipe"]["batch"] == 2  # what is typed wins


def test_a_typed_zero_wins_over_the_config(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("recipe: {steps: 1}\nseed: 4\n")
    assert main([*command(tmp_path, "out"), "--config", str(config), "--seed", "0"]) == 0
    assert json.loads((tmp_path / "out" / "config.json").read_text())["seed"] == 0


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        (["recipe.epoch=3"], "unknown key of recipe 'epoch'; did you mean 'epochs'?"),
        (["objective.epsilom=3"], "unknown key of objective 'epsilom'; did you mean 'epsilon'?"),
        (["recipe.batch=0"], "recipe.batch=0 does not fit"),
        (["recipe.tune=head"], "matches no parameter of the backbone; its blocks are blocks.0"),
        (["recipe.tune=last:9"], "the backbone has 3 blocks only"),
        (["--validate", "kmeans-clip"], "expected PROTOCOL@DATASET"),
        (["--clips", "shapes-1"], "unknown clip 'shapes-1'; did you mean 'shapes-0100"),
        (["--data", "./nothing"], "./nothing is neither a file nor a folder"),
        (["--data", "moving-shapes?clip=3"], "did you mean 'clips'?"),
    ],
)
def test_mistakes_get_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], typed: list[str], sentence: str
) -> None:
    assert main(command(tmp_path, "out", "recipe.steps=1", *typed)) != 0
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1
    assert sentence in error[0]
    assert not (tmp_path / "out").exists()


def test_an_unknown_method_is_answered(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "timed", "--model", "baseline/random"]) == 2
    assert "did you mean 'timet'?" in capsys.readouterr().err


def test_train_needs_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "timet"]) == 2
    assert "needs a backbone to start from" in capsys.readouterr().err


@pytest.mark.slow
def test_killed_at_any_step_it_goes_on_with_the_same_losses(tmp_path: Path) -> None:
    typed = command(tmp_path, "killed", "recipe.steps=24")
    command_line = [sys.executable, "-m", "tvseg_bench", *typed]
    run = subprocess.Popen(command_line, stderr=subprocess.DEVNULL)
    journal = tmp_path / "killed" / "metrics.jsonl"
    after = random.randrange(1, 16)
    deadline = time.monotonic() + 120
    while run.poll() is None and time.monotonic() < deadline:
        if journal.is_file() and journal.read_bytes().count(b"\n") >= after:
            break
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert run.returncode == -signal.SIGKILL
    assert main([*typed, "--resume", "auto"]) == 0
    assert main(command(tmp_path, "whole", "recipe.steps=24")) == 0
    assert losses(tmp_path / "killed") == losses(tmp_path / "whole")
    assert len(losses(tmp_path / "whole")) == 24


@pytest.mark.slow
def test_two_processes_give_what_one_gives(tmp_path: Path) -> None:
    train(setup(tmp_path, "one"))
    typed = command(tmp_path, "two", "recipe.steps=6")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    log = tmp_path / "log"
    with log.open("w") as file:
        run = subprocess.Popen(
            [*launch, "-m", "tvseg_bench", *typed], stdout=file, stderr=file, env=environment
        )
    try:
        code = run.wait(timeout=900)
    except subprocess.TimeoutExpired:
        run.terminate()  # it ends its processes
        run.wait(timeout=120)
        pytest.fail(f"the processes did not end by themselves:\n{log.read_text()}")
    assert code == 0, log.read_text()
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-5)


@pytest.mark.slow
def test_two_machines_go_on_with_what_one_began(tmp_path: Path) -> None:
    train(setup(tmp_path, "one"))
    with pytest.raises(KeyboardInterrupt):
        train(setup(tmp_path, "two"), callbacks=Stop(3))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    launch = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1"]
    meeting = ["--rdzv-backend=c10d", f"--rdzv-endpoint=127.0.0.1:{port}", "--rdzv-id=tiny"]
    typed = command(tmp_path, "two", "recipe.steps=6", "--resume", "auto")
    words = [*launch, *meeting, "-m", "tvseg_bench", *typed]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    logs = [tmp_path / "first.log", tmp_path / "second.log"]
    with logs[0].open("w") as first, logs[1].open("w") as second:
        machines = [
            subprocess.Popen(words, stdout=log, stderr=log, env=environment)
            for log in (first, second)
        ]
        codes = [machine.wait() for machine in machines]
    told = [log.read_text() for log in logs]
    assert codes == [0, 0], told
    assert sorted(text.count("3 clips, 6 steps from step 2") for text in told) == [0, 1]
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-5)
    assert len(losses(tmp_path / "two")) == 6
