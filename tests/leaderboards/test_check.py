import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tvseg_bench.benchmark.results.provenance import Provenance
from tvseg_bench.benchmark.results.result import Result
from tvseg_bench.benchmark.types import MetricCard
from tvseg_bench.leaderboards.check import check

Make = Callable[..., Result]


def edit(folder: Path, made: Result, path: str, value: Any) -> None:
    file = folder / "results" / f"{made.cell_id}.json"
    data = json.loads(file.read_text(encoding="utf-8"))
    *parents, last = path.split(".")
    inner = data
    for name in parents:
        inner = inner[name]
    inner[last] = value
    file.write_text(json.dumps(data), encoding="utf-8")


def test_nothing_is_wrong(cell: Make, unscored: Make, tmp_path: Path) -> None:
    cell()
    cell(seed=1)
    cell([0.5], dataset="camvid")
    unscored("skipped", "no flow", seed=5)
    assert check(tmp_path / "run") == []


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("metrics.miou.value", 0.9, "metrics.miou.value is 0.900000, but the rows"),
        ("metrics.miou.value", 36.1, "metrics.miou is 36.1: input should be less"),
        ("metrics.miou.ci95", [0.5, 0.6], "metrics.miou.ci95 is [0.5, 0.6], but the rows give ["),
        ("seed", 3, "one of them was edited"),
        ("protocol.params", {"k": 5}, "one was edited"),
        ("schema", "tvseg-bench/result@9", "newer than"),
        ("colour", "red", "unknown field 'colour'; it was written by tvseg-bench 0.1.0: upgrade"),
        ("provenance.started", None, "provenance.started is missing"),
        ("provenance.packages", {}, "provenance.packages holds no version of torch"),
        ("provenance.command", "run --data-root /home/jo/x", "holds an absolute path"),
        ("samples", None, "samples is null"),
        ("samples.sha256", "ab" * 32, "is not the file of samples.sha256"),
        ("samples.n_clips", 3, "samples.n_clips is 3, but"),
        ("model.name", "<script>\n", "String should match pattern"),
    ],
)
def test_each_fault_is_named(
    cell: Make, tmp_path: Path, path: str, value: Any, sentence: str
) -> None:
    made = cell()
    edit(tmp_path / "run", made, path, value)
    (problem,) = check(tmp_path / "run")
    assert problem.file == f"run/results/{made.cell_id}.json"
    assert sentence in problem.message
    assert str(tmp_path) not in str(problem)


def test_an_interval_of_another_method_is_named(cell: Make, tmp_path: Path) -> None:
    made = cell()
    edit(tmp_path / "run", made, "metrics.miou.ci95", [0.5, 0.6])
    edit(tmp_path / "run", made, "metrics.miou.ci_method", "percentile-bootstrap-10000")
    (problem,) = check(tmp_path / "run")
    assert problem.message.endswith(
        "by 'clip-logit-t'; ci_method is 'percentile-bootstrap-10000'; "
        "run the cell again with --force"
    )


def test_edited_rows_are_found(cell: Make, tmp_path: Path) -> None:
    made = cell([0.25, 0.75])
    rows = tmp_path / "run/samples" / f"{made.cell_id}.jsonl"
    text = rows.read_text(encoding="utf-8")
    rows.write_text(text.replace("0.25", "0.26"), encoding="utf-8")
    messages = " ".join(p.message for p in check(tmp_path / "run"))
    assert "is not the file of samples.sha256" in messages
    assert "metrics.miou.value is 0.500000, but the rows" in messages


def test_missing_rows_are_named(cell: Make, tmp_path: Path) -> None:
    made = cell()
    (tmp_path / "run/samples" / f"{made.cell_id}.jsonl").unlink()
    (problem,) = check(tmp_path / "run")
    assert f"samples/{made.cell_id}.jsonl is not there; copy it" in problem.message


def test_a_renamed_file_is_named(cell: Make, tmp_path: Path) -> None:
    made = cell()
    file = tmp_path / "run/results" / f"{made.cell_id}.json"
    file.rename(file.with_name("0123456789abcdef.json"))
    (problem,) = check(tmp_path / "run")
    assert f"rename it to {made.cell_id}.json" in problem.message


def test_mixed_versions_are_named(cell: Make, tmp_path: Path) -> None:
    old = cell(protocol_version=1)
    cell(protocol_version=2)
    cell(dataset="camvid", dataset_version=4, protocol="linear")
    (problem,) = check(tmp_path / "run")
    assert problem.file == f"run/results/{old.cell_id}.json"
    assert "protocol.version is 1, while others of 'kmeans-clip' here have 2" in problem.message


def test_a_number_from_python_needs_no_command(cell: Make, tmp_path: Path) -> None:
    made = Provenance(suite="1", python="3", started="x", packages={"torch": "2"}, command=None)
    cell(made=made)
    assert check(tmp_path / "run") == []


def test_rows_of_a_run_are_checked_as_those_of_a_submission(cell: Make, tmp_path: Path) -> None:
    cards = {"miou": MetricCard(title="", clip_score="mean-of-frames")}
    made = cell([0.25, 0.75], metrics=cards)
    edit(tmp_path / "run", made, "dataset.n_clips", 3)
    edit(tmp_path / "run", made, "metrics.miou.seeds", [0.1])
    rows, result = f"run/samples/{made.cell_id}.jsonl", f"run/results/{made.cell_id}.json"
    assert [(p.file, p.message) for p in check(tmp_path / "run")] == [
        (result, "dataset.n_clips is 3, but its rows hold 2; restore the file"),
        (result, "metrics.miou.seeds is not the one value; restore the file"),
        (rows, "clip 'c00' has 10 frames, but 0 rows of frames"),
        (rows, "clip 'c01' has 10 frames, but 0 rows of frames"),
    ]
