"""What holds for every registered model, whichever family it is of."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import tvseg_bench.models
from tvseg_bench.benchmark.registry import ModelEntry, Registry, models
from tvseg_bench.benchmark.types import ModelCard
from tvseg_bench.models.networks.pos_embed import FAMILIES as POS_FAMILIES

FOLDER = Path(tvseg_bench.models.__file__).parent
LISTED = {
    *("dino", "dinov2", "dinov3", "ibot", "mae", "mocov3", "leopart", "stego", "timet"),
    *("mosic", "neco", "cribo", "croc", "franca", "vjepa2", "swav"),
}
"""Families that are promised by name; more may come."""
CARDS = [
    entry.card
    for name in tvseg_bench.models.models
    if (entry := models.loaded(name)) is not None and entry.card is not None
    if entry.needs_weights
]


def test_every_family_is_there() -> None:
    assert {card.name.partition("/")[0] for card in CARDS} >= LISTED
    assert {"timm", "hub"} <= set(models.schemes)


def test_a_file_is_a_family() -> None:
    """Adding a family is adding a file: it is found without being named anywhere."""
    files = {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}
    assert files == set(tvseg_bench.models.FAMILIES)
    for name in tvseg_bench.models.FAMILIES:
        registry = Registry[ModelEntry]("model")
        import_module(f"tvseg_bench.models.{name}").register(registry)
        assert list(registry) or registry.schemes


def test_each_family_alone_needs_neither_torch_nor_numpy() -> None:
    code = (
        "import sys, importlib\n"
        "for name in sys.argv[1:]: importlib.import_module('tvseg_bench.models.' + name)\n"
        "print([m for m in ('torch', 'timm', 'numpy', 'huggingface_hub') if m in sys.modules])"
    )
    run = [sys.executable, "-c", code, *tvseg_bench.models.FAMILIES]
    assert subprocess.check_output(run, text=True).strip() == "[]"


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_cards_are_complete(card: ModelCard) -> None:
    assert card.params_m
    assert card.paper
    assert re.fullmatch(r"https://arxiv\.org/abs/\d{4}\.\d{5}", card.paper)
    assert card.code
    assert card.pretraining_data
    assert card.notes.startswith("Dense features: ")
    assert card.weights_url is None or card.weights_url.startswith("https://")
    assert card.weights_sha256 is None or re.fullmatch("[0-9a-f]{64}", card.weights_sha256)
    assert card.pos_interp in (*POS_FAMILIES, "rope", None)
    if card.num_prefix_tokens:
        assert card.pos_interp, "a ViT interpolates its positions somehow"
    assert set(card.trained_on_eval_data) <= set(card.pretraining_data)
    if card.weights_url is None:
        assert card.code, "where to look for the file"


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_models_that_saw_youtube_vos_state_it(card: ModelCard) -> None:
    family, _, arch = card.name.partition("/")
    saw = family in ("timet", "mosic") or "timet" in arch
    assert card.trained_on_eval_data == (("youtube-vos-2019",) if saw else ())
    assert ("youtube-vos-2019" in card.pretraining_data) == saw


def test_addresses_are_their_own() -> None:
    urls = [card.weights_url for card in CARDS if card.weights_url]
    assert len(urls) == len(set(urls))
