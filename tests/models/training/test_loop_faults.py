"""Runs that are killed, refused or given unreadable clips: what stays, and the errors."""

import errno
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from training_runs import Stop, losses, setup

from tvseg_bench.benchmark.errors import DataError, TvsegError, UsageError
from tvseg_bench.benchmark.results import result_file
from tvseg_bench.models.training import loop
from tvseg_bench.models.training.checkpoints import NAME, TrainingError
from tvseg_bench.models.training.loop import train
from tvseg_bench.models.training.metrics_log import rows
from tvseg_bench.models.training.objectives.objective_types import ClipBatch, StepLoss
from tvseg_bench.models.training.processes import Processes
from tvseg_bench.models.training.settings import TrainCallbacks


class Broken(torch.nn.Module):
    """An objective whose loss is not a number from step 3 on."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(16))
        self.steps = 0

    def forward(self, backbone: Any, batch: ClipBatch) -> StepLoss:
        value = (backbone(batch.images[:, 0]) * self.weight).mean()
        return StepLoss(value=value * (math.nan if self.steps == 3 else 1.0))

    def after_step(self, backbone: Any, step: int, n_steps: int) -> None:
        self.steps += 1


def test_a_loss_that_is_no_number_stops_with_step_and_clips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = type("Entry", (), {"build": staticmethod(lambda config, dim: Broken())})
    monkeypatch.setattr(loop, "objective_entry", lambda name: entry)
    run = setup(tmp_path)
    with pytest.raises(TrainingError, match=r"the loss of step 3 is nan; its clips: shapes-\d+"):
        train(run)
    assert (run.output / NAME).is_file()
    assert len(losses(run.output)) == 3


def test_a_used_folder_is_never_overwritten(tmp_path: Path) -> None:
    run = setup(tmp_path)
    train(run)
    before = (run.output / "model.safetensors").read_bytes()
    with pytest.raises(UsageError, match=r"holds a run already .* type --resume auto"):
        train(setup(tmp_path, seed=1))
    assert (run.output / "model.safetensors").read_bytes() == before


def test_a_foreign_folder_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "card.json").write_text("{}")
    with pytest.raises(UsageError, match=r"holds a run already \(card.json\)"):
        train(setup(tmp_path))


def test_a_finished_run_is_left_as_it_is(tmp_path: Path) -> None:
    train(setup(tmp_path))
    assert train(setup(tmp_path, resume=True)).already_finished


def test_other_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(setup(tmp_path), callbacks=Stop(3))
    with pytest.raises(TrainingError, match="belongs to a run with other settings"):
        train(setup(tmp_path, resume=True, overrides={"recipe.head_rate": 1e-2}))


def test_other_settings_are_refused_before_the_first_checkpoint_too(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(setup(tmp_path), callbacks=Stop(1))
    assert not (tmp_path / "out" / NAME).exists()
    with pytest.raises(TrainingError, match=r"other settings \(recipe.head_rate\); give the same"):
        train(setup(tmp_path, resume=True, overrides={"recipe.head_rate": 1e-2}))


def test_weights_without_a_checkpoint_are_not_trained_over(tmp_path: Path) -> None:
    run = setup(tmp_path)
    train(run)
    (run.output / NAME).unlink()
    before = (run.output / "model.safetensors").read_bytes()
    with pytest.raises(TrainingError, match="but no checkpoint to go on from; choose another"):
        train(setup(tmp_path, resume=True, overrides={}))
    assert (run.output / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize("name", ["model.safetensors", NAME, "metrics.jsonl"])
def test_no_file_of_another_is_replaced(tmp_path: Path, name: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("mine")
    with pytest.raises(UsageError, match=f"holds a run already .{name}"):
        train(setup(tmp_path))
    assert (tmp_path / "out" / name).read_text() == "mine"


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(setup(tmp_path), callbacks=Stop(3))
    path = tmp_path / "out" / NAME
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(TrainingError, match="is not a checkpoint that can be read"):
        train(setup(tmp_path, resume=True))


def test_a_full_disk_keeps_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = setup(tmp_path)
    real = result_file.os.fsync
    times = iter(range(100))

    def full(descriptor: int) -> None:
        if next(times) == 6:  # config, journal, first checkpoint, each with its folder
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(result_file.os, "fsync", full)
    with pytest.raises(TvsegError, match="cannot be written: No space left on device"):
        train(run)
    monkeypatch.setattr(result_file.os, "fsync", real)
    train(setup(tmp_path, resume=True))
    train(setup(tmp_path, "whole"))
    assert losses(run.output) == losses(tmp_path / "whole")


def test_an_output_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TvsegError, match="cannot be written"):
        train(setup(tmp_path, "file/out"))


class Vague(Broken):
    """An objective with a statistic that is not a number."""

    def forward(self, backbone: Any, batch: ClipBatch) -> StepLoss:
        return replace(super().forward(backbone, batch), stats={"share": torch.tensor(math.nan)})

    def after_step(self, backbone: Any, step: int, n_steps: int) -> None:
        pass


def test_a_statistic_that_is_no_number_does_not_stop_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = type("Entry", (), {"build": staticmethod(lambda config, dim: Vague())})
    monkeypatch.setattr(loop, "objective_entry", lambda name: entry)
    run = setup(tmp_path)
    train(run)
    assert [row["share"] for row in rows(run.output) if "step" in row] == [None] * 6


def test_damaged_clips_are_counted_once_over_an_interruption(tmp_path: Path) -> None:
    run = setup(tmp_path)
    good = run.clips[0]
    damaged = replace(run.clips[1], name="torn", image=_torn)
    clips = [good, damaged, run.clips[2]]
    with pytest.raises(KeyboardInterrupt):
        train(replace(run, clips=clips), callbacks=Stop(5))
    callbacks = Skips()
    outcome = train(replace(run, clips=clips, resume=True), callbacks=callbacks)
    assert dict(outcome.skipped) == {"torn": "the file is torn"}
    assert callbacks.names == []  # it was reported before
    reported = [row for row in rows(run.output) if "clip" in row]
    assert [(row["clip"], row["reason"]) for row in reported] == [("torn", "the file is torn")]
    assert list(rows(run.output))[-1] == {"finished": 6, "skipped": 1}


class Skips(TrainCallbacks):
    def __init__(self) -> None:
        self.names: list[str] = []

    def on_skip(self, name: str, reason: str) -> None:
        self.names.append(name)


def _torn(t: int) -> Any:
    raise DataError("the file is torn")


def test_a_run_killed_before_it_could_validate_does_so_when_it_goes_on(tmp_path: Path) -> None:
    def never(folder: Path) -> dict[str, float]:
        raise KeyboardInterrupt

    more = {"recipe.validate_every": 1}
    with pytest.raises(KeyboardInterrupt):
        train(setup(tmp_path, validate=never, overrides=more))
    train(setup(tmp_path, validate=lambda folder: {"s": 0.5}, overrides=more, resume=True))
    assert [row["validated"] for row in rows(tmp_path / "out") if "validated" in row] == [2, 4, 6]


def test_a_batch_that_processes_cannot_share_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be shared by 3 processes"):
        train(setup(tmp_path), Processes(0, 3))


class Apart(Processes):
    """The first of two processes; the other one sees another folder."""

    def gathered(self, own: Any) -> list[Any]:
        return [own, (4, False)]


def test_a_folder_that_is_not_shared_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(loop.time, "sleep", waits.append)
    sentence = r"is not one folder for all processes: .* steps none, 4; choose a folder that all"
    with pytest.raises(TrainingError, match=sentence):
        train(setup(tmp_path), Apart(0, 2))
    assert waits  # shared storage may show it late
    assert not (tmp_path / "out").exists()


def test_weights_that_a_validation_chose_have_a_checkpoint(tmp_path: Path) -> None:
    def validate(folder: Path) -> dict[str, float]:
        return {"score": 0.5}

    more = {
        "recipe.selection": "published",
        "recipe.validate_every": 1,
        "recipe.checkpoint_every": 50,
    }
    with pytest.raises(KeyboardInterrupt):
        train(setup(tmp_path, validate=validate, overrides=more), callbacks=Stop(4))
    train(setup(tmp_path, validate=validate, overrides=more, resume=True))
    train(setup(tmp_path, "whole", validate=validate, overrides=more))
    assert losses(tmp_path / "out") == losses(tmp_path / "whole")


def test_a_size_that_the_model_cannot_see_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"recipe.size=30 is not a multiple of 8.*choose 24"):
        train(setup(tmp_path, overrides={"recipe.size": 30}))


def test_published_selection_keeps_the_weights_of_the_best_validation(tmp_path: Path) -> None:
    scores = iter([0.2, 0.9, 0.1])
    seen = []

    def validate(folder: Path) -> dict[str, float]:
        seen.append((folder / "model.safetensors").read_bytes())
        return {"score": next(scores)}

    more = {"recipe.selection": "published", "recipe.validate_every": 1}
    run = setup(tmp_path, validate=validate, overrides=more)
    train(run)
    assert len(seen) == 3
    assert (run.output / "model.safetensors").read_bytes() == seen[1]
    trained = json.loads((run.output / "card.json").read_text())["training"]
    assert trained["steps"] == 4
    assert [row for row in rows(run.output) if "validated" in row][1]["score"] == 0.9
