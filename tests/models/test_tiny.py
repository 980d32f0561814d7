"""The models whose weights come with the package."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

import tvseg_bench
from tvseg_bench.benchmark.data.moving_shapes.generator import SPLITS
from tvseg_bench.benchmark.errors import ModelError
from tvseg_bench.benchmark.execution.selection import Selection
from tvseg_bench.benchmark.plugins.resolve import file_sha256
from tvseg_bench.models import tiny
from tvseg_bench.models.training.data.sources import open_clips
from tvseg_bench.models.training.recipes import make_plan

TRAINED = (tiny.IMAGES, tiny.CLIPS)


@pytest.mark.parametrize("card", TRAINED, ids=lambda card: card.name)
def test_the_file_is_what_the_card_says(card: Any) -> None:
    digest = file_sha256(tiny.file_of(card))
    assert card.weights_sha256 == digest
    assert card.revision == f"sha256:{digest}"


@pytest.mark.parametrize("card", TRAINED, ids=lambda card: card.name)
def test_the_card_declares_what_was_seen(card: Any) -> None:
    assert card.trained_on_eval_data == card.pretraining_data == ("moving-shapes",)
    assert not card.trained_on_labels
    assert "held-out" in card.notes
    assert card.licence == "Apache-2.0"


def test_the_files_are_small() -> None:
    assert sum(f.stat().st_size for f in tiny.FILES.iterdir()) < 8e6


@pytest.mark.parametrize("card", [*TRAINED, tiny.RANDOM], ids=lambda card: card.name)
def test_it_is_loaded_by_name_and_sees_images_that_are_not_square(card: Any) -> None:
    loaded = tvseg_bench.load_model(card.name)
    assert loaded.card == card
    found = loaded.model.extract(torch.rand(2, 3, 48, 80))
    assert found.grid == (3, 5)
    assert found.tokens.shape == (2, 15, card.embed_dim)
    assert found.tokens.isfinite().all()
    n_params = sum(p.numel() for p in loaded.model.net.parameters())
    assert round(n_params / 1e6, 1) == card.params_m


def test_the_three_differ() -> None:
    image = torch.rand(1, 3, 32, 32)
    cards = (*TRAINED, tiny.RANDOM)
    seen = [tvseg_bench.load_model(c.name).model.extract(image).tokens for c in cards]
    assert not any(torch.allclose(a, b) for a, b in pairwise(seen))


def test_weights_of_ones_own(tmp_path: Path) -> None:
    state = load_file(tiny.file_of(tiny.IMAGES))
    path = tmp_path / "mine.safetensors"
    save_file(state, path)
    loaded = tvseg_bench.load_model("timet/tiny", weights=path)
    assert loaded.card.revision == f"sha256:{file_sha256(path)}"
    del state["norm.weight"]
    save_file(state, path)
    with pytest.raises(ModelError, match="1 missing"):
        tvseg_bench.load_model("timet/tiny", weights=path)


def test_the_default_shows_it_beside_its_start_and_the_baselines() -> None:
    chosen = Selection()
    assert chosen.model[:2] == ("timet/tiny", "selfdistil/tiny")
    assert {"baseline/random", "baseline/pixels"} < set(chosen.model)
    assert chosen.dataset == ("moving-shapes",)


@pytest.mark.parametrize("stage", ["images", "clips"])
def test_the_recipe_is_one_and_its_seeds_are_nobodys(stage: str) -> None:
    config = yaml.safe_load((tiny.FILES / f"{stage}.yaml").read_text(encoding="utf-8"))
    method = {"images": "selfdistil", "clips": "timet"}[stage]
    values = {
        f"{owner}.{key}": value
        for owner in ("recipe", "objective")
        for key, value in config[owner].items()
    }
    plan = make_plan(method, values)
    assert plan.recipe.selection == "last"
    clips, _ = open_clips(config["data"], None)
    seeds = {seed for seeds, _ in SPLITS.values() for seed in seeds}
    assert len(clips) >= plan.recipe.batch
    assert not {clip.name for clip in clips} & {f"shapes-{seed:05d}" for seed in seeds}


def test_metrics_are_those_of_the_recipes() -> None:
    for stage in ("images", "clips"):
        config = yaml.safe_load((tiny.FILES / f"{stage}.yaml").read_text(encoding="utf-8"))
        rows = (tiny.FILES / f"{stage}-metrics.jsonl").read_text(encoding="utf-8").splitlines()
        assert json.loads(rows[-1]) == {"finished": config["recipe"]["steps"], "skipped": 0}
        losses = [json.loads(row)["loss"] for row in rows[:-1]]
        assert losses[-1] < losses[0]
