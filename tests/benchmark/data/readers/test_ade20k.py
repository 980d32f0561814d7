import numpy as np
import pytest

from tvseg_bench.benchmark.data.readers.ade20k import inventory_150, inventory_151
from tvseg_bench.benchmark.errors import DataError, UsageError
from tvseg_bench.tests.benchmark.data.readers.official_trees import ade20k


def test_150_classes_and_void(tree):
    data = inventory_150(ade20k(tree).parent, None).open()
    assert data.split == "val"
    assert [clip.name for clip in data.clips] == ["ADE_val_00000001", "ADE_val_00000002"]
    assert {clip.n_frames for clip in data.clips} == {1}
    assert np.unique(data.clips[0].semantic(0)).tolist() == [0, 149, 255]
    assert (data.classes[0], data.classes[149]) == ("wall", "flag")
    assert len(set(data.classes)) == 150


def test_151_ids_are_as_stored_and_0_is_never_scored(tree):
    root = ade20k(tree)
    data = inventory_151(root, "train").open()
    assert np.unique(data.clips[0].semantic(0)).tolist() == [1, 150, 255]
    assert (data.classes[1], data.classes[150]) == ("wall", "flag")
    plain = inventory_150(root, "train").open().clips[0].semantic(0)
    both = plain != 255
    np.testing.assert_array_equal(data.clips[0].semantic(0)[both], plain[both] + 1)


def test_splits_are_the_folders(tree):
    root = ade20k(tree)
    assert inventory_150(root, None).splits == ("val", "train")
    with pytest.raises(UsageError, match="unknown split of ade20k 'test'"):
        inventory_150(root, "test")
    (root / "images/training").rename(root / "images/elsewhere")
    with pytest.raises(DataError, match="ade20k has no list of split 'train' in the folder imag"):
        inventory_150(root, "train")


def test_the_full_ade20k_is_another_archive(tree):
    tree.image("ADE20K/images/ADE/training/a.jpg")
    with pytest.raises(DataError) as error:
        inventory_150(tree.root, None)
    assert "ADE20K is the full ADE20K, not the archive of the scene parsing" in str(error.value)
    assert "wanted: ADEChallengeData2016.zip" in str(error.value)


def test_image_without_mask_and_unknown_value(tree):
    root = ade20k(tree)
    (root / "annotations/validation/ADE_val_00000001.png").unlink()
    tree.mask("ADEChallengeData2016/annotations/validation/ADE_val_00000002.png", (1, 151))
    first, second = inventory_150(root, None).open().clips
    with pytest.raises(DataError, match="annotations/validation has no mask for images/valid"):
        first.semantic(0)
    with pytest.raises(DataError, match="holds the value 151: masks of the scene parsing bench"):
        second.semantic(0)


def test_an_image_that_is_there_twice(tree):
    root = ade20k(tree)
    tree.image("ADEChallengeData2016/images/validation/ADE_val_00000001.png")
    with pytest.raises(DataError, match=r"has 'ADE_val_00000001' twice, as .*jpg and as .*png"):
        inventory_150(root, None).open()
