"""Predictions beside a run: asked for, written as the official tools read them, kept whole."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.execution.prediction_files import davis_palette
from tvseg_bench.benchmark.execution.run import run_selection
from tvseg_bench.benchmark.execution.selection import make_selection
from tvseg_bench.benchmark.metrics.davis_jf import semi_supervised
from tvseg_bench.benchmark.registry import datasets
from tvseg_bench.benchmark.results.result import comparable_fields

Grid = Callable[..., dict[str, Any]]


@pytest.fixture
def saving(toy_grid: Grid, tmp_path: Path) -> Grid:
    return lambda **changes: toy_grid(
        **{
            "protocol": ["propagation"],
            "save_predictions": tmp_path / "maps",
            "overrides": {"protocol.all.size": 64},
            **changes,
        }
    )


def run(values: dict[str, Any]) -> Any:
    return run_selection(make_selection(values)).results


def test_a_folder_that_official_tools_read_gives_the_scores_of_the_run(
    saving: Grid, tmp_path: Path
) -> None:
    (result,) = run(saving())
    (folder,) = (tmp_path / "maps").iterdir()
    assert folder.name == f"toy-a_propagation_toy-val_{result.cell_id}"
    assert sorted(p.name for p in folder.iterdir()) == ["clip0", "clip1", "clip2"]
    scores = []
    for clip in datasets["toy"].open(None, None).clips:
        maps = []
        for t in range(3):
            with Image.open(folder / clip.name / f"{t:05d}.png") as picture:
                assert picture.mode == "P"
                assert picture.getpalette() == davis_palette().ravel().tolist()
                maps.append(np.array(picture))
        truth = np.stack([clip.semantic(t) for t in range(3)])
        assert (maps[0] == truth[0]).all()
        found = semi_supervised(truth[1:], np.stack(maps[1:]), int(truth.max()))
        scores.append(found.j[truth.max() - 1].mean())
    assert result.metrics["j"].value == pytest.approx(np.mean(scores), abs=1e-12)


def test_saving_moves_no_number_and_no_identity(saving: Grid, tmp_path: Path) -> None:
    (saved,) = run(saving())
    (plain,) = run(saving(save_predictions=None, output=tmp_path / "plain"))
    assert saved.cell_id == plain.cell_id
    assert comparable_fields(saved) == comparable_fields(plain)


def test_a_run_that_goes_on_finds_its_own_files_and_never_touches_others(
    saving: Grid, tmp_path: Path
) -> None:
    run(saving())
    (folder,) = (tmp_path / "maps").iterdir()
    assert run(saving(force=True))[0].status == "ok"
    first = folder / "clip0" / "00001.png"
    first.write_bytes(b"mine")
    (failed,) = run(saving(force=True, fail_fast=True))
    assert failed.status == "failed"
    assert "nothing is overwritten" in failed.reason
    assert first.read_bytes() == b"mine"


def test_what_is_done_is_not_predicted_again_and_that_is_said(saving: Grid) -> None:
    run(saving(save_predictions=None))
    with pytest.warns(UserWarning, match="its predictions are not saved; type --force"):
        run(saving())


def test_protocols_without_predictions_are_refused(saving: Grid, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="kmeans-clip, kmeans-frame writes no predictions"):
        run(saving(protocol=["kmeans-clip,kmeans-frame"]))
    assert not list((tmp_path / "out").glob("results/*"))
    mixed = run(saving(protocol=["kmeans-clip,propagation"]))
    assert [r.status for r in mixed] == ["ok", "ok"]
    assert len(list((tmp_path / "maps").iterdir())) == 1
