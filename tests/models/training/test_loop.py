import errno
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from training_runs import OVERRIDES, setup

from tvseg_bench.benchmark import result_file
from tvseg_bench.benchmark.errors import TvsegError, UsageError
from tvseg_bench.benchmark.loading import load_model
from tvseg_bench.models.training import loop
from tvseg_bench.models.training.checkpoints import NAME, TrainingError
from tvseg_bench.models.training.contract import ClipBatch, StepLoss
from tvseg_bench.models.training.journal import rows
from tvseg_bench.models.training.loop import TrainListener, train


def losses(folder: Path) -> list[float]:
    return [row["loss"] for row in rows(folder) if "step" in row]


class Stop(TrainListener):
    """Ends the run after some steps, as Ctrl-C does."""

    def __init__(self, after: int) -> None:
        self.after = after

    def stepped(self, step: int, row: Any) -> None:
        if step + 1 == self.after:
            raise KeyboardInterrupt


def test_the_same_seed_gives_the_same_losses_and_another_gives_others(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(setup(tmp_path, name, seed=seed))
    a, b, c = (losses(tmp_path / name) for name in "abc")
    assert a == b
    assert a != c
    assert len(a) == 6


def test_the_number_of_workers_changes_nothing(tmp_path: Path) -> None:
    train(setup(tmp_path, "one", workers=1))
    train(setup(tmp_path, "four", workers=4))
    assert losses(tmp_path / "one") == losses(tmp_path / "four")


@pytest.mark.parametrize("after", [1, 3, 4, 5])
def test_a_run_that_goes_on_has_the_losses_of_one_that_was_not_stopped(
    tmp_path: Path, after: int
) -> None:
    train(setup(tmp_path, "whole"))
    with pytest.raises(KeyboardInterrupt):
        train(setup(tmp_path, "cut"), listener=Stop(after))
    train(setup(tmp_path, "cut", resume=True))
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")
    first, second = (tmp_path / n / "model.safetensors" for n in ("whole", "cut"))
    assert first.read_bytes() == second.read_bytes()


def test_a_teacher_and_a_queue_survive_an_interruption(tmp_path: Path) -> None:
    more = {"objective.teacher": "ema", "objective.queue": 40, "objective.queue_per_clip": 5}
    train(setup(tmp_path, "whole", overrides=more))
    with pytest.raises(KeyboardInterrupt):
        train(setup(tmp_path, "cut", overrides=more), listener=Stop(5))
    train(setup(tmp_path, "cut", overrides=more, resume=True))
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")


def test_a_torn_line_of_the_journal_is_written_again(tmp_path: Path) -> None:
    train(setup(tmp_path, "whole"))
    with pytest.raises(KeyboardInterrupt):
        train(setup(tmp_path, "cut"), listener=Stop(3))
    with (tmp_path / "cut" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 3, "lo')
    train(setup(tmp_path, "cut", resume=True))
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")


def test_what_comes_out_is_a_model(tmp_path: Path) -> None:
    run = setup(tmp_path)
    train(run)
    loaded = load_model(f"file:{run.output}")
    before = load_model(run.model)
    assert loaded.card.name == "trained/timet-tiny-vit"
    assert loaded.card.revision.startswith("sha256:")
    assert loaded.card.trained_on_eval_data == ("moving-shapes",)
    images = torch.rand(1, 3, 32, 48)
    tuned, plain = (m.model.extract(images).tokens for m in (loaded, before))
    assert tuned.shape == plain.shape
    assert not torch.allclose(tuned, plain)
    assert callable(getattr(loaded.model, "segment", None))  # TimeT brings its prototypes


def test_only_what_is_tuned_moves(tmp_path: Path) -> None:
    run = setup(tmp_path, overrides={"recipe.tune": "blocks.2"})
    train(run)
    trained = load_model(f"file:{run.output}").model.net.state_dict()
    before = load_model(run.model).model.net.state_dict()
    moved = {name for name in before if not torch.equal(before[name], trained[name])}
    assert moved
    assert all(name.startswith("blocks.2.") for name in moved)


def test_adapters_are_merged_into_the_weights(tmp_path: Path) -> None:
    run = setup(tmp_path, overrides={"recipe.tune": "lora:2,last:1"})
    train(run)
    net = load_model(f"file:{run.output}").model.net
    assert not any("lora" in name for name in net.state_dict())


def test_the_loss_falls(tmp_path: Path) -> None:
    run = setup(tmp_path, overrides={"recipe.steps": 30, "recipe.augmentation": "none"})
    train(run)
    found = losses(run.output)
    assert sum(found[-5:]) < sum(found[:5])


def test_frozen_states_are_kept_where_frames_come_again(tmp_path: Path) -> None:
    same = {"recipe.augmentation": "none", "recipe.sampling": "equidistant"}
    train(setup(tmp_path, "kept", overrides=same))
    run = setup(tmp_path, "anew", overrides=same)
    plain = loop._seen
    try:
        loop._seen = lambda run, batch: run.backbone
        train(run)
    finally:
        loop._seen = plain
    kept, anew = (losses(tmp_path / name) for name in ("kept", "anew"))
    assert kept == pytest.approx(anew, rel=1e-5)


@pytest.mark.parametrize("method", ["contrast", "mosic"])
def test_other_objectives_go_through_the_same_loop(tmp_path: Path, method: str) -> None:
    from tvseg_bench.models.training.objectives import objective_entry

    known = objective_entry(method).config.model_fields
    run = setup(tmp_path, overrides={"recipe.steps": 2})
    overrides = {
        key: value
        for key, value in OVERRIDES.items()
        if not key.startswith("objective.") or key.partition(".")[2] in known
    }
    plan = loop_plan(method, {**overrides, "recipe.steps": 2})
    train(replace(run, plan=plan))
    assert all(math.isfinite(loss) for loss in losses(run.output))


def loop_plan(method: str, overrides: dict[str, Any]) -> Any:
    from tvseg_bench.models.training.recipes import make_plan

    return make_plan(method, overrides)


# ------------------------------------------------------------------------------ what goes wrong


class Broken(torch.nn.Module):
    """An objective whose loss is not a number from step 3 on."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(16))
        self.steps = 0

    def forward(self, backbone: Any, batch: ClipBatch) -> StepLoss:
        value = (backbone(batch.images[:, 0]) * self.weight).mean()
        return StepLoss(value=value * (math.nan if self.steps == 3 else 1.0))

    def parameters_to_tune(self) -> Any:
        return self.named_parameters()

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
        train(setup(tmp_path), listener=Stop(3))
    with pytest.raises(TrainingError, match="belongs to a run with other settings"):
        train(setup(tmp_path, resume=True, overrides={"recipe.head_rate": 1e-2}))


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(setup(tmp_path), listener=Stop(3))
    path = tmp_path / "out" / NAME
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(TrainingError, match="is no checkpoint that could be read"):
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


def test_a_batch_that_processes_cannot_share_is_refused(tmp_path: Path) -> None:
    from tvseg_bench.models.training.processes import Processes

    with pytest.raises(UsageError, match="cannot be shared by 3 processes"):
        train(setup(tmp_path), Processes(0, 3))


def test_a_size_that_the_model_cannot_see_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"recipe.size=30 is no multiple of 8.*choose 24"):
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
