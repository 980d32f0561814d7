"""What a run records: which clips, what is in their images, and how untrusted ones are read."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import tvseg_bench
from tvseg_bench.benchmark.metrics.contingency import contingency
from tvseg_bench.benchmark.metrics.iou import class_counts, mean_iou
from tvseg_bench.benchmark.metrics.matching import Match
from tvseg_bench.benchmark.recording.colours import pca_colours
from tvseg_bench.benchmark.recording.images import reduced_size
from tvseg_bench.benchmark.recording.reader import LONG_SIDE, RecordedCell, Recording
from tvseg_bench.benchmark.recording.writer import spread
from tvseg_bench.benchmark.results.result import Result
from tvseg_bench.benchmark.results.text import ResultError

SCOPES = ("frame", "clip", "dataset")
SMALL = {"protocol.all.size": 112}
"""What the model sees; maps and truth are as large as ever."""


@given(st.integers(1, 500), st.integers(0, 500))
def test_spread_is_ordered_and_holds_both_ends(total: int, count: int) -> None:
    found = spread(total, count)
    assert len(found) == min(total, count)
    assert found == sorted(set(found))
    assert all(0 <= i < total for i in found)
    if count >= 2 and total >= 2:
        assert (found[0], found[-1]) == (0, total - 1)


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_reduced_size_keeps_the_shape_and_is_bounded(height: int, width: int) -> None:
    small = reduced_size((height, width))
    assert max(small) <= LONG_SIDE
    assert min(small) >= 1
    if max(height, width) <= LONG_SIDE:
        assert small == (height, width)


@pytest.mark.parametrize("depth", [8, 200])
def test_colours_do_not_depend_on_the_basis(depth: int) -> None:
    rng = np.random.default_rng(0)
    tokens = rng.gamma(1.0, size=(3, 5, 6, depth)) * np.arange(depth, 0, -1.0) ** 8
    tokens /= tokens.std()
    turned = tokens @ np.linalg.qr(rng.standard_normal((depth, depth)))[0] + 3.0
    difference = pca_colours(tokens).astype(int) - pca_colours(turned).astype(int)
    assert abs(difference).max() <= 1
    assert pca_colours(-tokens).shape == (3, 5, 6, 3)
    assert (pca_colours(np.ones((2, 2, 2, 1))) == 128).all()
    assert (pca_colours(np.ones((2, 2, 2, 200))) == 128).all()
    assert pca_colours(tokens, [0, 2]).shape == (2, 5, 6, 3)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All clips of moving-shapes, by raw pixels, in every scope."""
    out = tmp_path_factory.mktemp("kept")
    protocols = [f"kmeans-{scope}" for scope in SCOPES]
    tvseg_bench.run("baseline/pixels", protocols, "moving-shapes", output=out, overrides=SMALL)
    return out


def cell_of(run: Path, scope: str) -> RecordedCell:
    for path in sorted((run / "results").glob("*.json")):
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["protocol"]["id"] == f"kmeans-{scope}":
            return RecordedCell(run, data["cell_id"])
    raise AssertionError(scope)


@pytest.mark.parametrize("scope", SCOPES)
def test_kept_maps_give_the_scores_again(run: Path, scope: str) -> None:
    """The frames are small enough to be kept as they are, so nothing may differ."""
    cell = cell_of(run, scope)
    kept = cell.read()
    assert kept.scope == scope
    assert len(kept.clips) == 12
    for clip in kept.clips:
        maps, truth = cell.maps(clip), cell.truth(clip)
        assert maps.shape == truth.shape == (10, 224, 288)
        assert cell.images(clip).shape == (10, 224, 288, 3)
        units = {u.start: u for u in clip.units}
        for i, position in enumerate(clip.positions):
            unit = units[position] if scope == "frame" else units[0]
            match = Match(np.array(unit.clusters), np.array(unit.assigned))
            counts = class_counts(contingency(truth[i], maps[i]), match)
            assert mean_iou(counts) == pytest.approx(clip.series[position], abs=1e-9)


def test_scores_of_clips_are_those_of_the_rows(run: Path) -> None:
    cell = cell_of(run, "clip")
    rows = (run / "samples" / f"{cell.cell_id}.jsonl").read_text(encoding="utf-8").splitlines()
    said = {row["clip"]: row["metrics"]["miou"] for row in map(json.loads, rows[1:])}
    for clip in cell.read().clips:
        assert clip.score == pytest.approx(said[clip.clip], abs=1e-9)


def test_features_as_colours_are_kept_where_one_basis_serves_a_clip(run: Path) -> None:
    for scope in SCOPES:
        cell = cell_of(run, scope)
        clip = cell.read().clips[0]
        colours = cell.pca(clip)
        assert (colours is None) == (scope == "frame")
        if colours is not None:
            assert colours.shape == (10, *clip.grid, 3)


def test_frames_and_truth_lie_once_for_all_cells(run: Path) -> None:
    clips = [cell_of(run, scope).read().clips for scope in SCOPES]
    assert len({tuple(c.image for c in found) for found in clips}) == 1
    files = list((run / "media" / "data").iterdir())
    assert len(files) == 24


def test_few_clips_are_kept_and_the_extremes_among_them(tmp_path: Path) -> None:
    out = tmp_path / "run"
    tvseg_bench.run(
        "baseline/pixels", "kmeans-clip", "moving-shapes", output=out, keep=1, overrides=SMALL
    )
    kept = cell_of(out, "clip").read()
    assert kept.candidates == 12
    assert 3 <= len(kept.clips) <= 4
    path = next((out / "samples").iterdir())
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    scores = {row["clip"]: row["metrics"]["miou"] for row in rows}
    order = sorted(scores, key=lambda name: scores[name])
    assert {order[0], order[6], order[-1]} <= {clip.clip for clip in kept.clips}


def test_the_clips_of_every_model_are_kept_however_few_candidates_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tvseg_bench.benchmark.recording.writer.CANDIDATES", 5)
    tvseg_bench.run(
        "baseline/pixels", "kmeans-clip", "moving-shapes", output=tmp_path, keep=4, overrides=SMALL
    )
    names = [clip.name for clip in tvseg_bench.load_dataset("moving-shapes:val").clips]
    kept = {clip.clip for clip in cell_of(tmp_path, "clip").read().clips}
    assert {names[i] for i in spread(12, 4)} <= kept


def test_nothing_is_kept_when_asked_so_and_numbers_are_the_same(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    tvseg_bench.run(
        "baseline/pixels", "kmeans-clip", "moving-shapes", output=out, keep=0, overrides=SMALL
    )
    assert not (out / "media").exists()
    cell = cell_of(out, "clip")
    rows = [f / "samples" / f"{cell.cell_id}.jsonl" for f in (run, out)]
    assert rows[0].read_bytes() == rows[1].read_bytes()


Spoil = Callable[[Path, dict[str, object]], None]


def _clip(data: dict[str, object]) -> dict[str, object]:
    clips = data["clips"]
    assert isinstance(clips, list)
    first: dict[str, object] = clips[0]
    return first


def leads_elsewhere(folder: Path, data: dict[str, object]) -> None:
    _clip(data)["maps"] = "../../secret.png"


def is_absolute(folder: Path, data: dict[str, object]) -> None:
    _clip(data)["image"] = "/etc/passwd"


def of_another_cell(folder: Path, data: dict[str, object]) -> None:
    data["cell_id"] = "0" * 16


def wide_table(folder: Path, data: dict[str, object]) -> None:
    units = _clip(data)["units"]
    assert isinstance(units, list)
    units[0]["table"][0].append(1)


def enormous(folder: Path, data: dict[str, object]) -> None:
    _clip(data)["size"] = [100_000, 100_000]


def unknown_field(folder: Path, data: dict[str, object]) -> None:
    data["script"] = "<script>"


def other_picture(folder: Path, data: dict[str, object]) -> None:
    Image.new("L", (3, 3)).save(folder / str(_clip(data)["maps"]))


def other_mode(folder: Path, data: dict[str, object]) -> None:
    Image.new("RGB", (288, 2240)).save(folder / str(_clip(data)["maps"]))


def no_picture(folder: Path, data: dict[str, object]) -> None:
    (folder / str(_clip(data)["maps"])).write_bytes(b"\x89PNG not at all")


def pipe(folder: Path, data: dict[str, object]) -> None:
    path = folder / str(_clip(data)["maps"])
    path.unlink()
    os.mkfifo(folder.parent / "pipe")
    path.symlink_to(folder.parent / "pipe")


def loop(folder: Path, data: dict[str, object]) -> None:
    path = folder / str(_clip(data)["maps"])
    path.unlink()
    path.symlink_to(path.name)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (leads_elsewhere, "maps"),
        (is_absolute, "image"),
        (of_another_cell, "belongs to the cell 0000000000000000"),
        (wide_table, "do not have the same length"),
        (enormous, "size"),
        (unknown_field, "script"),
        (other_picture, "is 3x3, and kept.json states 288x2240"),
        (other_mode, "is a RGB image"),
        (no_picture, "is not a readable PNG"),
        (pipe, "is not a regular file"),
        (loop, "cannot be opened"),
    ],
)
def test_what_strangers_changed_is_refused_in_one_sentence(
    run: Path, tmp_path: Path, spoil: Spoil, said: str
) -> None:
    import shutil

    out = tmp_path / "run"
    shutil.copytree(run, out)
    cell = cell_of(out, "clip")
    path = cell.folder / "kept.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    spoil(cell.folder, data)
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(ResultError, match=said) as caught:
        cell.maps(cell.read().clips[0])
    assert "\n" not in str(caught.value)


def test_linked_folders_and_files_are_read(run: Path, tmp_path: Path) -> None:
    cell = cell_of(run, "clip")
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / cell.cell_id).symlink_to(cell.folder)
    (tmp_path / "media/data").mkdir()
    for file in cell.data.iterdir():
        (tmp_path / "media/data" / file.name).symlink_to(file)
    linked = RecordedCell(tmp_path, cell.cell_id)
    recording = linked.read()
    assert recording == cell.read()
    for clip in recording.clips:
        assert np.array_equal(linked.maps(clip), cell.maps(clip))
        assert np.array_equal(linked.images(clip), cell.images(clip))


def test_a_model_s_own_clusters_are_kept(tmp_path: Path) -> None:
    segmenter = Path(__file__).parents[3] / "examples/segmenter/palette_plugin.py"
    for scope in SCOPES:
        report = tvseg_bench.run(
            f"file:{segmenter}:build",
            "segmenter",
            "moving-shapes",
            limit=4,
            output=tmp_path,
            overrides={"protocol.segmenter.scope": scope},
        )
        cell = RecordedCell(tmp_path, report.results[0].cell_id)
        kept = cell.read()
        assert kept.scope == scope
        clip = kept.clips[0]
        maps, truth = cell.maps(clip), cell.truth(clip)
        for i, position in enumerate(clip.positions):
            unit = clip.units[position] if scope == "frame" else clip.units[0]
            known = np.isin(maps[i], unit.clusters)
            match = Match(np.array(unit.clusters), np.array(unit.assigned))
            counts = class_counts(contingency(truth[i][known], maps[i][known]), match)
            assert clip.series[position] is not None
            if known.all():
                assert mean_iou(counts) == pytest.approx(clip.series[position], abs=1e-9)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Result]]:
    """Protocols that are no k-means of their own, over all clips of moving-shapes."""
    out = tmp_path_factory.mktemp("other")
    names = ["linear", "retrieval", "propagation", "foreground", "foreground-classes", "temporal"]
    made = tvseg_bench.run("baseline/pixels", names, "moving-shapes", output=out, overrides=SMALL)
    return out, {result.protocol.id: result for result in made.results}


def kept_of(
    other: tuple[Path, dict[str, Result]], protocol: str
) -> tuple[RecordedCell, Recording]:
    cell = RecordedCell(other[0], other[1][protocol].cell_id)
    kept = cell.read()
    assert len(kept.clips) >= 3
    assert all(cell.pca(clip) is not None for clip in kept.clips)
    return cell, kept


def rows_of(other: tuple[Path, dict[str, Result]], protocol: str) -> dict[str, dict[str, Any]]:
    path = other[0] / "samples" / f"{other[1][protocol].cell_id}.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    return {row["clip"]: row for row in rows if row.get("frame") is None}


@pytest.mark.parametrize("protocol", ["linear", "retrieval"])
def test_what_a_probe_predicts_is_kept(
    other: tuple[Path, dict[str, Result]], protocol: str
) -> None:
    cell, kept = kept_of(other, protocol)
    assert (kept.scope, kept.metric) == ("labels", "mIoU")
    rows = rows_of(other, protocol)
    for clip in kept.clips:
        table = contingency(cell.truth(clip), cell.maps(clip))
        same = Match(table.clusters, table.clusters)
        counts = class_counts(table, same)
        assert clip.score == pytest.approx(mean_iou(counts), abs=1e-9)
        said = rows[clip.clip]["counts"]
        hits = dict(zip(said["labels"], said["tp"], strict=True))
        assert {k: v for k, v in hits.items() if v} == {
            int(k): int(v) for k, v in zip(counts.labels, counts.tp, strict=True) if v
        }


def test_what_is_propagated_is_kept(other: tuple[Path, dict[str, Result]]) -> None:
    cell, kept = kept_of(other, "propagation")
    assert (kept.scope, kept.labels, kept.metric) == ("labels", "instance", "J&F")
    rows = rows_of(other, "propagation")
    for clip in kept.clips:
        assert clip.score == pytest.approx(rows[clip.clip]["metrics"]["jf"], abs=1e-9)
        maps, truth = cell.maps(clip), cell.truth(clip)
        assert (maps[0] == truth[0]).all()
        assert clip.series[0] is None
        ids = sorted(set(np.unique(truth[0])) - {0})
        for i, position in enumerate(clip.positions[1:], start=1):
            j = [
                ((maps[i] == n) & (truth[i] == n)).sum()
                / max(((maps[i] == n) | (truth[i] == n)).sum(), 1)
                if ((maps[i] == n) | (truth[i] == n)).any()
                else 1.0
                for n in ids
            ]
            assert clip.series[position] == pytest.approx(np.mean(j), abs=1e-9)


def test_foreground_is_kept(other: tuple[Path, dict[str, Result]]) -> None:
    cell, kept = kept_of(other, "foreground")
    assert (kept.scope, kept.metric, kept.of_frames) == ("labels", "IoU", "IoU")
    rows = rows_of(other, "foreground")
    for clip in kept.clips:
        assert clip.score == pytest.approx(rows[clip.clip]["metrics"]["fg_iou"], abs=1e-9)
        maps, truth = cell.maps(clip), cell.truth(clip)
        assert set(np.unique(truth)) <= {0, 1}
        for i, position in enumerate(clip.positions):
            if clip.series[position] is not None:
                both, either = (maps[i] & truth[i]).sum(), (maps[i] | truth[i]).sum()
                assert clip.series[position] == pytest.approx(both / either, abs=1e-9)


@pytest.mark.parametrize(
    ("protocol", "scope", "metric"),
    [("foreground-classes", "dataset", "mIoU"), ("temporal", "clip", "vc8_iou")],
)
def test_clusters_of_other_protocols_are_kept(
    other: tuple[Path, dict[str, Result]], protocol: str, scope: str, metric: str
) -> None:
    cell, kept = kept_of(other, protocol)
    assert (kept.scope, kept.metric) == (scope, metric)
    rows = rows_of(other, protocol)
    for clip in kept.clips:
        (unit,) = clip.units
        match = Match(np.array(unit.clusters), np.array(unit.assigned))
        maps, truth = cell.maps(clip), cell.truth(clip)
        counts = class_counts(contingency(truth, maps), match)
        if protocol == "temporal":
            assert clip.score == pytest.approx(rows[clip.clip]["metrics"]["vc8_iou"], abs=1e-9)
            assert mean_iou(counts) == pytest.approx(rows[clip.clip]["metrics"]["miou"], abs=1e-9)
        else:
            assert clip.score == pytest.approx(mean_iou(counts), abs=1e-9)
        for i, position in enumerate(clip.positions):
            own = class_counts(contingency(truth[i], maps[i]), match)
            assert clip.series[position] == pytest.approx(mean_iou(own), abs=1e-9)


@pytest.mark.parametrize("protocol", ["linear", "foreground:leopart"])
def test_halves_of_a_data_set_are_told_apart(
    tmp_path: Path, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without training clips each half is scored by the other, and counts its own clips."""
    monkeypatch.setattr("tvseg_bench.benchmark.execution.plan._training", lambda *_: None)
    ran = tvseg_bench.run(
        "selfdistil/tiny", protocol, "moving-shapes", output=tmp_path, limit=7, overrides=SMALL
    )
    (made,) = ran.results
    assert made.status == "ok", made.reason
    cell = RecordedCell(tmp_path, made.cell_id)
    rows = (tmp_path / "samples" / f"{cell.cell_id}.jsonl").read_text("utf-8").splitlines()[1:]
    scored = {row["clip"] for row in map(json.loads, rows) if row.get("frame") is None}
    clips = cell.read().clips
    assert {clip.clip for clip in clips} == scored
    assert len(scored) == (7 if protocol == "linear" else 4)
    shapes = {clip.name: clip for clip in tvseg_bench.load_dataset("moving-shapes").clips}
    for clip in clips:
        frame = Image.fromarray(shapes[clip.clip].image(clip.frames[0]))
        own = frame.resize(clip.size[::-1], Image.Resampling.BOX)
        assert abs(cell.images(clip)[0].astype(int) - np.asarray(own)).mean() < 6  # but for JPEG
