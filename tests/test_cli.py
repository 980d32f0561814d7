"""The command line as a user meets it: what is printed, and how it exits."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tvseg_bench import __version__
from tvseg_bench.__main__ import main

EXIT = {"ok": 0, "some failed": 1, "usage": 2}


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of frames and masks: two clips of three frames."""
    monkeypatch.setenv("TVSEG_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("TVSEG_DATA", raising=False)
    rng = np.random.default_rng(0)
    root = tmp_path / "clips"
    for clip in ("ape", "bee"):
        for t in range(3):
            truth = np.zeros((64, 80), np.uint8)
            truth[16:48, 16 + 4 * t : 48 + 4 * t] = 1
            image = rng.integers(0, 80, (64, 80, 3)).astype(np.uint8)
            image[truth > 0] += np.uint8(120)
            for kind, array in (("JPEGImages", image), ("Annotations", truth)):
                path = root / kind / clip / f"{t:05d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(path)
    return root


def grid(clips: Path, out: Path, *more: str) -> list[str]:
    return [
        "run", "--model", "baseline/pixels", "--protocol", "kmeans-frame,kmeans-clip",
        "--dataset", f"folder:{clips}", "-o", str(out),
        "protocol.all.size=64", "protocol.all.n_init=2", *more,
    ]  # fmt: skip


def test_run_prints_a_table_and_leaves_results(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(grid(clips, tmp_path / "out")) == EXIT["ok"]
    printed = capsys.readouterr()
    assert "baseline/pixels" in printed.out
    assert "(constant map)" in printed.out
    assert "(patch-grid oracle, patch 16)" in printed.out
    assert "add --model baseline/random" in printed.out
    assert "one pass of baseline/pixels over 6 frames" in printed.err
    assert len(list((tmp_path / "out/results").glob("*.json"))) == 2

    assert main(grid(clips, tmp_path / "out")) == EXIT["ok"]
    again = capsys.readouterr()
    assert "2 cells, 2 done before, 0 to do" in again.err
    assert again.out == printed.out


def test_leaderboard_from_a_run(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    main(grid(clips, out, "--seeds", "0-1"))
    assert main(["leaderboard", "build", str(out), "-o", str(tmp_path / "board")]) == EXIT["ok"]
    with (tmp_path / "board/leaderboard.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    headline = [row for row in rows if row["metric"] == "miou"]
    assert {row["protocol"] for row in headline} == {"kmeans-frame", "kmeans-clip"}
    assert all(0 < float(row["value"]) <= 1 and row["n_seeds"] == "2" for row in headline)
    assert (tmp_path / "board/leaderboard.md").read_text().startswith("<!--")
    assert main(["leaderboard", "check", str(out)]) == EXIT["ok"]
    assert "nothing is wrong" in capsys.readouterr().out


def test_a_board_names_what_is_not_on_it(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    main(grid(clips, out, "--limit", "1"))
    assert "first 1 clip" in capsys.readouterr().out
    assert main(["leaderboard", "build", str(out)]) == EXIT["ok"]
    printed = capsys.readouterr().out
    assert "not on the board: 2 results, such as baseline/pixels, kmeans-clip on folder" in printed


def test_json_is_one_event_a_line(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(grid(clips, tmp_path / "out", "--json")) == EXIT["ok"]
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [e["event"] for e in events] == ["planned", "cell", "cell"]
    assert events[0] == {"event": "planned", "cells": 2, "todo": 2, "unavailable": 0}
    assert 0 < events[1]["metrics"]["miou"] <= 1


def test_config_file_and_command_line_together(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "run.yaml"
    config.write_text(
        f"model: baseline/pixels\nprotocol: kmeans-clip\ndataset: 'folder:{clips}'\n"
        f"output: {tmp_path / 'out'}\noverrides: {{protocol.all.size: 64}}\n"
    )
    assert main(["run", "--config", str(config), "--seeds", "7"]) == EXIT["ok"]
    (path,) = (tmp_path / "out/results").glob("*.json")
    result = json.loads(path.read_text())
    assert (result["seed"], result["protocol"]["params"]["size"]) == (7, 64)
    capsys.readouterr()
    assert main(["plan", "--config", str(config), "--seeds", "7-8", "--json"]) == EXIT["ok"]
    found = json.loads(capsys.readouterr().out)
    assert [cell["state"] for cell in found["cells"]] == ["done", "to do"]
    assert found["totals"]["frames"] == 6


def test_results_hold_no_path_of_this_machine(clips: Path, tmp_path: Path) -> None:
    main(grid(clips, tmp_path / "out"))
    for path in (tmp_path / "out").rglob("*.json*"):
        assert str(tmp_path) not in path.read_text()


def test_runs_are_listed_and_their_status_told(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    main(grid(clips, out))
    capsys.readouterr()
    for words in (["list", "runs"], ["list", "runs", "-o", str(tmp_path)]):
        assert main([*words, "--json"]) == EXIT["ok"]
        rows = {row["run"]: row for row in json.loads(capsys.readouterr().out)}
        assert {k: rows[str(out)][k] for k in ("executor", "cells", "done", "failed")} == {
            "executor": "local",
            "cells": 2,
            "done": 2,
            "failed": 0,
        }
    assert main(["status", str(out), "--json"]) == EXIT["ok"]
    status = json.loads(capsys.readouterr().out)
    assert status["counts"] == {"done": 2}
    assert all(c["metric"] == "miou" and 0 < c["value"] <= 1 for c in status["cells"])
    (out / "results" / f"{status['cells'][0]['cell']}.json").unlink()
    (out / "results/0123456789abcdef.json").write_text("{")
    assert main(["status", str(out)]) == EXIT["some failed"]
    told = capsys.readouterr()
    assert "1 waiting, 1 done" in told.out
    assert "0123456789abcdef.json" in told.err
    assert main(["status", str(tmp_path)]) == EXIT["usage"]
    assert "is not the folder of a run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["runn"], "unknown command 'runn'; did you mean 'run'?"),
        (["run", "--modle", "x"], "unknown option '--modle'; did you mean '--model'?"),
        (["run", "--model", "dino/vits61"], "unknown model 'dino/vits61'; did you mean"),
        (["run", "--protocol", "kmeans"], "unknown protocol 'kmeans'; did you mean"),
        (["run", "--dataset", "davis"], "unknown dataset 'davis'; did you mean 'davis-"),
        (["run", "kmeans-clip"], "'kmeans-clip' is neither an option nor an override"),
        (["run", "--limit", "two"], "argument --limit: invalid int value: 'two'"),
        (["run", "--device", "gpu"], "unknown device 'gpu'"),
        (["run", "--progress", "bars"], "unknown value 'bars'; did you mean 'bar'?"),
        (["info", "davis-2018"], "unknown name 'davis-2018'; did you mean 'davis-2017'"),
        (["list", "modles"], "unknown value 'modles'; did you mean 'models'?"),
        (["data", "check"], "which data set? type: tvseg-bench data check NAME"),
        (["data", "check", "camvit"], "unknown dataset 'camvit'; did you mean 'camvid'?"),
        (["leaderboard", "build", "/nonexistent"], "/nonexistent"),
        (["list", "models", "a=b"], "'list' takes no overrides"),
        (["list", "models", "x"], "'x' stands where nothing is expected; type: tvseg-bench list"),
        (["--jsn", "list", "models"], "unknown option '--jsn'; did you mean '--json'?"),
        (["train"], "arguments are required: METHOD[:RECIPE]; type: tvseg-bench train --help"),
        (["train", "timet", "--resume", "maybe"], "unknown value 'maybe'; known: auto, never"),
    ],
)
def test_a_mistake_is_one_sentence(
    argv: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(argv) == EXIT["usage"]
    printed = capsys.readouterr()
    assert sentence in printed.err
    assert printed.err.startswith("tvseg-bench: ")
    assert len(printed.err.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_absent_data_and_weights_fail_their_cells_only(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = grid(clips, tmp_path / "out", "--model", "dino/vits16", "--dataset", "davis-2016")
    assert main(argv) == EXIT["some failed"]
    printed = capsys.readouterr()
    assert "davis-2016 is not found" in printed.err
    assert "dino/vits16" in printed.err
    assert "dl.fbaipublicfiles.com" in printed.err
    assert "6 cells failed" in printed.out
    assert len(list((tmp_path / "out/results").glob("*.json"))) == 2


def test_an_output_that_cannot_be_written_is_said(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    assert main(grid(clips, tmp_path / "file")) == EXIT["some failed"]
    assert "tvseg-bench: " in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"


def test_options_may_stand_before_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--debug", "--json", "list", "protocols"]) == EXIT["ok"]
    names = [row["name"] for row in json.loads(capsys.readouterr().out)]
    assert main(["list", "protocols", "--json"]) == EXIT["ok"]
    assert [row["name"] for row in json.loads(capsys.readouterr().out)] == names


def test_cache_and_env(clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(grid(clips, tmp_path / "out"))
    capsys.readouterr()
    assert main(["cache", "status", "--json"]) == EXIT["ok"]
    (row,) = json.loads(capsys.readouterr().out)
    assert row["model"].startswith("baseline/pixels")
    assert main(["cache", "path"]) == EXIT["ok"]
    assert capsys.readouterr().out.strip() == str(tmp_path / "home/features")
    mark = Path(row["path"]) / f".reading-{'0' * 32}"  # as another process makes it
    mark.touch()
    assert main(["cache", "prune", "--all"]) == EXIT["ok"]
    shown = capsys.readouterr().out
    assert "baseline/pixels" in shown
    assert re.search(r"0 entries, 0.0 MB removed; 1 entry, .* MB stayed, in use; limit", shown)
    assert main(["cache", "prune", "--all", "--json"]) == EXIT["ok"]
    pruned = json.loads(capsys.readouterr().out)
    assert (pruned["removed"], len(pruned["in_use"])) == ([], 1)
    mark.unlink()
    assert main(["cache", "prune", "--all"]) == EXIT["ok"]
    assert "1 entry" in capsys.readouterr().out
    assert main(["env", "--json"]) == EXIT["ok"]
    assert json.loads(capsys.readouterr().out)["suite"] == __version__


def test_data_status_check_and_path(clips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "status"]) == EXIT["ok"]
    printed = capsys.readouterr().out
    assert "moving-shapes" in printed
    assert "DAVIS" in printed
    assert "below the data root (none is set; type: export TVSEG_DATA=DIR)" in printed
    assert main(["data", "check", f"folder:{clips}"]) == EXIT["ok"]
    assert "2 clips, 6 frames, 6 masks" in capsys.readouterr().out
    (clips / "Annotations/bee/00001.png").unlink()
    assert main(["data", "check", f"folder:{clips}"]) == EXIT["some failed"]
    assert "bee/00001.png" in capsys.readouterr().out
    assert main(["data", "path", f"folder:{clips}"]) == EXIT["ok"]
    assert capsys.readouterr().out.strip() == str(clips)


def test_info_of_a_protocol_tells_its_metrics(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "temporal"]) == EXIT["ok"]
    printed = capsys.readouterr().out
    assert re.search(
        r"^flip_rate +0\.\.1 +share +lower +share of pixels", printed, flags=re.MULTILINE
    )
    assert main(["info", "temporal", "--json"]) == EXIT["ok"]
    card = json.loads(capsys.readouterr().out)
    assert next(iter(card["metrics"])) == card["headline"]
    assert card["metrics"]["drift"]["range"] == [-1, 1]


def test_python_dash_m(tmp_path: Path) -> None:
    run = [sys.executable, "-m", "tvseg_bench", "--version"]
    assert subprocess.check_output(run, cwd=tmp_path, text=True).strip() == (
        f"tvseg-bench {__version__}"
    )


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m tvseg_bench info kmeans-clip | head -1"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""


def test_debug_shows_the_traceback() -> None:
    run = [sys.executable, "-m", "tvseg_bench", "--debug", "info", "nothing-of-the-kind"]
    done = subprocess.run(run, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert "Traceback" in done.stderr


def test_python_takes_the_same_names_and_gives_the_same_results(
    clips: Path, tmp_path: Path
) -> None:
    import tvseg_bench
    from tvseg_bench.benchmark.results.result import comparable_fields

    main(grid(clips, tmp_path / "typed"))
    report = tvseg_bench.run(
        "baseline/pixels",
        ["kmeans-frame", "kmeans-clip"],
        f"folder:{clips}",
        output=tmp_path / "called",
        overrides={"protocol.all.size": 64, "protocol.all.n_init": 2},
    )
    for result in report.results:
        stored = json.loads((tmp_path / f"typed/results/{result.cell_id}.json").read_text())
        mine = comparable_fields(result)
        assert {key: stored[key] for key in mine} == mine


def test_python_shows_progress_where_it_is_asked_for(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import tvseg_bench
    from tvseg_bench.benchmark.errors import UsageError
    from tvseg_bench.benchmark.execution.callbacks import RunCallbacks

    values: dict[str, Any] = {
        "dataset": f"folder:{clips}",
        "output": tmp_path / "out",
        "overrides": {"protocol.all.size": 64, "protocol.all.n_init": 2},
    }
    tvseg_bench.run("baseline/pixels", "kmeans-frame", **values)
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "")
    tvseg_bench.run("baseline/pixels", "kmeans-clip", **values, progress="lines")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "✓ baseline/pixels × kmeans-clip" in printed.err
    with pytest.raises(UsageError, match="unknown progress 'line'; did you mean 'lines'"):
        tvseg_bench.run("baseline/pixels", "kmeans-clip", **values, progress="line")
    with pytest.raises(UsageError, match="callbacks and progress exclude each other"):
        tvseg_bench.run("baseline/pixels", **values, progress="auto", callbacks=RunCallbacks())


def test_progress_is_no_key_of_a_config(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("progress: lines\n")
    assert main(grid(clips, tmp_path / "out", "--config", str(config))) == EXIT["usage"]
    assert "progress" in capsys.readouterr().err
    assert main(grid(clips, tmp_path / "out", "--progress", "lines")) == EXIT["ok"]


@pytest.mark.parametrize("action", ["get", "path"])
@pytest.mark.parametrize(
    ("model", "verb"), [("baseline/pixels", "takes"), ("timet/tiny", "needs")]
)
def test_a_model_without_weights_has_none_to_fetch(
    action: str, model: str, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["weights", action, model]) == EXIT["usage"]
    out, err = capsys.readouterr()
    assert out == ""
    assert f"{model} {verb} no weights file, so there is none to fetch; type: " in err


def test_a_refused_submission_prints_its_sentence_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = tmp_path / "x.zip"
    archive.write_bytes(b"no zip")
    assert main(["submit", "check", str(archive)]) == EXIT["some failed"]
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
