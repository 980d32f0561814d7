import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.results.provenance import Provenance
from tvseg_bench.benchmark.results.result import Result
from tvseg_bench.leaderboards.load import load

Make = Callable[..., Result]


def test_runs_are_found_wherever_they_lie(cell: Make, tmp_path: Path) -> None:
    cell(run="runs/one")
    cell(run="runs/two", seed=1)
    (tmp_path / "runs/one/manifest.json").write_text("{}", encoding="utf-8")
    (tmp_path / "runs/one/errors").mkdir()
    (tmp_path / "runs/one/errors/x.json").write_text("{", encoding="utf-8")
    loaded = load([tmp_path / "runs"])
    assert [m.seed for m in loaded.measurements] == [0, 1]
    assert loaded.problems == []
    assert loaded.left_out == []
    assert loaded.measurements[0].file.startswith("runs/one/results/")


def test_a_file_that_is_reached_twice_counts_once(cell: Make, tmp_path: Path) -> None:
    cell(run="runs/one")
    loaded = load([tmp_path / "runs", tmp_path / "runs/one", tmp_path / "runs/one/results"])
    assert len(loaded.measurements) == 1


def test_what_does_not_belong_on_a_board_is_named(
    cell: Make, unscored: Make, tmp_path: Path
) -> None:
    cell()
    cell(seed=1, limit=3)
    unscored("skipped", "no flow\nhere", seed=2)
    unscored("failed", "out of memory", seed=3)
    loaded = load([tmp_path / "run"])
    assert len(loaded.measurements) == 1
    what = "dino/vits16, kmeans-clip on davis-2017:val, seed"
    assert loaded.left_out == [
        f"{what} 1: partial, the first 3 clips only",
        f"{what} 2: skipped: no flow here",
        f"{what} 3: failed: out of memory",
    ]


def test_equal_results_of_two_runs_are_one(cell: Make, tmp_path: Path) -> None:
    cell(run="a")
    cell(run="b", fps=3.0, made=Provenance(suite="0.2.0"))
    loaded = load([tmp_path / "a", tmp_path / "b"])
    assert [m.file[0] for m in loaded.measurements] == ["a"]
    assert loaded.problems == []


def test_results_that_disagree_are_all_left_out_and_named(cell: Make, tmp_path: Path) -> None:
    made = cell([0.4, 0.6], run="a")
    cell([0.4, 0.7], run="b")
    cell(run="b", seed=1)
    loaded = load([tmp_path / "a", tmp_path / "b"])
    assert [m.seed for m in loaded.measurements] == [1]
    files = [f"{run}/results/{made.cell_id}.json" for run in "ab"]
    assert [p.file for p in loaded.problems] == files
    assert all(
        f"stands in {files[0]} and {files[1]} with diff" in p.message for p in loaded.problems
    )


def test_an_edited_interval_is_no_equal_result(cell: Make, tmp_path: Path) -> None:
    made = cell(run="a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    path = tmp_path / "b/results" / f"{made.cell_id}.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    data["metrics"]["miou"]["ci95"][0] += 0.05
    path.write_text(json.dumps(data), encoding="utf-8")
    assert len(load([tmp_path / "a", tmp_path / "b"]).problems) == 2


def test_bad_files_are_problems_and_the_rest_is_read(cell: Make, tmp_path: Path) -> None:
    made = cell()
    folder = tmp_path / "run/results"
    text = (folder / f"{made.cell_id}.json").read_text(encoding="utf-8")
    (folder / "tampered.json").write_text(text.replace("ab12", "ab13"), encoding="utf-8")
    (folder / "newer.json").write_text(text.replace("result@1", "result@2"), encoding="utf-8")
    (folder / "other.json").write_text('{"a": 1}', encoding="utf-8")
    (folder / "cut.json").write_text(text[:500], encoding="utf-8")
    with (folder / "huge.json").open("wb") as file:
        file.truncate(100 * 2**20)
    outside = tmp_path / "secret.json"
    outside.write_text(text, encoding="utf-8")
    (folder / "out.json").symlink_to(outside)
    (folder / "linked").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe.json")
    (folder / "self.json").symlink_to("self.json")
    (folder / "device.json").symlink_to("/dev/zero")
    loaded = load([tmp_path / "run"])
    assert len(loaded.measurements) == 1
    assert [p.file.removeprefix("run/results/") for p in loaded.problems] == [
        "cut.json",
        "device.json",
        "huge.json",
        "newer.json",
        "pipe.json",
        "self.json",
        "tampered.json",
    ]
    assert not any(str(tmp_path) in str(p) for p in loaded.problems)
    assert loaded.left_out == [
        "run/results/other.json is not a result: its field 'schema' is not 'tvseg-bench/result@1'"
    ]


def test_links_are_followed_once_and_loops_of_them_end(cell: Make, tmp_path: Path) -> None:
    made = cell(run="storage")
    cell(run="mine", seed=1)
    file = tmp_path / "other.json"
    cell(run="third", seed=2)
    next((tmp_path / "third/results").iterdir()).rename(file)
    results = tmp_path / "mine/results"
    (results / "linked.json").symlink_to(file)
    (results / "again.json").symlink_to(file)
    (tmp_path / "mine/more").symlink_to(tmp_path / "storage")
    (tmp_path / "storage/up").symlink_to(tmp_path / "mine")
    (tmp_path / "mine/self").symlink_to("self")
    loaded = load([tmp_path / "mine"])
    assert loaded.problems == []
    assert loaded.results == 3
    assert {m.seed: m.file for m in loaded.measurements}[0] == (
        f"mine/more/results/{made.cell_id}.json"
    )
    assert {m.file for m in loaded.measurements if m.seed == 2} == {"mine/results/again.json"}


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere is not a folder; give the folder that"):
        load([tmp_path / "nowhere"])


def test_strangers_text_cannot_steer_a_terminal(
    cell: Make, unscored: Make, tmp_path: Path
) -> None:
    made = cell()
    unscored("failed", "\x1b[2J gone", seed=2)
    text = (tmp_path / f"run/results/{made.cell_id}.json").read_text(encoding="utf-8")
    evil = text.replace('"layer"', '"\\u001b[2J": 1, "layer"')
    (tmp_path / "run/results/\x1b[2J.json").write_text(evil, encoding="utf-8")
    loaded = load([tmp_path / "run"])
    told = [*loaded.left_out, *map(str, loaded.problems)]
    assert len(told) == 2
    assert all(line.isprintable() for line in told)
