import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from training_runs import OVERRIDES, Stop, losses, setup

from tvseg_bench.benchmark.plugins.load import load_model
from tvseg_bench.models.training import loop
from tvseg_bench.models.training.loop import train


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
        train(setup(tmp_path, "cut"), callbacks=Stop(after))
    train(setup(tmp_path, "cut", resume=True))
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")
    first, second = (tmp_path / n / "model.safetensors" for n in ("whole", "cut"))
    assert first.read_bytes() == second.read_bytes()


def test_a_teacher_and_a_queue_survive_an_interruption(tmp_path: Path) -> None:
    more = {"objective.teacher": "ema", "objective.queue": 40, "objective.queue_per_clip": 5}
    train(setup(tmp_path, "whole", overrides=more))
    with pytest.raises(KeyboardInterrupt):
        train(setup(tmp_path, "cut", overrides=more), callbacks=Stop(5))
    train(setup(tmp_path, "cut", overrides=more, resume=True))
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")


def test_a_torn_line_of_the_journal_is_written_again(tmp_path: Path) -> None:
    train(setup(tmp_path, "whole"))
    with pytest.raises(KeyboardInterrupt):
        train(setup(tmp_path, "cut"), callbacks=Stop(3))
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
    run = setup(tmp_path, "again", overrides=same)
    plain = loop._backbone
    try:
        loop._backbone = lambda run, batch: run.backbone
        train(run)
    finally:
        loop._backbone = plain
    kept, again = (losses(tmp_path / name) for name in ("kept", "again"))
    assert kept == pytest.approx(again, rel=1e-5)


@pytest.mark.parametrize("method", ["contrast", "mosic"])
def test_other_objectives_go_through_the_same_loop(tmp_path: Path, method: str) -> None:
    from tvseg_bench.models.training.objectives.catalogue import objective_entry

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


def test_half_precision_and_event_files(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    more = {"recipe.precision": "bf16", "recipe.steps": 2, "recipe.clip_gradient": 0.1}
    run = setup(tmp_path, overrides=more, tensorboard=True)
    train(run)
    assert all(math.isfinite(loss) for loss in losses(run.output))
    assert list((run.output / "events").iterdir())
