import numpy as np
import pytest

from tvseg_bench.benchmark.data.readers.vip import inventory
from tvseg_bench.benchmark.errors import DataError
from tvseg_bench.tests.benchmark.data.readers.official_trees import vip


def test_parts_of_the_listed_videos(tree):
    data = inventory(vip(tree).parents[1], None).open()
    assert (data.split, [clip.name for clip in data.clips]) == ("val", ["videos2"])
    clip = data.clips[0]
    assert list(clip.frame_names) == ["000000000001", "000000000026", "000000000051"]
    assert np.unique(clip.semantic(1)).tolist() == [0, 2, 13, 19]
    assert [data.classes[i] for i in (0, 2, 13, 19)] == [
        "background",
        "hair",
        "face",
        "right shoe",
    ]


def test_lists_of_frames_and_flat_folders(tree):
    root = vip(tree)
    assert [clip.name for clip in inventory(root, "train").clips] == ["videos1"]
    (root / "Annotations/Category_ids").rename(root / "Category_ids")
    assert np.unique(inventory(root, None).open().clips[0].semantic(0)).size == 4
    tree.text("VIP/VIP_Fine/lists/val_videos.txt", "/data/VIP_Fine/Images/videos1\nvideos2\n")
    assert [clip.name for clip in inventory(root, None).clips] == ["videos1", "videos2"]


def test_listed_video_that_is_not_there(tree):
    root = vip(tree)
    tree.text("VIP/VIP_Fine/lists/val_videos.txt", "videos7\n")
    with pytest.raises(DataError, match="vip:val is not complete: clip 'videos7' has no frames"):
        inventory(root, None).open()


def test_another_layout(tree):
    root = vip(tree)
    (root / "lists").rename(root / "elsewhere")
    with pytest.raises(DataError, match=r"VIP/VIP_Fine has no lists.*wanted: VIP_Fine, which unp"):
        inventory(root.parents[1], None)


def test_unknown_part(tree):
    root = vip(tree)
    tree.mask("VIP/VIP_Fine/Annotations/Category_ids/videos2/000000000001.png", (0, 20))
    with pytest.raises(DataError, match=r"value 20: masks of VIP .Category_ids. hold 0 to 19"):
        inventory(root, None).open().clips[0].semantic(0)
