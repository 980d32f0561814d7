"""MOVi as the committed converter writes it, from samples of the form that is published."""

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tvseg_bench.benchmark.data.diagnose import check
from tvseg_bench.benchmark.data.readers.movi import inventory_c, inventory_e
from tvseg_bench.benchmark.errors import DataError

SCRIPT = Path(__file__).parents[4] / "scripts/convert_movi.py"
FRAMES, HEIGHT, WIDTH = 3, 16, 24
STEP = 2
"""Pixels that the object moves to the right, from frame to frame."""


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("convert_movi", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sample(seed=0):
    """A square that moves over a still background, as tensorflow_datasets gives it."""
    rng = np.random.default_rng(seed)
    video = rng.integers(0, 255, (FRAMES, HEIGHT, WIDTH, 3), np.uint8)
    ids = np.zeros((FRAMES, HEIGHT, WIDTH, 1), np.uint8)
    for t in range(FRAMES):
        ids[t, 4:12, 4 + STEP * t : 10 + STEP * t] = 1
    there = np.zeros((FRAMES, HEIGHT, WIDTH, 2), np.uint16)
    there[ids[..., 0] == 1, 1] = 65535  # (delta_row, delta_column)
    back = np.full((FRAMES, HEIGHT, WIDTH, 2), 65535, np.uint16)
    back[ids[..., 0] == 1, 1] = 0
    return {
        "video": video,
        "segmentations": ids,
        "forward_flow": there,
        "backward_flow": back,
        "depth": np.where(ids, 0, 65535).astype(np.uint16),
        "metadata": {
            "forward_flow_range": np.array([0, STEP], np.float32),
            "backward_flow_range": np.array([-STEP, 0], np.float32),
            "depth_range": np.array([1.5, 20], np.float32),
        },
    }


@pytest.fixture
def movi(tmp_path, script, monkeypatch):
    """A data root with two clips of MOVi-C, converted."""
    asked = []

    def load(name, **options):
        asked.append((name, options))
        return [sample(0), sample(1), sample(2)]

    fake = SimpleNamespace(load=load, as_numpy=iter)
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", fake)
    script.main(["c", str(tmp_path), "--limit", "2"])
    assert asked == [
        (
            "movi_c/256x256",
            {"split": "validation", "data_dir": "gs://kubric-public/tfds", "shuffle_files": False},
        )
    ]
    return tmp_path


def test_frames_and_objects(movi):
    data = inventory_c(movi, None).open()
    assert (data.split, [clip.name for clip in data.clips]) == ("validation", ["00000", "00001"])
    wanted = sample(1)
    clip = data.clips[1]
    for t in range(FRAMES):
        np.testing.assert_array_equal(clip.image(t), wanted["video"][t])
        np.testing.assert_array_equal(clip.instance(t), wanted["segmentations"][t, ..., 0])
    assert clip.semantic is None


def test_motion_is_in_pixels_and_absent_where_it_is_hidden(movi):
    clip = inventory_c(movi, None).open().clips[0]
    ids = sample()["segmentations"][..., 0]
    for t in range(FRAMES - 1):
        flow = clip.flow(t)
        assert flow.shape == (HEIGHT, WIDTH, 2)
        np.testing.assert_array_equal(flow[ids[t] == 1], [[STEP, 0]] * int((ids[t] == 1).sum()))
        covered = (ids[t] == 0) & (ids[t + 1] == 1)
        assert np.isnan(flow[covered]).all()
        assert covered.sum() == 8 * STEP
        np.testing.assert_array_equal(flow[(ids[t] == 0) & ~covered], 0)


def test_depth_is_in_units_of_the_scene(movi):
    clip = inventory_c(movi, None).open().clips[0]
    ids = sample()["segmentations"][..., 0]
    np.testing.assert_array_equal(clip.depth(2), np.where(ids[2], np.float32(1.5), 20))


def test_motion_and_depth_may_be_absent(movi):
    for part in ("forward_flow", "depth"):
        (movi / "movi_c/validation" / part).rename(movi / part)
    clip = inventory_c(movi, None).open().clips[0]
    assert clip.flow is None
    assert clip.depth is None


def test_every_file_is_checked(movi):
    whole = inventory_c(movi, None).manifest_sha256
    report = check("movi-c", None, movi)
    assert report.ok
    assert (report.frames, report.masks) == (6, 6)
    folder = movi / "movi_c/validation"
    (folder / "forward_flow/00000/00000.npz").unlink()
    np.savez(folder / "forward_flow/00000/00001.npz", flow=np.zeros((3, 3, 2), np.float32))
    (folder / "depth/00001/00002.npz").write_bytes(b"not an archive")
    report = check("movi-c", None, movi)
    assert report.counts == {"file-unreadable": 3}
    starts = (
        "the flow validation/forward_flow/00000/00000.npz is not there",
        "the flow validation/forward_flow/00000/00001.npz cannot be used: its array `flow` is",
        "validation/depth/00001/00002.npz cannot be used: File is not a zip file; expected an",
    )
    for found, start in zip(report.findings, starts, strict=True):
        assert f": {start}" in found.text
        assert str(movi) not in found.text
    assert inventory_c(movi, None).manifest_sha256 != whole


def test_a_model_is_scored(movi, scored):
    result = scored("movi-c", movi)
    assert (result.status, result.dataset.n_clips) == ("ok", 2)


def test_a_stopped_conversion_goes_on(movi, script):
    folder = movi / "movi_c/validation"
    kept = (folder / "depth/00000/00000.npz").stat().st_mtime_ns
    (folder / "frames/00000").rename(movi / "lost")
    script.write_clip(sample(), folder, "00000")
    assert (folder / "depth/00000/00000.npz").stat().st_mtime_ns == kept
    assert len(list((folder / "frames/00000").iterdir())) == FRAMES
    assert not list(folder.glob("*/.*"))


def test_without_tensorflow_datasets(tmp_path, script, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(
        SystemExit, match="needs tensorflow_datasets, which is not installed; type"
    ):
        script.main(["e", str(tmp_path)])
    assert not list(tmp_path.iterdir())


def test_wrong_trees(movi):
    with pytest.raises(
        DataError, match=r"^movi-e is not found below .*scripts/convert_movi\.py to"
    ):
        inventory_e(movi, None)
    with pytest.raises(DataError, match="has no list of split 'train' in"):
        inventory_c(movi, "train")
    (movi / "movi_e/256x256/1.0.0").mkdir(parents=True)
    (movi / "movi_e/256x256/1.0.0/dataset_info.json").write_text("{}")
    with pytest.raises(
        DataError, match="movi_e holds the files of tensorflow_datasets, which scr"
    ):
        inventory_e(movi, None)
    (movi / "movi_c/validation/segmentations").rename(movi / "masks")
    with pytest.raises(DataError, match=r"^movi-c in .* has no validation/segmentations; wanted"):
        inventory_c(movi, None)
