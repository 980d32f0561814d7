"""Published numbers against ours, over data and models that every machine has."""

import csv
import json
from pathlib import Path

import pytest

from tvseg_bench import register_builtins
from tvseg_bench.__main__ import main
from tvseg_bench.leaderboards.published.numbers import Published, published, rows
from tvseg_bench.leaderboards.published.verify import Installation, needs

CLAIM = {
    "paper": "made-up",
    "arxiv": "2400.00001",
    "model": "baseline/pixels",
    "protocol": "kmeans-frame",
    "preset": "standard",
    "params": "size=64",
    "dataset": "moving-shapes",
    "split": "val",
    "clips": "12",
    "metric": "miou",
    "value": "0.4",
    "decimals": "1",
    "tolerance": "0.01",
    "seeds": "0",
    "resolution": "64",
    "evidence": "first-hand",
    "source": "this test",
    "note": "",
}


def table(folder: Path, *claims: dict[str, str]) -> Path:
    path = folder / "claims.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(CLAIM))
        writer.writeheader()
        writer.writerows({**CLAIM, **claim} for claim in claims)
    return path


def claim(folder: Path, **changes: str) -> Published:
    return rows(table(folder, changes))[0]


@pytest.fixture(autouse=True)
def _registered() -> None:
    register_builtins()


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"model": "nobody/vits16"}, "a model nobody/vits16"),
        ({"model": "dino/vits16"}, "the weights of dino/vits16 at "),
        ({"protocol": "guessing"}, "a protocol guessing"),
        ({"preset": ""}, "the settings of kmeans-frame, which the source does not state"),
        ({"preset": "leopart"}, "a preset kmeans-frame:leopart"),
        ({"dataset": "imagenet"}, "the data set imagenet"),
        ({"dataset": "davis-2017"}, "davis-2017:val: "),
        ({"clips": "30"}, "all 30 clips of moving-shapes:val, of which 12 are here"),
    ],
)
def test_what_is_not_here_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], what: str
) -> None:
    monkeypatch.setenv("TVSEG_HOME", str(tmp_path / "home"))
    assert any(need.startswith(what) for need in needs(claim(tmp_path, **changes), Installation()))


def test_what_is_here_needs_nothing(tmp_path: Path) -> None:
    assert needs(claim(tmp_path), Installation()) == []


def test_match_mismatch_and_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    typed = ["verify", "made-up", "-o", str(tmp_path / "runs"), "--published"]
    first = table(tmp_path, {})
    assert main([*typed, str(first), "--json"]) in (0, 3)
    (found,) = json.loads(capsys.readouterr().out)
    assert found["difference"] == pytest.approx(found["ours"] - 0.4)
    ours = f"{found['ours']:.4f}"
    both = table(tmp_path, {"value": ours}, {"model": "dino/vits16"})
    assert main([*typed, str(both)]) == 0
    shown = capsys.readouterr().out
    assert "match (within 1)" in shown
    assert "not run (needs the weights of dino/vits16" in shown
    assert "2 published numbers: 1 match, 1 not run" in shown
    wrong = table(tmp_path, {"value": f"{found['ours'] - 0.02:.4f}"})
    assert main([*typed, str(wrong)]) == 3
    assert "mismatch (more than 1 off)" in capsys.readouterr().out


def test_a_metric_that_is_not_given_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = table(tmp_path, {"metric": "accuracy"})
    typed = ["verify", "made-up", "-o", str(tmp_path / "runs"), "--published", str(odd)]
    assert main([*typed, "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "not run"
    assert "needs a metric accuracy" in found["reason"]


@pytest.mark.parametrize("name", ["neco", "2204.13101", "leopart/vits16"])
def test_papers_and_models_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TVSEG_HOME", str(tmp_path))
    assert main(["verify", name, "-o", str(tmp_path / "runs"), "--data-root", str(tmp_path)]) == 0
    assert "not run" in capsys.readouterr().out


def test_an_unknown_name_is_answered(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "leopard"]) == 2
    assert "did you mean 'leopart'" in capsys.readouterr().err


def test_a_family_is_all_of_its_models_and_reasons_are_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TVSEG_HOME", str(tmp_path))
    assert main(["verify", "timet", "-o", str(tmp_path / "runs")]) == 0
    shown = capsys.readouterr().out
    numbers = published("timet/vits16")
    assert f"{len(numbers)} published numbers: {len(numbers)} not run" in shown
    assert shown.count("] not run (needs the weights of timet/vits16") == 3  # by data set
    assert shown.count("[1]") > 2


@pytest.mark.parametrize("typed", ["2308.11796", "arXiv:2308.11796", "2308.11796v2"])
def test_a_paper_without_checked_numbers_is_told(
    typed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", typed]) == 2
    told = capsys.readouterr().err
    assert "no number of arXiv 2308.11796" in told
    assert "tvseg-bench verify timet" in told


def test_a_model_without_published_numbers_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "baseline/pixels"]) == 2
    assert "nothing is published of baseline/pixels" in capsys.readouterr().err


def test_one_file_of_weights_is_for_one_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "neco", "--weights", str(tmp_path / "w.pth")]) == 2
    assert "is for one model" in capsys.readouterr().err
