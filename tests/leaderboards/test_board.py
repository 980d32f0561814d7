import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.results.result import Result
from tvseg_bench.leaderboards.board import build

Make = Callable[..., Result]

OTHER_TABLE: list[dict[str, Any]] = [
    {"protocol": "kmeans-frame"},
    {"protocol_version": 2},
    {"preset": "timet"},
    {"params": {"k": 21}},
    {"dataset": "davis-2016"},
    {"split": "train"},
    {"dataset_version": 2},
    {"manifest_sha256": "ef" * 32},
    {"resolution": {"size": 448}},
]


@pytest.mark.parametrize("change", OTHER_TABLE, ids=lambda c: next(iter(c)))
def test_what_differs_never_shares_a_table(
    cell: Make, tmp_path: Path, change: dict[str, Any]
) -> None:
    cell()
    cell([0.9] * 12, model="m/other", **change)
    report = build([tmp_path / "run"], tmp_path / "out")
    assert len(report.board.tables) == 2
    assert set(report.frame["rank"]) == {1}
    assert report.frame["table"].nunique() == 2
    wide = pd.read_csv(tmp_path / "out/leaderboard_wide.csv")
    assert wide.notna().sum().iloc[4:].tolist() == [1, 1]


@pytest.mark.parametrize("change", [{"seed": 1}, {"layer": 3}, {"dtype": "bf16"}, {"model": "x"}])
def test_what_does_not_differ_shares_one(
    cell: Make, tmp_path: Path, change: dict[str, Any]
) -> None:
    cell()
    cell(**change)
    assert len(build([tmp_path / "run"], tmp_path / "out").board.tables) == 1


def test_equal_folders_give_equal_bytes(cell: Make, tmp_path: Path) -> None:
    for seed in (0, 1):
        cell(seed=seed)
        cell([0.2 + 0.05 * i for i in range(12)], model="m/other", seed=seed)
    first = build([tmp_path / "run"], tmp_path / "one")
    second = build([tmp_path / "run"], tmp_path / "two")
    again = build([tmp_path / "run"], tmp_path / "one")
    names = ["leaderboard.csv", "leaderboard_wide.csv", "leaderboard.md"]
    names.append("leaderboard.html")
    assert [p.name for p in first.files] == names
    for a, b, c in zip(first.files, second.files, again.files, strict=True):
        assert a.read_bytes() == b.read_bytes() == c.read_bytes()


def test_one_bad_file_still_gives_a_board(cell: Make, tmp_path: Path) -> None:
    cell()
    (tmp_path / "run/results/bad.json").write_text("{", encoding="utf-8")
    report = build([tmp_path / "run"], tmp_path / "out")
    assert len(report.frame) == 2
    assert [p.file for p in report.board.problems] == ["run/results/bad.json"]
    assert "bad.json" in (tmp_path / "out/leaderboard.md").read_text(encoding="utf-8")


def test_only_what_is_asked_for_is_written(cell: Make, tmp_path: Path) -> None:
    cell()
    build([tmp_path / "run"], tmp_path / "out", ["md"])
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["leaderboard.md"]
    with pytest.raises(UsageError, match="unknown format 'cvs'; did you mean 'csv'"):
        build([tmp_path / "run"], tmp_path / "out", ["cvs"])


def test_nothing_to_build(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no results; type: tvseg-bench run --output"):
        build([tmp_path], tmp_path / "out")
    with pytest.raises(UsageError, match="no folder of results is given"):
        build([], tmp_path / "out")


@pytest.mark.parametrize("name", ["leaderboard.csv", "leaderboard_wide.csv", "leaderboard.md"])
def test_a_users_own_file_is_kept(cell: Make, tmp_path: Path, name: str) -> None:
    cell()
    own = tmp_path / "out" / name
    own.parent.mkdir()
    own.write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match=f"{name} is there and was not written by"):
        build([tmp_path / "run"], tmp_path / "out")
    assert own.read_text(encoding="utf-8") == "mine"
    assert list(own.parent.iterdir()) == [own]


def test_a_link_is_not_written_through(cell: Make, tmp_path: Path) -> None:
    cell()
    build([tmp_path / "run"], tmp_path / "real")
    real, link = tmp_path / "real/leaderboard.csv", tmp_path / "out/leaderboard.csv"
    link.parent.mkdir()
    before = real.stat()
    link.symlink_to(real)
    build([tmp_path / "run"], link.parent)
    assert not link.is_symlink()
    assert (real.stat().st_ino, real.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    (tmp_path / "mine").write_text("mine", encoding="utf-8")
    for target in (tmp_path / "mine", tmp_path / "nowhere", link):
        link.unlink()
        link.symlink_to(target)
        with pytest.raises(UsageError, match="was not written by 'leaderboard build'"):
            build([tmp_path / "run"], link.parent)
        assert link.is_symlink()


def test_a_linked_folder_is_written_into(cell: Make, tmp_path: Path) -> None:
    cell()
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "real")
    build([tmp_path / "run"], tmp_path / "out")
    assert (tmp_path / "out").is_symlink()
    assert (tmp_path / "real/leaderboard.csv").is_file()


def test_neither_torch_nor_sklearn_is_imported(cell: Make, tmp_path: Path) -> None:
    cell()
    code = (
        "import sys, pathlib; from tvseg_bench.leaderboards.board import build\n"
        "from tvseg_bench.leaderboards.check import check\n"
        "build([pathlib.Path(sys.argv[1])], pathlib.Path(sys.argv[2]))\n"
        "check(pathlib.Path(sys.argv[1]))\n"
        "print({'torch', 'sklearn', 'timm'} & set(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "run"), str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "set()"
