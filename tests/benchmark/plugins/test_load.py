"""A model is built, checked and frozen, and its card is complete."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tvseg_bench.benchmark.errors import ModelError, UsageError
from tvseg_bench.benchmark.plugins.load import load_model, to_device
from tvseg_bench.benchmark.registry import ModelEntry, models
from tvseg_bench.benchmark.types import FeatureModel, ModelCard

CARD = "ModelCard(name='test/net', patch_size=16, embed_dim=8, {})"
PLUGIN = """
import torch
from tvseg_bench.benchmark.types import ModelCard, PatchFeatures

class Net({base}):
    def __init__(self{parameters}):
        super().__init__()
        self.card = {card}
        self.layer = torch.nn.Linear(2, 2)
        {body}
    def extract(self, images):
        return PatchFeatures(torch.zeros(1, 4, 8), (2, 2))

build = Net
"""
Write = Callable[..., str]


@pytest.fixture
def plugin(tmp_path: Path) -> Write:
    """Return a writer of plugin files that gives their reference."""

    def make(text: str = PLUGIN, **parts: str) -> str:
        known = {"base": "torch.nn.Module", "parameters": "", "body": "", "card": "revision='r1'"}
        known |= parts
        known["card"] = CARD.format(known["card"])
        path = tmp_path / "net.py"
        path.write_text(text.format(**known) if text is PLUGIN else text)
        return f"file:{path}:build"

    return make


def test_a_file_plugin_is_identified_by_its_code(plugin: Write) -> None:
    loaded = load_model(plugin())
    digest = str(loaded.origin["file_sha256"])
    assert loaded.card.revision == f"r1+code:{digest[:16]}"
    assert loaded.model.card == loaded.card
    assert isinstance(loaded.model, FeatureModel)
    assert load_model(plugin(body="pass")).card.revision != loaded.card.revision
    assert load_model(plugin(card="")).card.revision.startswith("code:")


def test_frozen(plugin: Write) -> None:
    for base in ("torch.nn.Module", "object"):
        layer = load_model(plugin(base=base)).model.layer  # type: ignore[union-attr]
        assert not layer.training
        assert not any(parameter.requires_grad for parameter in layer.parameters())


def test_registered_cards_need_a_revision() -> None:
    class Net:
        card = ModelCard(name="test/net", patch_size=16, embed_dim=8)

        def extract(self, images: torch.Tensor) -> Any: ...

    entry = ModelEntry(card=None, build=Net)
    with models.overridden({"test/net": entry, "test/other": entry}):
        with pytest.raises(ModelError, match=r"has no revision; set ModelCard\(revision='sha256"):
            load_model("test/net")
        with pytest.raises(ModelError, match=r"'test/other' has the name 'test/net' on its card"):
            load_model("test/other")


CLASS = "class build:\n    {}\n"
NOT_MODELS = {
    "def build(): return None": r"built as NoneType, without a ModelCard in its attribute `card`",
    "def build(): return dict": r"built as the class dict, without a ModelCard",
    CLASS.format("card = 'no card'"): r"built as build, without a ModelCard",
}


@pytest.mark.parametrize("text", NOT_MODELS)
def test_what_is_no_model(text: str, plugin: Write) -> None:
    with pytest.raises(ModelError, match=NOT_MODELS[text]):
        load_model(plugin(text))


def test_without_extract(plugin: Write) -> None:
    reference = plugin(body="self.__class__ = type('Bare', (torch.nn.Module,), {})")
    with pytest.raises(ModelError, match=r"built as Bare, which has neither extract\(images\)"):
        load_model(reference)


def test_a_segmenter_is_a_model(plugin: Write) -> None:
    text = PLUGIN.replace("def extract", "def segment").format(
        base="object", parameters="", body="", card=CARD.format("")
    )
    assert load_model(plugin(text)).card.name == "test/net"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ("name='Test/Net'", r"has the name 'Test/Net', expected family/arch in lower case"),
        ("name='../../etc'", r"expected family/arch in lower case"),
        ("patch_size=0", r"has patch_size 0 and embed_dim 8, expected both > 0"),
        ("std=(0, 1, 1)", r"std \(0, 1, 1\), expected three each and std > 0"),
        ("mean=(1, 1)", r"has mean \(1, 1\) and std .*, expected three each"),
        ("patch_size=None", r"has a value of the wrong type \('<' not"),
    ],
)
def test_odd_cards(changes: str, sentence: str, plugin: Write) -> None:
    body = f"import dataclasses; self.card = dataclasses.replace(self.card, {changes})"
    with pytest.raises(ModelError, match=sentence):
        load_model(plugin(body=body))


def test_a_sealed_card_is_named(plugin: Write) -> None:
    text = PLUGIN.replace("self.card =", "self._card =").replace(
        "    def extract", "    @property\n    def card(self): return self._card\n    def extract"
    )
    reference = plugin(text.format(base="object", parameters="", body="", card=CARD.format("")))
    with pytest.raises(ModelError, match="make `card` a plain attribute"):
        load_model(reference)


def test_somebody_elses_model_fails_while_building(plugin: Write) -> None:
    sentence = r"could not be built at .*net\.py, line 10: ZeroDivisionError: division by zero"
    with pytest.raises(ModelError, match=sentence):
        load_model(plugin(body="1 / 0"))


# ----------------------------------------------------------------------------- weights


def test_weights_are_handed_on(plugin: Write, tmp_path: Path) -> None:
    reference = plugin(parameters=", weights=None", body="self.weights = weights")
    assert load_model(reference).model.weights is None  # type: ignore[union-attr]
    given = load_model(reference, weights=tmp_path).model
    assert given.weights == tmp_path  # type: ignore[union-attr]


def test_weights_that_nobody_wants(plugin: Write) -> None:
    with pytest.raises(UsageError, match=r"takes no weights file, but x\.pth was given; leave"):
        load_model(plugin(), weights=Path("x.pth"))


def test_weights_that_are_needed(plugin: Write) -> None:
    with pytest.raises(ModelError, match=r"needs a file; type --weights FILE"):
        load_model(plugin(parameters=", weights"))


def test_pins(plugin: Write) -> None:
    reference = plugin(card="revision='sha256:0123456789abcdef'")
    assert load_model(f"{reference}@sha256:01234567").card.revision.startswith("sha256:0123")
    with pytest.raises(ModelError, match=r"sha256:0123456789abcdef.*, expected sha256:99999999"):
        load_model(f"{reference}@sha256:99999999")
    with pytest.raises(ModelError, match=r"have the revision r1\+code"):
        load_model(f"{plugin()}@sha256:01234567")


# ------------------------------------------------------------------------------ device


def test_modules_are_moved(plugin: Write) -> None:
    for base in ("torch.nn.Module", "object"):
        model = load_model(plugin(base=base)).model
        assert to_device(model, "cpu", torch.bfloat16) is model
        assert model.layer.weight.dtype == torch.bfloat16  # type: ignore[union-attr]


def test_an_own_to_is_asked() -> None:
    class Own:
        def __init__(self, answer: object) -> None:
            self.answer = answer

        def to(self, device: str, dtype: torch.dtype) -> object:
            self.asked = (device, dtype)
            return self.answer

    silent, other = Own(None), Own("another")
    assert to_device(silent, "cpu", torch.float32) is silent
    assert silent.asked == ("cpu", torch.float32)
    assert to_device(other, "cpu", torch.float32) == "another"
