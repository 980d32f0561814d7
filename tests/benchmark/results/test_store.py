import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tvseg_bench.benchmark.results import result_file
from tvseg_bench.benchmark.results.key import CellKey
from tvseg_bench.benchmark.results.provenance import Provenance
from tvseg_bench.benchmark.results.result import (
    Result,
    ResultError,
    Timing,
    from_score,
    without_score,
)
from tvseg_bench.benchmark.results.result_file import (
    NewerSchemaError,
    NotAResultError,
    read_result,
)
from tvseg_bench.benchmark.results.store import ResultStore
from tvseg_bench.benchmark.types import Score, UnitScore

MADE = Provenance(suite="0.1.0")


def key(seed: int = 0) -> CellKey:
    return CellKey(
        model="dino/vits16",
        revision="sha256:ab12",
        protocol="kmeans-dataset",
        protocol_version=1,
        dataset="davis-2017",
        split="val",
        dataset_version=1,
        manifest_sha256="cd" * 32,
        resolution={"size": 224},
        seed=seed,
    )


def score(value: float = 0.5) -> Score:
    counts = {"labels": [0, 1], "tp": [3, 1], "fp": [0, 2], "fn": [2, 0]}
    clip = UnitScore(clip="a", n_frames=2, metrics={"miou": value}, counts=counts)
    frames = [
        UnitScore(clip="a", frame=0, metrics={"miou": value}),
        UnitScore(clip="a", frame=1, metrics={"miou": None}, note="one class"),
    ]
    return Score(metrics={"miou": value}, clips=[clip], frames=frames)


def result(value: float = 0.5, seed: int = 0, fps: float | None = None) -> Result:
    timing = Timing(fps=fps)
    return from_score(key(seed), score(value), card={}, provenance=MADE, timing=timing)


def failed(seed: int = 0) -> Result:
    return without_score(key(seed), "failed", "out of memory", card={}, provenance=MADE)


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path / "out")


def test_what_is_written_is_read(store: ResultStore) -> None:
    written = store.write(result(), score())
    cell = written.cell_id
    assert store.read(cell) == written
    clips, frames = store.read_samples(cell)
    assert clips == [*score().clips]
    assert frames == [*score().frames]
    assert store.read_samples(cell, frames=False) == (clips, [])
    assert written.samples is not None
    assert (written.samples.n_clips, written.samples.n_frames) == (1, 2)


def test_nothing_is_made_before_something_is_written(store: ResultStore) -> None:
    assert not store.done(key().cell_id)
    assert store.load_all() == ([], [])
    assert not store.directory.exists()


def test_files_can_be_shared(store: ResultStore) -> None:
    """A temporary file made for its owner alone would stay unreadable for colleagues."""
    before = os.umask(0o022)
    try:
        cell = store.write(result(), score()).cell_id
    finally:
        os.umask(before)
    assert stat.S_IMODE(store.result_path(cell).stat().st_mode) == 0o644


def test_done(store: ResultStore) -> None:
    assert store.done(store.write(result(), score()).cell_id)
    skipped = without_score(key(1), "skipped", "no flow", card={}, provenance=MADE)
    assert store.done(store.write(skipped).cell_id)
    assert not store.done(store.write(failed(2)).cell_id)
    assert store.finished(key(2).cell_id) is None
    assert store.finished(key(0).cell_id) is not None


def test_a_failed_cell_is_replaced(store: ResultStore) -> None:
    store.write(failed())
    written = store.write(result(), score())
    assert store.read(written.cell_id) == written
    assert [p.name for p in store.results.iterdir()] == [f"{written.cell_id}.json"]


def test_the_same_numbers_again_change_nothing(store: ResultStore) -> None:
    first = store.write(result(fps=1.0), score())
    before = store.result_path(first.cell_id).read_bytes()
    assert store.write(result(fps=2.0), score()) == first
    assert store.result_path(first.cell_id).read_bytes() == before


def test_other_numbers_need_force_which_keeps_both(store: ResultStore) -> None:
    old = store.write(result(0.5), score(0.5))
    with pytest.raises(ResultError, match="finished with other numbers; type --force"):
        store.write(result(0.6), score(0.6))
    assert store.read(old.cell_id) == old
    new = store.write(result(0.6), score(0.6), force=True)
    newest = store.write(result(0.7), score(0.7), force=True)
    assert store.read(old.cell_id) == newest
    names = sorted(p.name for p in store.results.iterdir())
    cell = old.cell_id
    assert names == [f"{cell}.json", f"{cell}.json.1.old", f"{cell}.json.2.old"]
    assert read_result(store.results / names[1]).result == old
    assert read_result(store.results / names[2]).result == new
    assert len(list(store.samples.iterdir())) == 3
    assert [f.result for f in store.load_all()[0]] == [newest]


@pytest.mark.parametrize("force", [False, True])
def test_a_failure_never_displaces_a_number(store: ResultStore, force: bool) -> None:
    good = store.write(result(), score())
    assert store.write(failed(), force=force) == failed()
    assert store.read(good.cell_id) == good


def test_a_strangers_file_is_kept(store: ResultStore) -> None:
    for path in (store.result_path(key().cell_id), store.samples_path(key().cell_id)):
        path.parent.mkdir(parents=True)
        path.write_text("my notes", encoding="utf-8")
    assert not store.done(key().cell_id)
    written = store.write(result(), score())
    assert store.read(written.cell_id) == written
    for folder in (store.results, store.samples):
        kept = next(folder.glob("*.1.old"))
        assert kept.read_text(encoding="utf-8") == "my notes"


def test_a_damaged_result_is_made_again_and_kept(store: ResultStore) -> None:
    path = store.result_path(store.write(result(), score()).cell_id)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert not store.done(path.stem)
    with pytest.raises(ResultError, match="is not a JSON file"):
        store.read(path.stem)
    store.write(result(), score())
    assert store.done(path.stem)
    assert path.with_name(f"{path.name}.1.old").read_bytes() == whole[: len(whole) // 2]


def test_a_result_of_a_newer_version_stops(store: ResultStore) -> None:
    path = store.result_path(store.write(result(), score()).cell_id)
    text = path.read_text(encoding="utf-8").replace("result@1", "result@2")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(NewerSchemaError, match=r"result@2', newer than .* pip install --upgrade"):
        store.done(path.stem)
    with pytest.raises(NewerSchemaError):
        store.write(result(0.6), score(0.6), force=True)
    assert path.read_text(encoding="utf-8") == text


def test_a_link_to_something_else_is_renamed_not_written_through(
    store: ResultStore, tmp_path: Path
) -> None:
    target = tmp_path / "elsewhere.json"
    target.write_text("{}", encoding="utf-8")
    path = store.result_path(key().cell_id)
    path.parent.mkdir(parents=True)
    path.symlink_to(target)
    assert not store.done(path.stem)
    store.write(result(), score())
    assert target.read_text(encoding="utf-8") == "{}"
    assert not path.is_symlink()
    assert path.with_name(f"{path.name}.1.old").is_symlink()


def test_a_linked_result_is_read_and_never_written_through(
    store: ResultStore, tmp_path: Path
) -> None:
    path = store.result_path(store.write(result(), score()).cell_id)
    target = path.rename(tmp_path / "elsewhere.json")
    text = target.read_text(encoding="utf-8")
    path.symlink_to(target)
    assert store.done(path.stem)
    assert [found.path for found in store.load_all()[0]] == [path]
    store.write(result(0.6), score(0.6), force=True)
    assert not path.is_symlink()
    assert target.read_text(encoding="utf-8") == text
    assert path.with_name(f"{path.name}.1.old").resolve() == target.resolve()


def test_linked_folders_are_written_into_and_read(store: ResultStore, tmp_path: Path) -> None:
    (tmp_path / "storage").mkdir()
    store.directory.mkdir(parents=True, exist_ok=True)
    for folder in (store.results, store.samples):
        folder.symlink_to(tmp_path / "storage", target_is_directory=True)
    made = store.write(result(), score())
    assert store.read(made.cell_id) == made
    assert len(store.read_samples(made.cell_id)[0]) == 1
    assert store.results.is_symlink()
    assert len(list((tmp_path / "storage").iterdir())) == 2


def test_temporary_files_of_killed_runs_are_harmless(store: ResultStore) -> None:
    cell = store.write(result(), score()).cell_id
    (store.results / f".{cell}.json.1-ab.tmp").write_bytes(b"{")
    (store.results / ".hidden.json").write_bytes(b"{")
    found, problems = store.load_all()
    assert [f.result.cell_id for f in found] == [cell]
    assert problems == []


def test_a_full_disk_leaves_what_was_there(
    store: ResultStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write(failed())

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(result_file.os, "fsync", full)
    with pytest.raises(ResultError, match="cannot be written: No space left on device"):
        store.write(result(), score())
    assert store.read(key().cell_id) == failed()
    assert [p.name for p in store.samples.iterdir()] == []


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
@pytest.mark.parametrize("moves", [0, 1])
def test_killed_between_rows_and_result(store: ResultStore, moves: int) -> None:
    """Killed after 0 or 1 of the two renames: the cell is not done, and is then made whole."""
    script = f"""
        import os, pathlib, pickle, signal, sys
        from tvseg_bench.benchmark.results.result import Result
        from tvseg_bench.benchmark.results.store import ResultStore
        from tvseg_bench.benchmark.types import Score, UnitScore
        made, moves, replace = Result.model_validate_json(sys.stdin.read()), [], os.replace
        def move(self, target):
            if len(moves) == {moves}:
                os.kill(os.getpid(), signal.SIGKILL)
            moves.append(target)
            replace(self, target)
        pathlib.Path.replace = move
        row = UnitScore(clip="a", metrics={{"miou": 0.9}})
        ResultStore(pathlib.Path(sys.argv[1])).write(made, Score(metrics={{}}, clips=[row]))
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(store.directory)],
        input=result(0.9).to_json(),
        text=True,
        check=False,
    )
    assert run.returncode == -signal.SIGKILL
    assert not store.done(key().cell_id)
    assert store.load_all() == ([], [])
    assert len(list(store.samples.glob("*.jsonl"))) == moves
    written = store.write(result(), score())
    assert store.read(written.cell_id) == written
    assert store.read_samples(written.cell_id)[0] == [*score().clips]


def test_one_bad_file_never_takes_the_rest_down(store: ResultStore, tmp_path: Path) -> None:
    good = store.write(result(), score())
    text = store.result_path(good.cell_id).read_text(encoding="utf-8")
    bad = {
        "a-unknown": text.replace('"layer"', '"depth": 3, "layer"'),
        "b-newer": text.replace("result@1", "result@7"),
        "c-tampered": text.replace('"seed": 0', '"seed": 1'),
        "d-other": '{"x": 1}',
        "e-list": "[1, 2]",
        "f-deep": "[" * 100_000,
        "g-empty": "",
        "h-binary": "\x80\x02c\x00",
    }
    for name, content in bad.items():
        (store.results / f"{name}.json").write_text(content, encoding="utf-8")
    (store.results / "i-loop.json").symlink_to("i-loop.json")
    (store.results / "j-folder.json").mkdir()
    os.mkfifo(store.directory / "pipe")
    (store.results / "k-pipe.json").symlink_to(store.directory / "pipe")
    found, problems = store.load_all()
    assert [f.result for f in found] == [good]
    told = {p.file[0]: p.message for p in problems}
    assert sorted(told) == list("abcdefghijk")
    assert "unknown field 'depth'; it was written by tvseg-bench 0.1.0: upgrade" in told["a"]
    assert "newer than 'tvseg-bench/result@1'" in told["b"]
    assert "one of them was edited" in told["c"]
    assert "is not a result: its field 'schema'" in told["d"]
    assert "is not a JSON file" in told["f"]
    assert "cannot be opened: Too many levels of symbolic links" in told["i"]
    assert "is not a regular file" in told["j"]
    assert "is not a regular file" in told["k"]


def test_a_huge_file_is_not_read(store: ResultStore) -> None:
    path = store.results / "huge.json"
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.truncate(100 * 2**20)
    with pytest.raises(ResultError, match="holds 100 MiB where at most 64 are read"):
        read_result(path)


def test_json_of_another_kind_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({"schema": "tvseg-bench/manifest@1"}), encoding="utf-8")
    with pytest.raises(NotAResultError):
        read_result(path)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('{"clip": "a", "metrics": {"miou": "2"}}', "line 2: metrics.miou is '2'"),
        ('{"clip": "a", "metrics": {}, "counts": {"tp": [1]}}', "counts.labels"),
        (
            '{"clip": "a", "metrics": {}, '
            '"counts": {"labels": [1], "tp": [], "fp": [], "fn": []}}',
            "must be equally long",
        ),
        ('{"clip": "a", "metrics": {}, "more": 1}', "unknown field 'more'"),
        ('{"clip": "a"', "line 2"),
    ],
)
def test_bad_rows_are_named(store: ResultStore, line: str, sentence: str) -> None:
    cell = store.write(result(), score()).cell_id
    path = store.samples_path(cell)
    header = path.read_text(encoding="utf-8").splitlines()[0]
    path.write_text(f"{header}\n{line}\n", encoding="utf-8")
    with pytest.raises(ResultError, match=sentence):
        store.read_samples(cell)


def test_rows_of_another_cell_are_refused(store: ResultStore) -> None:
    one, two = (store.write(result(seed=s), score()).cell_id for s in (0, 1))
    store.samples_path(two).replace(store.samples_path(one))
    with pytest.raises(ResultError, match="line 1: these are rows of another cell"):
        store.read_samples(one)
    store.samples_path(one).write_bytes(b"")
    with pytest.raises(ResultError, match="is empty"):
        store.read_samples(one)
