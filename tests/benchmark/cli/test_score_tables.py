"""The tables that a run prints; one that is too wide goes on below and is never cut."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from tvseg_bench.benchmark.cli.score_tables import ScoreTable, print_table, score_tables
from tvseg_bench.benchmark.execution.run import run_selection
from tvseg_bench.benchmark.execution.selection import make_selection

Grid = Callable[..., dict[str, Any]]


def test_models_by_rank_references_last(toy_grid: Grid) -> None:
    values = toy_grid(model=["toy/a,toy/b"], protocol=["kmeans-clip,kmeans-frame:timet"])
    report = run_selection(make_selection(values))
    (table,) = score_tables(report.results)
    assert table.title == "toy:val"
    assert table.columns == ["kmeans-clip", "kmeans-frame:timet"]
    names = [name for name, _ in table.rows]
    assert set(names[:2]) == {"toy/a", "toy/b"}
    assert names[2:] == ["(constant map)", "(patch-grid oracle, patch 16)"]
    scores = {r.model.name: 100 * (r.metrics["miou"].value or 0) for r in report.results[::2]}
    for name, shown in table.rows[:2]:
        assert shown[0].startswith(f"{scores[name]:.1f} [")
        assert shown[0].endswith("]*"), "three clips are few"
    assert any("fewer than ten clips" in note for note in table.notes)
    assert any("baseline/random,baseline/pixels" in note for note in table.notes)


def test_seeds_show_their_spread(toy_grid: Grid) -> None:
    report = run_selection(make_selection(toy_grid(seeds="0-2")))
    (table,) = score_tables(report.results)
    assert "±" in table.rows[0][1][0]


def test_what_is_not_there_is_left_empty(toy_grid: Grid) -> None:
    first = run_selection(make_selection(toy_grid()))
    second = run_selection(make_selection(toy_grid(model=["toy/b"], protocol=["kmeans-frame"])))
    (table,) = score_tables([*first.results, *second.results])
    assert {name: list(map(bool, row)) for name, row in table.rows[:2]} == {
        "toy/a": [True, False],
        "toy/b": [False, True],
    }


def test_partial_results_have_a_table_of_their_own(toy_grid: Grid) -> None:
    whole = run_selection(make_selection(toy_grid()))
    part = run_selection(make_selection(toy_grid(limit=2)))
    titles = [table.title for table in score_tables([*whole.results, *part.results])]
    assert titles == ["toy:val", "toy:val, first 2 clips"]


COLUMNS = [f"protocol-{i} (vc8_iou)" for i in range(7)]
TABLE = ScoreTable(
    "davis-2016:train",
    COLUMNS,
    [(f"family/model-{m}", [f"{m}{i}.0 [10.0, 90.0]*" for i in range(7)]) for m in range(3)],
    ["in percent"],
)


@pytest.mark.parametrize("width", [40, 80, 120, 400])
def test_every_value_is_printed_whole(width: int) -> None:
    file = io.StringIO()
    print_table(Console(file=file, width=width, highlight=False), TABLE)
    text = file.getvalue()
    for name, values in TABLE.rows:
        assert name in text
        for value in values:
            assert value in text
    for column in COLUMNS:
        assert text.count(column) == 1
    assert "…" not in text
    assert text.count("in percent") == 1
    assert (", continued" in text) == (width < 400)
