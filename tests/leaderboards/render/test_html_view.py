"""The page without a browser: what stands in it, and what can never stand in it."""

import json
import re
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Any

import pytest

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.results.result import Result
from tvseg_bench.benchmark.types import MetricCard
from tvseg_bench.leaderboards.board import build, make_board
from tvseg_bench.leaderboards.load import load
from tvseg_bench.leaderboards.render.html_view import page

Make = Callable[..., Result]
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


def made(tmp_path: Path) -> str:
    return page(make_board(load([tmp_path / "run"])))


def chart_data(text: str) -> Any:
    found = re.search(r'<script type="application/json" id="chart-data">(.*?)</script>', text)
    assert found is not None
    return json.loads(found[1])


def test_a_name_a_card_and_a_note_carry_no_script(
    cell: Make, unscored: Make, tmp_path: Path
) -> None:
    card = {"licence": HOSTILE, "pretraining_data": (HOSTILE,), "notes": HOSTILE}
    cell(model=f"m/{HOSTILE}", card=card, revision=f"r{HOSTILE}")
    cell(dataset=f"d{HOSTILE}", protocol=f"p{HOSTILE}", preset="x</script>")
    unscored("failed", HOSTILE, model="m/failed")
    text = made(tmp_path)
    plain = "".join(re.split(r"<script(?: [^>]*)?>.*?</script>", text, flags=re.S))
    assert "<script" not in plain
    assert "<img" not in text
    assert "onerror=alert(2)&gt;" in text  # it is shown, as text
    assert len(re.findall(r"<script[ >]", text)) == 3  # theme, data, board
    assert chart_data(text)["models"][-1]["licence"] in (HOSTILE, "unknown")


def test_missing_cells_are_seen(cell: Make, tmp_path: Path) -> None:
    cell()
    cell(model="m/other", protocol="linear")
    text = made(tmp_path)
    assert text.count('<td class="gap" data-v="">') == 2
    assert "2 of 4 cells not run" in text


def test_the_fullest_data_set_comes_first(cell: Make, tmp_path: Path) -> None:
    cell([0.5], dataset="a-small-one")
    cell(dataset="camvid")
    cell(dataset="camvid", protocol="linear")
    text = made(tmp_path)
    for where in ("<h3>{}:val", 'data-dataset="{}:val" data-protocol'):
        assert text.index(where.format("camvid")) < text.index(where.format("a-small-one"))


def test_trust_contamination_and_few_clips_are_marked(cell: Make, tmp_path: Path) -> None:
    cell([0.5, 0.6, 0.7], card={"trained_on_eval_data": ("davis-2017",)})
    text = made(tmp_path)
    assert '<span class="badge bad" title="its card says' in text
    assert '<span class="badge ">self-reported</span>' in text
    assert "† fewer than ten clips" in text


def test_methods_are_named(cell: Make, tmp_path: Path) -> None:
    cell()
    text = made(tmp_path)
    assert "with Holm&#39;s correction over all pairs of a table" in text
    assert "the jackknife&#39;s standard error on the logit scale" in text


def test_published_numbers_stand_beside_and_in_no_rank(cell: Make, tmp_path: Path) -> None:
    cell(model="timet/vits16")
    board = make_board(load([tmp_path / "run"]))
    text = page(board)
    assert 'id="published"' in text
    (row,) = board.tables[0].metrics["miou"].rows
    assert row.rank == 1


def test_no_address_outside_the_page(cell: Make, tmp_path: Path) -> None:
    cell()
    text = made(tmp_path)
    links = set(re.findall(r'(?:href|src)="([^"]*)"', text))
    anchors = {link for link in links if link.startswith("#")}
    assert links - anchors == {
        *("data:,", "leaderboard.csv", "leaderboard_wide.csv", "leaderboard.md"),
    }
    assert all(f'id="{a[1:]}"' in text for a in anchors)


def test_lower_is_better_is_said(cell: Make, tmp_path: Path) -> None:
    cell(metrics={"miou": MetricCard(title="", higher_is_better=False)})
    assert "Lower is better." in made(tmp_path)
    assert chart_data(made(tmp_path))["tables"][0]["higher"] is False


def test_pixels_are_no_percent(cell: Make, tmp_path: Path) -> None:
    card = MetricCard(title="", highest=inf, unit="pixels", higher_is_better=False)
    easy = [i / 20 for i in range(6, 18)]
    for name, far in (("near/a", 1.0), ("far/b", 100.0)):
        cell([far * v for v in easy], model=name, metrics={"miou": card, "miou_fg": card})
    page = made(tmp_path)
    assert "miou, px ↓" in page
    assert "57.50" in page
    assert "in pixels, best first" in page
    chart = chart_data(page)["tables"][0]
    assert (chart["unit"], chart["higher"]) == ("pixels", False)
    assert sorted(point[1] for point in chart["points"]) == [0.57, 57.5]
    build([tmp_path / "run"], tmp_path / "out", ["md", "csv"])
    text = (tmp_path / "out/leaderboard.md").read_text(encoding="utf-8")
    rows = [line for line in text.split("# Tables")[1].splitlines() if line.startswith("| ")]
    assert "`miou, px`" in rows[0]
    assert "near/a" in rows[2]
    assert "Lower `miou` is better." in text
    assert " pixels (median pair)" in text


def test_gflops_reach_page_and_csv(cell: Make, tmp_path: Path) -> None:
    result = cell()
    path = tmp_path / "run/results" / f"{result.cell_id}.json"
    timing = replace_timing(result, gflops=4.25)
    path.write_text(timing.to_json(), encoding="utf-8")
    report = build([tmp_path / "run"], tmp_path / "out")
    assert report.frame["gflops"].tolist() == [4.25, 4.25]
    point = chart_data((tmp_path / "out/leaderboard.html").read_text("utf-8"))["tables"][0]
    assert point["points"][0][5] == 4.25


def replace_timing(result: Result, **changes: Any) -> Result:
    return result.model_copy(update={"timing": result.timing.model_copy(update=changes)})


def test_a_page_of_somebody_else_is_kept(cell: Make, tmp_path: Path) -> None:
    cell()
    mine = tmp_path / "out/leaderboard.html"
    mine.parent.mkdir()
    mine.write_text("<!doctype html>\n<title>mine</title>", encoding="utf-8")
    with pytest.raises(UsageError, match="was not written by 'leaderboard build', so it is kept"):
        build([tmp_path / "run"], mine.parent)
    assert [p.name for p in mine.parent.iterdir()] == ["leaderboard.html"]
