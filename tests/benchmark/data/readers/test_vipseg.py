import numpy as np
import pytest
from PIL import Image

from tvseg_bench.benchmark.data.class_names import scenes
from tvseg_bench.benchmark.data.diagnose import check
from tvseg_bench.benchmark.data.readers.vipseg import inventory
from tvseg_bench.benchmark.errors import DataError

VALUES = (0, 1, 61, 6100, 6101, 12400)
"""void, wall, person without instance, two persons, a train."""


@pytest.fixture
def vipseg(tree):
    """A video of val and one of train, masks of 16 bits and of 8."""
    for video in ("1_a", "2_b"):
        for t in (3, 8):
            tree.image(f"VIPSeg/imgs/{video}/{t:08d}.jpg", (6, 12))
            stripes = np.array(VALUES, np.uint16).repeat(2) * np.ones((6, 1), np.uint16)
            path = tree.root / f"VIPSeg/panomasks/{video}/{t:08d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(stripes).save(path)
    tree.mask("VIPSeg/panomasks/1_a/00000008.png", (0, 1, 61), size=(6, 12))
    tree.text("VIPSeg/val.txt", "1_a\n")
    tree.text("VIPSeg/train.txt", "2_b\n")
    return type(tree)(tree.root / "VIPSeg")


def test_classes_and_instances_of_one_mask(vipseg):
    data = inventory(vipseg.root.parent, None).open()
    assert (data.split, data.clips[0].name) == ("val", "1_a")
    clip = data.clips[0]
    assert clip.semantic(0)[0, ::2].tolist() == [255, 0, 60, 60, 60, 123]
    assert clip.instance(0)[0, ::2].tolist() == [255, 0, 61, 6100, 6101, 12400]
    assert [clip.categories[value] for value in (61, 6100, 6101, 12400)] == [60, 60, 60, 123]
    assert data.classes[60] == "person"
    assert np.unique(clip.semantic(1)).tolist() == [0, 60, 255]
    assert np.unique(clip.instance(1)).tolist() == [0, 61, 255]


def test_the_table_of_classes():
    assert (len(scenes.CLASSES), len(set(scenes.CLASSES))) == (124, 124)
    assert (len(scenes.THINGS), set(scenes.THINGS) <= set(scenes.CLASSES)) == (58, True)


def test_every_file_is_checked(vipseg):
    report = check("vipseg", None, vipseg.root)
    assert report.ok
    assert (report.frames, report.masks) == (2, 2)
    assert sorted(report.pixels) == [0, 60, 123, 255]
    Image.fromarray(np.full((6, 12), 12500, np.uint16)).save(
        vipseg.root / "panomasks/1_a/00000003.png"
    )
    [found] = check("vipseg", None, vipseg.root).findings
    assert found.text.startswith("panomasks/1_a/00000003.png holds the value 12500: masks of VIPS")


def test_a_model_is_scored(vipseg, scored):
    result = scored("vipseg", vipseg.root.parent)
    assert (result.status, result.dataset.n_clips) == ("ok", 1)


def test_the_720p_version_and_the_test_videos(vipseg):
    (vipseg.root / "imgs").rename(vipseg.root / "images")
    vipseg.root.rename(vipseg.root.with_name("VIPSeg_720P"))
    root = vipseg.root.with_name("VIPSeg_720P")
    assert inventory(root.parent, None).open().clips[0].image(0).shape == (6, 12, 3)
    (root / "test.txt").write_text("2_b\n")
    (root / "panomasks/2_b").rename(root / "panomasks/elsewhere")
    clip = inventory(root, "test").open().clips[0]
    with pytest.raises(DataError, match="the masks of the test videos are not there"):
        clip.semantic(0)


def test_wrong_trees(vipseg):
    (vipseg.root / "panomasks").rename(vipseg.root / "panomasksRGB")
    with pytest.raises(DataError, match=r"vipseg is not found below .*VIPSeg has no panomasks"):
        inventory(vipseg.root.parent, None)
