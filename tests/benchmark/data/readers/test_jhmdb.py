import numpy as np
import pytest
from scipy.io import savemat

from tvseg_bench.benchmark.data.diagnose import check
from tvseg_bench.benchmark.data.readers.jhmdb import inventory, read_joints
from tvseg_bench.benchmark.errors import DataError
from tvseg_bench.tests.benchmark.data.readers.official_trees import jhmdb, joints_mat


def test_joints_of_every_frame_in_pixels_from_0(tree):
    data = inventory(jhmdb(tree).parent, None).open()
    assert data.split == "test"
    assert [clip.name for clip in data.clips] == ["catch/(x)_Ball!_b", "walk/Street_c"]
    clip = data.clips[0]
    assert clip.n_frames == 3
    points = clip.points(2)
    assert (points.shape, points.dtype) == ((15, 2), np.float32)
    np.testing.assert_array_equal(points, np.stack([np.full(15, 2), np.arange(15) / 2], axis=1))
    assert (len(clip.point_names), clip.point_names[0], clip.point_names[14]) == (
        *(15, "neck", "left ankle"),
    )


def test_training_videos(tree):
    assert [clip.name for clip in inventory(jhmdb(tree), "train").clips] == ["catch/Ball_a"]


def test_the_list_of_timecycle(tree):
    root = jhmdb(tree)
    (root / "splits").rename(root / "elsewhere")
    video = "walk/Street_c"
    line = f"/x/JHMDB/joint_positions/{video}/joint_positions.mat /x/JHMDB/Rename_Images/{video}\n"
    tree.text("JHMDB/testlist_split1.txt", line)
    listed = inventory(root, None)
    assert (listed.splits, [clip.name for clip in listed.clips]) == (("test",), [video])
    tree.text("JHMDB/testlist_split1.txt", " ".join(reversed(line.split())))
    assert [clip.name for clip in inventory(root, None).clips] == [video]
    tree.text("JHMDB/testlist_split1.txt", "joint_positions.mat")
    with pytest.raises(DataError, match=r"instead of .../ACTION/VIDEO"):
        inventory(root, None)


def test_joints_are_checked(tree):
    root = jhmdb(tree)
    report = check("jhmdb", None, root)
    assert report.ok
    assert (report.frames, report.masks, report.beside) == (6, 0, {"points": 6})
    joints_mat(root / "joint_positions/walk/Street_c/joint_positions.mat", 2)
    (root / "joint_positions/catch/(x)_Ball!_b/joint_positions.mat").write_bytes(b"no")
    report = check("jhmdb", None, root)
    assert report.beside == {"points": 2}
    assert report.counts == {"file-unreadable": 4}
    texts = [found.text for found in report.findings]
    assert any("holds 2 frames of joints, the clip has 3" in text for text in texts)
    assert any("joint_positions.mat is not a Matlab file that can be read" in t for t in texts)
    (root / "joint_positions/walk/Street_c/joint_positions.mat").unlink()
    assert check("jhmdb", None, root).counts["label-file"] == 1


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"other": np.zeros(3)}, "holds no array pos_img of numbers"),
        ({"pos_img": "text"}, "holds no array pos_img of numbers"),
        ({"pos_img": np.zeros((2, 13, 4))}, r"is \[2, 13, 4\] instead of \[2, 15, frames\]"),
    ],
)
def test_other_matlab_files(tmp_path, content, sentence):
    savemat(tmp_path / "a.mat", content)
    with pytest.raises(DataError, match=f"^.*a.mat {sentence}|pos_img of a.mat {sentence}"):
        read_joints(tmp_path / "a.mat", "a.mat")


def test_one_frame_of_joints(tmp_path):
    joints_mat(tmp_path / "a.mat", 1)
    assert read_joints(tmp_path / "a.mat", "a.mat").shape == (1, 15, 2)


def test_wrong_line_and_missing_joints(tree):
    root = jhmdb(tree)
    tree.text("JHMDB/splits/walk_test_split1.txt", "Street_c.avi\n")
    with pytest.raises(DataError, match=r"the line 'Street_c\.avi' instead of VIDEO\.avi 1 or 2"):
        inventory(root, None)
    (root / "joint_positions").rename(root / "puppet_mask")
    with pytest.raises(DataError, match="JHMDB has no joint_positions"):
        inventory(root.parent, None)
