import csv
import hashlib
import math
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tvseg_bench.benchmark.results.result import Result
from tvseg_bench.leaderboards.board import build
from tvseg_bench.leaderboards.build import COLUMNS

Make = Callable[..., Result]

NAMED = """
rank rank_lo rank_hi model revision params_m patch pretraining_data licence protocol
protocol_version dataset dataset_version resolution metric value ci_lo ci_hi sd n_seeds
n_clips fps gpu suite_version torch_version date trust contaminated result_sha256
paper_value
"""
"""The published columns, in their order; more may follow."""


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def long(tmp_path: Path) -> list[dict[str, str]]:
    build([tmp_path / "run"], tmp_path / "out", ["csv"])
    return rows(tmp_path / "out/leaderboard.csv")


def test_columns_stand_where_readers_expect_them() -> None:
    assert list(COLUMNS)[:30] == NAMED.split()


def test_every_number_is_plain(cell: Make, tmp_path: Path) -> None:
    cell(card={"params_m": 1014.45})
    cell([0.5], model="m/one-clip", dataset="camvid", fps=None, card={"params_m": None})
    made = long(tmp_path)
    assert len(made) == 4
    for row in made:
        for name, kind in COLUMNS.items():
            if kind != "str" and row[name]:
                assert math.isfinite(float(row[name]))
    by_model = {row["model"]: row for row in made if row["metric"] == "miou"}
    big, one = by_model["dino/vits16"], by_model["m/one-clip"]
    assert big["params_m"] == "1014.45"
    assert (big["rank"], big["patch"], big["n_clips"]) == ("1", "16", "12")
    assert (one["ci_lo"], one["ci_hi"], one["sd"], one["fps"], one["params_m"]) == ("",) * 5


def test_what_a_row_says(cell: Make, tmp_path: Path) -> None:
    made = cell(
        preset="timet",
        card={
            "licence": "Apache-2.0",
            "pretraining_data": ("imagenet-1k", "youtube-vos-2019-train"),
            "trained_on_eval_data": ("davis-2017",),
        },
    )
    row = long(tmp_path)[0]
    told = {
        "model": "dino/vits16",
        "protocol": "kmeans-clip:timet",
        "protocol_version": "1",
        "dataset": "davis-2017:val",
        "resolution": "224 short-side",
        "metric": "miou",
        "n_seeds": "1",
        "fps": "48.5",
        "gpu": "NVIDIA H200",
        "suite_version": "0.1.0",
        "torch_version": "2.9.1",
        "date": "2026-01-02",
        "licence": "Apache-2.0",
        "pretraining_data": "imagenet-1k youtube-vos-2019-train",
        "trust": "self-reported",
        "contaminated": "true",
        "constant": "0.1",
        "oracle": "0.9",
        "paper_value": "",
        "dtype": "fp32",
    }
    assert {name: row[name] for name in told} == told
    assert float(row["value"]) == made.metrics["miou"].value
    assert (float(row["ci_lo"]), float(row["ci_hi"])) == made.metrics["miou"].ci95


def test_hashes_are_those_of_the_files(cell: Make, tmp_path: Path) -> None:
    paths = [tmp_path / "run/results" / f"{cell(seed=s).cell_id}.json" for s in (0, 1)]
    hashes = [hashlib.sha256(p.read_bytes()).hexdigest() for p in paths]
    assert long(tmp_path)[0]["result_sha256"].split() == hashes


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)"])
def test_no_cell_is_a_formula(cell: Make, tmp_path: Path, name: str) -> None:
    cell(model=name, card={"licence": name, "pretraining_data": (name,)}, revision=name)
    row = long(tmp_path)[0]
    for column in ("model", "licence", "pretraining_data", "revision"):
        assert row[column] == f"'{name}"
    assert rows(tmp_path / "out/leaderboard_wide.csv")[0]["model"] == f"'{name}"


def test_quotes_and_commas_survive(cell: Make, tmp_path: Path) -> None:
    cell(model='a,"b"; c')
    assert long(tmp_path)[0]["model"] == 'a,"b"; c'


def test_the_frame_has_numbers_as_numbers(cell: Make, tmp_path: Path) -> None:
    cell()
    frame = build([tmp_path / "run"], tmp_path / "out").frame
    assert list(frame.columns) == list(COLUMNS)
    assert frame["value"].dtype == "float64"
    assert frame["rank"].dtype == "Int64"
    read = pd.read_csv(tmp_path / "out/leaderboard.csv")
    assert read["value"].tolist() == frame["value"].tolist()


def test_the_wide_table(cell: Make, tmp_path: Path) -> None:
    cell([0.25, 0.75])
    cell([0.5, 0.75], model="m/b")
    cell([0.125, 0.375], protocol="kmeans-frame")
    cell([0.5, 0.5], model="m/b", resolution={"size": 448})
    build([tmp_path / "run"], tmp_path / "out", ["csv"])
    wide = pd.read_csv(tmp_path / "out/leaderboard_wide.csv", index_col="model")
    frame_column = "kmeans-frame-v1__davis-2017:val-v1__miou"
    assert wide.loc["dino/vits16", frame_column] == 0.25
    assert math.isnan(wide.loc["m/b", frame_column])
    others = [c for c in wide.columns if c.startswith("kmeans-clip-v1__davis-2017:val-v1__miou#")]
    assert sorted(wide[others].max().tolist()) == [0.5, 0.625]
