import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tvseg_bench.benchmark.result import Result
from tvseg_bench.leaderboards.board import build
from tvseg_bench.leaderboards.markdown import code, escape

Make = Callable[..., Result]


def text(tmp_path: Path) -> str:
    build([tmp_path / "run"], tmp_path / "out", ["md"])
    return (tmp_path / "out/leaderboard.md").read_text(encoding="utf-8")


def test_percent_interval_references_and_speed(cell: Make, tmp_path: Path) -> None:
    cell([0.25, 0.75] * 6)
    cell([0.25, 0.75] * 6, model="baseline/random")
    made = text(tmp_path)
    assert "## `kmeans-clip` v1 on `davis-2017:val` v1" in made
    assert "12 clips · input 224 short-side" in made
    row = next(line for line in made.splitlines() if "dino/vits16" in line)
    cells = [c.strip() for c in row.strip("|").split("|")]
    assert cells[:2] == ["1–2", "`dino/vits16` @ab12"]
    assert cells[2].startswith("50.0 [")
    assert cells[3].startswith("25.0 [")
    assert cells[4:] == ["10.0", "90.0", "21.7", "48.5", "1"]
    assert "No result of `baseline/pixels` in this table." in made
    assert "† fewer" not in made


def test_footnotes(cell: Make, unscored: Make, tmp_path: Path) -> None:
    cell([0.2, 0.3, 0.4], card={"trained_on_eval_data": ("davis-2017",)})
    cell([0.3, 0.3, 0.6], model="m/b", seed=0)
    cell([0.3, 0.4, 0.6], model="m/b", seed=1)
    unscored("failed", "out of memory", seed=7)
    made = text(tmp_path)
    assert "† fewer than ten clips" in made
    assert "‡ trained on this data set, as its card declares" in made
    assert "`dino/vits16` @ab12 ‡" in made
    assert "± " in made
    assert "Smallest difference in `miou` that these clips show with 80 % power" in made
    assert "## Not on the board" in made
    assert "seed 7: failed: out of memory" in made


def test_tables_of_one_protocol_say_what_sets_them_apart(cell: Make, tmp_path: Path) -> None:
    cell(params={"k": "gt", "size": 224})
    cell(params={"k": 21, "size": 224})
    made = text(tmp_path)
    assert 'k="gt"' in made
    assert "k=21" in made
    assert "size=" not in made


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "a|b", "x`<img src=x>`", "[a](javascript:x)", "a\\|b"]
)
def test_names_carry_no_markup(cell: Make, unscored: Make, tmp_path: Path, name: str) -> None:
    cell(model=name)
    unscored("failed", name, model=name, seed=1)
    lines = text(tmp_path).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert {line.count("|") for line in table} == {10}
    listed = [line for line in lines if line.startswith("- ")]
    assert "<" not in "".join(listed)
    assert not re.search(r"(?<!\\)\]\(", "".join(listed))


@given(st.text())
def test_escaped_text_is_one_line_without_tags(anything: str) -> None:
    for made in (escape(anything), escape(f"x{anything}")):
        assert "\n" not in made
        assert "<" not in made
        assert ">" not in made


@given(st.text(st.characters(exclude_categories=("C", "Z"))))
def test_code_stays_one_cell(anything: str) -> None:
    made = code(anything)
    assert "|" not in made
    assert made.count("`") == (2 if made.startswith("`") else 0)
