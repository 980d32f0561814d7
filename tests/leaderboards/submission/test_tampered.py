"""A folder that was tampered with, row by row: what `check` names, and what still gets a board."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tvseg_bench.__main__ import main
from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.results.result import Result
from tvseg_bench.leaderboards.board import build
from tvseg_bench.leaderboards.check import check

Make = Callable[..., Result]
HONEST = "m/honest"


def result_file(folder: Path, made: Result) -> Path:
    return folder / "results" / f"{made.cell_id}.json"


def number_changed(folder: Path, made: Result) -> None:
    path = result_file(folder, made)
    data = json.loads(path.read_text(encoding="utf-8"))
    data["metrics"]["miou"]["value"] = 0.99
    path.write_text(json.dumps(data), encoding="utf-8")


def duplicated_with_another_number(folder: Path, made: Result) -> None:
    path = result_file(folder, made)
    data = json.loads(path.read_text(encoding="utf-8"))
    data["metrics"]["miou"]["value"] = 0.6
    path.with_name("copy.json").write_text(json.dumps(data), encoding="utf-8")


def version_changed(folder: Path, made: Result) -> None:
    path = result_file(folder, made)
    data = json.loads(path.read_text(encoding="utf-8"))
    data["protocol"]["version"] = 2
    path.write_text(json.dumps(data), encoding="utf-8")


def script_in_the_name(folder: Path, made: Result) -> None:
    path = result_file(folder, made)
    data = json.loads(path.read_text(encoding="utf-8"))
    data["model"]["name"] = "<script>alert(1)</script>"
    path.write_text(json.dumps(data), encoding="utf-8")


def link_to_a_pipe(folder: Path, made: Result) -> None:
    path = result_file(folder, made)
    path.unlink()
    os.mkfifo(folder.parent / "pipe")
    path.symlink_to(folder.parent / "pipe")


def a_hundred_megabytes(folder: Path, made: Result) -> None:
    with result_file(folder, made).open("ab") as file:
        file.truncate(100 * 2**20)


def cut_short(folder: Path, made: Result) -> None:
    path = result_file(folder, made)
    path.write_bytes(path.read_bytes()[:500])


def deeply_nested(folder: Path, made: Result) -> None:
    result_file(folder, made).write_text("[" * 100_000, encoding="utf-8")


def field_of_a_newer_version(folder: Path, made: Result) -> None:
    path = result_file(folder, made)
    data = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**data, "sparkles": 3}), encoding="utf-8")


TAMPERED = [
    (number_changed, "metrics.miou.value is 0.990000, but the rows in samples/"),
    (duplicated_with_another_number, "with different metrics, so none of them is on the board"),
    (version_changed, "one of them was edited; restore the file as it was written"),
    (script_in_the_name, "one of them was edited; restore the file as it was written"),
    (link_to_a_pipe, "is not a regular file; remove it"),
    (a_hundred_megabytes, "holds 100 MiB where at most 64 are read; move it out of the folder"),
    (cut_short, "is not a JSON file"),
    (deeply_nested, "is not a JSON file"),
    (field_of_a_newer_version, "upgrade to that, or remove the field"),
]


@pytest.mark.parametrize(
    ("tamper", "sentence"), TAMPERED, ids=lambda v: getattr(v, "__name__", "")
)
def test_one_bad_file_is_named_and_the_others_make_a_board(
    cell: Make, tmp_path: Path, tamper: Callable[[Path, Result], None], sentence: str
) -> None:
    cell(model=HONEST)
    made = cell(model="m/bad")
    tamper(tmp_path / "run", made)
    found = [p for p in check(tmp_path / "run") if sentence in p.message]
    assert found
    assert all(p.file.startswith("run/results/") for p in found)
    report = build([tmp_path / "run"], tmp_path / "out")
    assert set(report.frame["model"]) == {HONEST}
    assert sentence in " ".join(p.message for p in report.board.problems)
    page = (tmp_path / "out/leaderboard.html").read_text(encoding="utf-8")
    assert 'id="not-here"' in page
    assert "<script>alert" not in page
    assert str(tmp_path) not in page


def test_equal_copies_count_once(cell: Make, tmp_path: Path) -> None:
    made = cell()
    path = result_file(tmp_path / "run", made)
    shutil.copy(path, path.with_name("again.json"))
    report = build([tmp_path / "run"], tmp_path / "out")
    assert len(report.frame) == 2  # two metrics of one row
    assert report.frame["n_seeds"].tolist() == [1, 1]


def test_versions_never_share_a_table(cell: Make, tmp_path: Path) -> None:
    cell(protocol_version=1)
    cell(protocol_version=2, model="m/other")
    report = build([tmp_path / "run"], tmp_path / "out")
    assert len(report.board.tables) == 2


def test_only_odd_links_are_no_board(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    (folder / "up").symlink_to(tmp_path)
    (folder / "away.json").symlink_to(tmp_path / "nowhere")
    (folder / "null.json").symlink_to("/dev/null")
    with pytest.raises(UsageError, match="holds no results"):
        build([folder], tmp_path / "out")
    assert main(["leaderboard", "build", str(folder)]) == 2
    said = capsys.readouterr().err
    assert "holds no results (2 other files: " in said
    assert "type: tvseg-bench run --output" in said
    assert sorted(p.name for p in folder.iterdir()) == ["away.json", "null.json", "up"]
    assert not (tmp_path / "out").exists()
