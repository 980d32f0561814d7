import numpy as np
import pytest

from tvseg_bench.benchmark.data.cards import CITYSCAPES
from tvseg_bench.benchmark.data.diagnose import check
from tvseg_bench.benchmark.data.readers.cityscapes import inventory_19, inventory_27
from tvseg_bench.benchmark.errors import DataError, UsageError
from tvseg_bench.tests.benchmark.data.readers.official_trees import cityscapes


@pytest.mark.parametrize(
    ("inventory", "ids", "last"),
    [(inventory_19, [0, 18, 255], 18), (inventory_27, [0, 2, 26, 255], 26)],
)
def test_classes_of_the_benchmark_and_all_that_are_not_void(tree, inventory, ids, last):
    data = inventory(cityscapes(tree).parent, None).open()
    assert data.split == "val"
    assert [clip.name for clip in data.clips] == [
        "frankfurt/frankfurt_000001_000294",
        "munster/munster_000000_000019",
    ]
    assert np.unique(data.clips[0].semantic(0)).tolist() == ids
    assert (data.classes[0], data.classes[last]) == ("road", "bicycle")
    assert data.card.background is None


def test_19_classes_are_in_the_order_of_the_train_ids():
    assert CITYSCAPES.classes[6:12] == (
        *("traffic light", "traffic sign", "vegetation", "terrain", "sky", "person"),
    )


def test_a_snippet_is_void_but_for_the_labelled_frame(tree):
    root = cityscapes(tree, sequence=True)
    data = inventory_19(root, "val-sequence").open()
    assert [(clip.name, clip.n_frames) for clip in data.clips] == [
        ("frankfurt/frankfurt_000001_000294", 30),
        ("munster/munster_000000_000019", 30),
    ]
    clip = data.clips[0]
    assert clip.frame_names[0] == "frankfurt_000001_000275_leftImg8bit"
    assert np.unique(clip.semantic(19)).tolist() == [0, 18, 255]
    assert clip.semantic(0).shape == clip.image(0).shape[:2]
    for frame in (0, 18, 20, 29):
        assert np.unique(clip.semantic(frame)).tolist() == [255]
    report = check("cityscapes", "val-sequence", root)
    assert report.ok
    assert (report.frames, report.masks) == (60, 2)


def test_splits_are_the_folders(tree):
    root = cityscapes(tree)
    assert inventory_19(root, None).splits == ("val", "train")
    with pytest.raises(DataError, match=r"no list of split 'val-sequence' .*lists there: val, tr"):
        inventory_19(root, "val-sequence")
    with pytest.raises(UsageError, match="unknown split of cityscapes 'test'"):
        inventory_19(root, "test")


def test_snippet_with_a_frame_missing(tree):
    root = cityscapes(tree, sequence=True)
    frames = "leftImg8bit_sequence/val/frankfurt"
    (root / frames / "frankfurt_000001_000280_leftImg8bit.png").unlink()
    with pytest.raises(DataError, match=r"lacks 1 of its 30 frames, the first of them .*000280_l"):
        inventory_27(root, "val-sequence").open()


def test_frames_without_the_masks(tree):
    root = cityscapes(tree)
    (root / "gtFine").rename(root / "gtCoarse")
    with pytest.raises(DataError, match="cityscapes has no gtFine/val or gtFine/train"):
        inventory_19(root.parent, None)


def test_frame_without_mask(tree):
    root = cityscapes(tree)
    (root / "gtFine/val/munster/munster_000000_000019_gtFine_labelIds.png").unlink()
    clip = inventory_19(root, None).open().clips[1]
    with pytest.raises(DataError, match=r"gtFine/val has no \*_gtFine_labelIds\.png for leftImg"):
        clip.semantic(0)
