import pytest

from tvseg_bench.benchmark.data.diagnose import check
from tvseg_bench.benchmark.data.readers.vspw import inventory
from tvseg_bench.benchmark.errors import DataError, UsageError


@pytest.fixture
def vspw(tree):
    """Two videos of val, one of train, one of test without masks."""
    for video in ("10_a", "9_b", "11_c", "12_d"):
        for t in (0, 7):
            tree.image(f"VSPW_480p/data/{video}/origin/{t:08d}.jpg")
            if video != "12_d":
                tree.mask(f"VSPW_480p/data/{video}/mask/{t:08d}.png", (0, 1, 124, 255))
    tree.text("VSPW_480p/val.txt", "10_a\n9_b\n")
    tree.text("VSPW_480p/train.txt", "11_c\n")
    tree.text("VSPW_480p/test.txt", "12_d\n")
    return type(tree)(tree.root / "VSPW_480p")


def test_classes_are_one_less_than_stored_and_two_values_are_void(vspw):
    data = inventory(vspw.root.parent, None).open()
    assert (data.split, [clip.name for clip in data.clips]) == ("val", ["10_a", "9_b"])
    labels = data.clips[0].semantic(1)
    assert labels[0, [0, 4, 8, 12]].tolist() == [255, 0, 123, 255]
    assert (data.classes[0], data.classes[123], len(data.classes)) == ("wall", "train", 124)
    assert data.card.background is None
    assert data.clips[0].instance is None


def test_every_file_is_checked(vspw):
    report = check("vspw", None, vspw.root.parent)
    assert report.ok
    assert (report.clips, report.frames, report.masks) == (2, 4, 4)
    assert sorted(report.pixels) == [0, 123, 255]
    vspw.mask("data/9_b/mask/00000007.png", (1, 125))
    assert [found.text for found in check("vspw", None, vspw.root).findings] == [
        "data/9_b/mask/00000007.png holds the value 125: masks of VSPW hold 0 to 124, and 255 for "
        "void"
    ]


def test_a_model_is_scored(vspw, scored):
    result = scored("vspw", vspw.root.parent)
    assert (result.status, result.dataset.n_clips) == ("ok", 2)


def test_test_masks_are_not_public(vspw):
    clip = inventory(vspw.root, "test").open().clips[0]
    with pytest.raises(DataError, match="the masks of the test videos are not public"):
        clip.semantic(0)


@pytest.mark.parametrize("damage", ["empty", "hidden"])
def test_damaged_frames(vspw, damage):
    frame = vspw.root / "data/9_b/origin/00000000.jpg"
    if damage == "empty":  # as some frames of the first archive are
        frame.write_bytes(b"")
        report = check("vspw", None, vspw.root)
        assert [found.kind for found in report.findings] == ["image-unreadable"]
    else:
        frame.with_name("._00000000.jpg").write_bytes(b"left by macOS")
        assert check("vspw", None, vspw.root).ok


def test_wrong_trees(vspw, tmp_path):
    with pytest.raises(UsageError, match="unknown split of vspw 'valid'; did you mean 'val'"):
        inventory(vspw.root, "valid")
    vspw.text("val.txt", "../../outside\n")
    with pytest.raises(
        DataError, match=r"val\.txt names '\.\./\.\./outside', which is not a path"
    ):
        inventory(vspw.root, "val")
    vspw.text("val.txt", "13_e\n")
    with pytest.raises(
        DataError, match="not complete: clip '13_e' has no frames: its folder data"
    ):
        inventory(vspw.root, "val").open()
    (vspw.root / "data").rename(vspw.root / "frames")
    with pytest.raises(DataError, match=r"vspw is not found below .*VSPW_480p has no data\)"):
        inventory(vspw.root.parent, None)
