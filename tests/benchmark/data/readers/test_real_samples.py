"""The real samples: official files with their official oddities."""

import numpy as np
import pytest

import tvseg_bench.benchmark.data  # noqa: F401
from tvseg_bench.benchmark.data.diagnose import check
from tvseg_bench.benchmark.registry import datasets

pytestmark = pytest.mark.real


def test_davis_2016(real_root):
    data = datasets["davis-2016"].open(real_root, None)
    assert data.split == "train"
    assert {clip.name: clip.n_frames for clip in data.clips} == {
        "bear": 82,
        "dog-agility": 25,
        "drift-turn": 64,
        "motorbike": 43,
        "rollerblade": 35,
        "soccerball": 48,
    }
    bear = data.clips[0]
    assert bear.image(77).shape == (480, 854, 3)
    for frame in (76, 77):  # 77 is the one in mode LA
        assert np.unique(bear.semantic(frame)).tolist() == [0, 1]
    both = (bear.semantic(76) == 1) & (bear.semantic(77) == 1)
    assert both.sum() > 0.9 * (bear.semantic(76) == 1).sum()


def test_davis_2016_is_whole(real_root):
    report = check("davis-2016", "train", real_root)
    assert report.ok
    assert (report.frames, report.masks) == (297, 297)
    assert [found.file for found in report.findings] == ["Annotations/480p/bear/00077.png"]
    assert report.modes == {"L": 296, "LA": 1}


def test_camvid_is_one_drive(real_root):
    report = check("camvid", None, real_root)
    assert report.ok
    assert (report.split, report.clips, report.frames) == ("train", 1, 101)
    assert set(report.pixels) == {*range(11), 255}
    clip = datasets["camvid"].open(real_root, None).clips[0]
    assert clip.name == "0006R0"
    assert list(clip.frame_names) == sorted(clip.frame_names)


def test_pascal_voc(real_root):
    report = check("pascal-voc-2012", None, real_root)
    assert report.ok
    assert (report.split, report.clips, report.frames) == ("train", 100, 100)
    assert report.palette[255] == (224, 224, 192)
    assert 0.03 < report.void_share < 0.08


def test_cdnet_through_a_label_map(real_root, write_yaml):
    reference = write_yaml(
        f"root: {real_root / 'CDnet2014_highway'}\nframes: input\nmasks: groundtruth\n"
        "labels: {0: static, 50: static, 85: void, 170: void, 255: moving}\nbackground: static\n"
    )
    report = check(reference)
    assert report.ok
    assert (report.clips, report.frames, report.masks) == (1, 100, 100)
    assert set(report.pixels) == {0, 1, 255}
    assert report.names == {0: "static", 1: "moving"}


def test_davis_2017_first_frames_as_a_folder(real_root):
    data = datasets[f"folder:{real_root / 'DAVIS2017_firstframes'}"].open(None, None)
    assert len(data.clips) == 10
    assert {clip.n_frames for clip in data.clips} == {1}
    ids = [set(np.unique(clip.instance(0)).tolist()) for clip in data.clips]
    assert all({0, 1} <= seen for seen in ids)
    assert max(map(max, ids)) == 7


def test_videos_as_a_folder(real_root):
    data = datasets[f"folder:{real_root / 'videos/imageio'}"].open(None, None)
    assert (data.clips[0].name, data.clips[0].n_frames) == ("realshort.mp4", 36)
