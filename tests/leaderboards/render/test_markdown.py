import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tvseg_bench.benchmark.results.result import Result
from tvseg_bench.leaderboards.board import build
from tvseg_bench.leaderboards.render.markdown import code, escape

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
    _, tables = made.split("# Tables")
    row = next(line for line in tables.splitlines() if "dino/vits16" in line)
    cells = [c.strip() for c in row.strip("|").split("|")]
    assert cells[:2] == ["1–2", "`dino/vits16` @ab12"]
    assert cells[2].startswith("50.0 [")
    assert cells[3].startswith("25.0 [")
    assert cells[4:] == ["10.0", "90.0", "21.7", "48.5", "1"]
    assert "No result of `baseline/pixels` in this table." in made
    assert "† fewer" not in made


def test_the_summary_sets_models_against_protocols(cell: Make, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    good, bad = rng.uniform(0.7, 0.8, 20), rng.uniform(0.1, 0.2, 20)
    cell(list(good), model="m/good")
    cell(list(bad), model="m/bad", card={"trained_on_eval_data": ("davis-2017",)})
    cell(list(good), model="m/good", protocol="linear")
    cell([0.5], dataset="camvid", model="m/one")
    summary, _ = text(tmp_path).split("# Tables")
    lines = [line for line in summary.splitlines() if line.startswith(("|", "#", "version"))]
    assert lines[1:6] == [
        "## `davis-2017:val`",
        "version 1 · 20 clips · 1 of 4 cells not run",
        "| model | `kmeans-clip` | `linear` |",
        "| --- | ---: | ---: |",
        f"| `m/good` | **{100 * good.mean():.1f}** | {100 * good.mean():.1f} |",
    ]
    assert f"| `m/bad` ‡ | {100 * bad.mean():.1f} |  |" in lines
    assert "version 1 · 1 clip" in lines
    assert "| `m/one` | 50.0 |" in lines  # nothing is told apart from it: not bold


def test_the_summary_names_the_first_models_only(cell: Make, tmp_path: Path) -> None:
    for i in range(33):
        cell([i / 40, 0.5], model=f"m/x{i:02}")
    summary, tables = text(tmp_path).split("# Tables")
    assert summary.count("| `m/x") == 30
    assert tables.count("| `m/x") == 33
    assert "and 3 more models" in summary


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
    assert {line.count("|") for line in table} == {3, 10}
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
