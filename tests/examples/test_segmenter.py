"""The example of a segmenter: it names colours, and keeps the contract."""

from pathlib import Path

import pytest
import torch

import tvseg_bench
from tvseg_bench.benchmark.contract.run_checks import check_model
from tvseg_bench.benchmark.plugins.load import load_model
from tvseg_bench.benchmark.plugins.resolve import import_file
from tvseg_bench.benchmark.types import Segmenter

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "segmenter"
FILE = FOLDER / "palette_plugin.py"

pytestmark = pytest.mark.skipif(not FILE.is_file(), reason="the examples are not here")


def test_each_prototype_has_its_own_name() -> None:
    module, _ = import_file(FILE)
    model = load_model(f"file:{FILE}").model
    assert isinstance(model, Segmenter)
    colours = torch.tensor(list(module.TERMS.values())).T.reshape(1, 3, 1, -1) / 255
    wide = colours.repeat_interleave(9, 3).repeat(1, 1, 9, 1)
    assert model.segment(wide)[0, 4, 4::9].tolist() == list(range(len(module.TERMS)))


def test_lab_of_known_colours() -> None:
    module, _ = import_file(FILE)
    rgb = torch.tensor([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0], [0.5, 0.5, 0.5]]).T
    found = module.to_lab(rgb.reshape(1, 3, 1, 4))[0, :, 0].T
    known = [[53.24, 80.09, 67.20], [87.73, -86.18, 83.18], [32.30, 79.19, -107.86], [53.39, 0, 0]]
    torch.testing.assert_close(found, torch.tensor(known), atol=0.03, rtol=0)


def test_it_passes_the_contract_test() -> None:
    tvseg_bench.register_builtins()
    report = check_model(f"file:{FILE}:build", device="cpu", leave_out=("speed",))
    assert report.passed, report.to_markdown()
    assert report.kind == "segmenter"
    assert {o.check for o in report.outcomes if o.status == "warning"} == set()


def test_the_entry_point_has_the_cards_name() -> None:
    text = (FOLDER / "pyproject.toml").read_text(encoding="utf-8")
    module, _ = import_file(FILE)
    assert f'"{module.CARD.name}" = "palette_plugin:build"' in text
