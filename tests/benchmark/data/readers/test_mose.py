import numpy as np
import pytest

from tvseg_bench.benchmark.data.diagnose import check
from tvseg_bench.benchmark.data.readers.mose import inventory
from tvseg_bench.benchmark.errors import DataError


@pytest.fixture
def mose(tree):
    """Two videos of train with palette masks, one of valid with the first mask only."""
    for video in ("00a0", "ff1c"):
        for t in range(2):
            tree.image(f"MOSE/train/JPEGImages/{video}/{t:05d}.jpg")
            tree.mask(f"MOSE/train/Annotations/{video}/{t:05d}.png", (0, 1, 2), "P")
    for t in range(2):
        tree.image(f"MOSE/valid/JPEGImages/0b0b/{t:05d}.jpg")
    tree.mask("MOSE/valid/Annotations/0b0b/00000.png", (0, 1), "P")
    return type(tree)(tree.root / "MOSE")


def test_train_is_what_can_be_scored(mose, scored):
    data = inventory(mose.root.parent, None).open()
    assert (data.split, [clip.name for clip in data.clips]) == ("train", ["00a0", "ff1c"])
    assert np.unique(data.clips[0].instance(0)).tolist() == [0, 1, 2]
    assert data.clips[0].semantic is None
    assert data.dataset_labels is None
    result = scored("mose", mose.root.parent)
    assert (result.status, result.dataset.n_clips) == ("ok", 2)


def test_every_file_is_checked(mose):
    report = check("mose", None, mose.root)
    assert report.ok
    assert (report.frames, report.masks, report.modes) == (4, 4, {"P": 4})
    (mose.root / "train/Annotations/ff1c/00001.png").unlink()
    [found] = check("mose", None, mose.root).findings
    assert found.kind == "frame-without-mask"


def test_valid_cannot_be_scored(mose, scored):
    clip = inventory(mose.root, "valid").open().clips[0]
    assert clip.n_frames == 2
    with pytest.raises(DataError, match="only the first frames have public masks, so that they c"):
        clip.instance(0)
    assert scored("mose:valid", mose.root.parent).status != "ok"


def test_wrong_trees(mose):
    (mose.root / "train/Annotations").rename(mose.root / "train/masks")
    with pytest.raises(
        DataError, match=r"^mose in .*MOSE has no train/Annotations; wanted: train"
    ):
        inventory(mose.root, None)
    mose.text("train/meta.json", "{}")
    with pytest.raises(DataError, match=r"MOSE has train/meta\.json, so it is YouTube-VOS"):
        inventory(mose.root.parent, None)
