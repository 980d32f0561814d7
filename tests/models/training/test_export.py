"""Folders that training left behind, and folders that it did not."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from training_runs import DATA, plugin, setup

from tvseg_bench.benchmark.errors import ModelError
from tvseg_bench.benchmark.plugins.load import load_model
from tvseg_bench.models.trained import read_trained
from tvseg_bench.models.training.data.sources import open_clips
from tvseg_bench.models.training.loop import train


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    train(setup(folder, overrides={"recipe.steps": 1}))
    return folder


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    """Return a copy of the run, trained from a plugin file beside it."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    change(tmp_path / "out", reference=f"file:{tmp_path / 'tiny_plugin.py'}:build")
    return tmp_path / "out"


def change(folder: Path, **base: str) -> None:
    card = json.loads((folder / "card.json").read_text())
    card["base"].update(base)
    (folder / "card.json").write_text(json.dumps(card))


def refused(folder: Path) -> str:
    with pytest.raises(ModelError) as error:
        load_model(f"file:{folder}")
    return str(error.value)


def test_the_card_says_what_was_trained_on_what(folder: Path) -> None:
    card = load_model(f"file:{folder}").card
    assert card.name == "trained/timet-tiny-vit"
    assert card.pretraining_data == card.trained_on_eval_data == ("moving-shapes",)
    assert "tuned by timet:standard for 1 steps, without labels" in card.notes


def test_a_run_may_begin_where_another_ended(folder: Path, tmp_path: Path) -> None:
    other = "moving-shapes?clips=2&frames=3&height=32&width=32"
    clips, manifests = open_clips([other], None)
    run = setup(tmp_path, "second", overrides={"recipe.steps": 1})
    train(replace(run, model=f"file:{folder}", clips=clips, manifests=manifests))
    shutil.rmtree(folder)
    assert load_model(f"file:{run.output}").card.name == "trained/timet-tiny-vit"
    assert read_trained(run.output).training.data == (DATA, other)


def test_a_folder_without_a_card(tmp_path: Path) -> None:
    assert "holds no card.json: expected a folder that 'tvseg-bench train'" in refused(tmp_path)


def test_a_folder_without_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    assert "holds card.json but no model.safetensors" in refused(folder)


def test_a_card_of_something_else(folder: Path) -> None:
    (folder / "card.json").write_text('{"schema": "other"}')
    assert "is not what 'train' writes" in refused(folder)


def test_a_plugin_that_has_changed_is_not_run(folder: Path) -> None:
    path = folder.parent / "tiny_plugin.py"
    path.write_text("raise SystemExit('this ran')\n")
    assert "which has changed since; bring back the file of sha256:" in refused(folder)


def test_a_plugin_that_is_gone(folder: Path) -> None:
    (folder.parent / "tiny_plugin.py").unlink()
    assert "which is not there; put it back" in refused(folder)


def test_code_that_comes_with_the_folder_is_not_run(folder: Path) -> None:
    change(folder, reference=f"file:{plugin(folder)}:build")
    assert "brings code of its own (tiny_plugin.py), which is not run" in refused(folder)
