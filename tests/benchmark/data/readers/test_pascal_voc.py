import numpy as np
import pytest

from tvseg_bench.benchmark.data.readers.pascal_voc import inventory
from tvseg_bench.benchmark.errors import DataError


def test_each_image_is_a_clip_of_one_frame(voc):
    data = inventory(voc.root.parents[1], None).open()
    assert (data.split, [clip.name for clip in data.clips]) == (
        "val",
        ["2007_000002", "2007_000001"],
    )
    assert {clip.n_frames for clip in data.clips} == {1}
    assert np.unique(data.clips[0].semantic(0)).tolist() == [0, 15, 255]
    assert len(data.classes) == 21


def test_trainaug_reads_the_augmented_masks(voc):
    data = inventory(voc.root, "trainaug").open()
    assert [clip.name for clip in data.clips] == ["2008_000003"]
    assert np.unique(data.clips[0].semantic(0)).tolist() == [0, 20]


def test_trainaug_without_the_augmented_masks(voc):
    (voc.root / "SegmentationClassAug").rename(voc.root / "elsewhere")
    with pytest.raises(DataError, match="trainaug needs the masks SegmentationClassAug beside"):
        inventory(voc.root, "trainaug")


def test_listed_image_that_is_not_there(voc):
    voc.text("ImageSets/Segmentation/val.txt", "2007_000001\n2009_999999\n")
    with pytest.raises(DataError) as error:
        inventory(voc.root, None).open()
    assert str(error.value) == (
        "pascal-voc-2012:val is not complete: ImageSets/Segmentation/val.txt lists '2009_999999', "
        "but JPEGImages/2009_999999.jpg is not there; "
        "type: tvseg-bench data check pascal-voc-2012:val"
    )


def test_image_without_mask(voc):
    (voc.root / "SegmentationClass/2007_000002.png").unlink()
    clip = inventory(voc.root, None).open().clips[0]
    with pytest.raises(DataError, match="SegmentationClass has no mask for JPEGImages/2007_0"):
        clip.semantic(0)


def test_unknown_class(voc):
    voc.mask("SegmentationClass/2007_000002.png", (0, 21), "P")
    clip = inventory(voc.root, None).open().clips[0]
    with pytest.raises(DataError, match="value 21: masks of PASCAL VOC hold 0 to 20, and 255 for"):
        clip.semantic(0)
