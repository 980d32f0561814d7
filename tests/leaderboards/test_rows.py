import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tvseg_bench.benchmark.results.result import Result
from tvseg_bench.benchmark.statistics.comparison import paired_difference
from tvseg_bench.benchmark.types import MetricCard, UnitScore
from tvseg_bench.leaderboards.board import Board, make_board
from tvseg_bench.leaderboards.load import load
from tvseg_bench.leaderboards.rows import BoardRow

LOWER = {"miou": MetricCard(title="", higher_is_better=False)}

Make = Callable[..., Result]
RNG = np.random.default_rng(0)
BASE = RNG.beta(2, 2, 20) * 0.8
NOISE = RNG.normal(0, 0.01, (4, 20))


def board(tmp_path: Path, run: str = "run") -> Board:
    return make_board(load([tmp_path / run]))


def only(made: Board, metric: str = "miou") -> dict[str, BoardRow]:
    (table,) = made.tables
    return {row.key.model: row for row in table.metrics[metric].rows}


def ranks(row: BoardRow) -> tuple[int | None, int | None, int | None]:
    return row.rank, row.rank_lo, row.rank_hi


def models(cell: Make, **shifts: float) -> None:
    for i, (name, shift) in enumerate(shifts.items()):
        cell(list(np.clip(BASE + NOISE[i] + shift, 0, 1)), model=f"m/{name}")


def test_models_that_cannot_be_told_apart_share_a_range(cell: Make, tmp_path: Path) -> None:
    models(cell, best=0.1, second=0.0, third=0.001, last=-0.05)
    rows = only(board(tmp_path))
    assert ranks(rows["m/best"]) == (1, 1, 1)
    assert ranks(rows["m/last"]) == (4, 4, 4)
    middle = {ranks(rows[name])[1:] for name in ("m/second", "m/third")}
    assert middle == {(2, 3)}
    assert next(iter(rows)) == "m/best"


def test_without_rows_only_intervals_can_tell_apart(cell: Make, tmp_path: Path) -> None:
    models(cell, best=0.1, second=0.0)
    shutil.rmtree(tmp_path / "run/samples")
    made = board(tmp_path)
    assert [ranks(row) for row in only(made).values()] == [(1, 1, 2), (2, 1, 2)]
    assert made.problems == ()
    assert made.tables[0].metrics["miou"].smallest is None


def test_clear_intervals_tell_apart_without_rows(cell: Make, tmp_path: Path) -> None:
    cell([0.1] * 12, model="m/low")
    cell([0.9] * 12, model="m/high")
    shutil.rmtree(tmp_path / "run/samples")
    assert [ranks(row) for row in only(board(tmp_path)).values()] == [(1, 1, 1), (2, 2, 2)]


def test_one_clip_tells_nothing_apart(cell: Make, tmp_path: Path) -> None:
    cell([0.1], model="m/low")
    cell([0.9], model="m/high")
    rows = only(board(tmp_path))
    assert [ranks(row) for row in rows.values()] == [(1, 1, 2), (2, 1, 2)]
    assert rows["m/low"].ci is None
    assert rows["m/low"].few


def test_where_less_is_more(cell: Make, tmp_path: Path) -> None:
    cell([0.1] * 12, model="m/low", metrics=LOWER)
    cell([0.9] * 12, model="m/high", metrics=LOWER)
    assert list(only(board(tmp_path))) == ["m/low", "m/high"]
    assert list(only(board(tmp_path), "miou_fg")) == ["m/high", "m/low"]


def test_equal_values_share_a_rank(cell: Make, tmp_path: Path) -> None:
    for name in ("a", "b"):
        cell(model=f"m/{name}")
    assert [ranks(row) for row in only(board(tmp_path)).values()] == [(1, 1, 2), (1, 1, 2)]


def test_seeds_are_one_row(cell: Make, tmp_path: Path) -> None:
    for seed, shift in enumerate((-0.02, 0.0, 0.05)):
        cell(list(BASE + shift), seed=seed, fps=float(seed))
    row = only(board(tmp_path))["dino/vits16"]
    assert row.n_seeds == 3
    assert row.value == pytest.approx(BASE.mean() + 0.01)
    assert row.sd == pytest.approx(np.std([-0.02, 0.0, 0.05], ddof=1))
    assert row.fps == pytest.approx(1.0)
    assert len(row.files_sha256.split()) == 3
    assert row.ci is not None
    shutil.rmtree(tmp_path / "run/samples")
    without = only(board(tmp_path))["dino/vits16"]
    assert without.ci == pytest.approx(row.ci, abs=1e-3)


def test_layers_and_dtypes_are_rows_of_their_own(cell: Make, tmp_path: Path) -> None:
    cell()
    cell(dtype="bf16")
    cell(layer=8)
    (table,) = board(tmp_path).tables
    assert len(table.metrics["miou"].rows) == 3


def test_the_board_agrees_with_the_paired_comparison(cell: Make, tmp_path: Path) -> None:
    for shift in (0.0, 0.002, 0.004, 0.006, 0.008, 0.01):
        values = [np.clip(BASE + NOISE[i] + (shift if i else 0), 0, 1) for i in range(2)]
        for i, name in enumerate("ab"):
            cell(list(values[i]), model=f"m/{name}", run=f"run{shift}")
        rows = [
            [UnitScore(clip=str(i), metrics={"miou": x}) for i, x in enumerate(v)] for v in values
        ]
        different = paired_difference(rows[0], rows[1], "miou").different
        first = next(iter(only(board(tmp_path, f"run{shift}")).values()))
        assert (first.rank_hi == 1) == different


def test_a_number_that_its_rows_contradict_is_left_out(cell: Make, tmp_path: Path) -> None:
    made = cell([0.25, 0.75])
    cell(model="m/honest")
    path = tmp_path / "run/results" / f"{made.cell_id}.json"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"value": 0.5,', '"value": 0.9,'), encoding="utf-8")
    found = board(tmp_path)
    assert list(only(found)) == ["m/honest"]
    (problem,) = found.problems
    assert problem.file == f"run/results/{made.cell_id}.json"
    assert "metrics.miou.value is 0.900000, but the rows in" in problem.message
    assert "give 0.500000" in problem.message


def test_broken_rows_are_named_and_not_used(cell: Make, tmp_path: Path) -> None:
    made = cell()
    path = tmp_path / "run/samples" / f"{made.cell_id}.jsonl"
    path.write_text("{}\n", encoding="utf-8")
    found = board(tmp_path)
    assert list(only(found)) == ["dino/vits16"]
    assert (
        f"its rows are not used: samples/{made.cell_id}.jsonl, line 1" in found.problems[0].message
    )


@pytest.mark.parametrize("linked", ["run", "run/results", "run/samples"])
def test_linked_folders_make_the_same_board(cell: Make, tmp_path: Path, linked: str) -> None:
    cell([0.25, 0.75])
    cell([0.5, 0.75], model="m/other")
    plain = board(tmp_path)
    assert plain.tables[0].metrics["miou"].smallest is not None
    (tmp_path / linked).rename(tmp_path / "elsewhere")
    (tmp_path / linked).symlink_to(tmp_path / "elsewhere")
    assert board(tmp_path).tables == plain.tables
