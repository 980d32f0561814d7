"""docs/guide/train.md: its first block is run, its table is what the recipes hold."""

import re
import shlex
from pathlib import Path

import pytest

from tvseg_bench.__main__ import main
from tvseg_bench.models.training.recipes import RECIPES

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "guide" / "train.md"

pytestmark = pytest.mark.skipif(not DOCUMENT.is_file(), reason="needs the checkout")


def test_the_first_commands_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    block = re.findall(r"```\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), flags=re.DOTALL)[0]
    lines = block.replace("\\\n", " ").splitlines()
    assert len(lines) == 3
    told = []
    for line in lines:
        assert main(shlex.split(line)[1:]) == 0
        told.append(capsys.readouterr().out)
    assert "runs/first: finished, 2 steps" in told[0]
    assert "trained/timet-selfdistil-tiny" in told[1]
    assert "runs/first: was finished before, 2 steps" in told[2]


def test_the_table_is_what_the_recipes_hold() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \|$", text, flags=re.MULTILINE)
    columns = [*RECIPES["timet"].values(), RECIPES["mosic"]["mosic"]]
    checked = 0
    for name, cells in rows:
        if hasattr(columns[0], name):
            assert cells.split(" | ") == [str(getattr(recipe, name)) for recipe in columns], name
            checked += 1
    assert checked >= 12
