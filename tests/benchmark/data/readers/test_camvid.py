import numpy as np
import pytest

from tvseg_bench.benchmark.data.readers.camvid import inventory
from tvseg_bench.benchmark.errors import DataError


def test_a_clip_is_a_drive_in_order_of_time(camvid):
    data = inventory(camvid.root.parent, None).open()
    assert data.split == "test"
    assert [(clip.name, list(clip.frame_names)) for clip in data.clips] == [
        ("0001TP", ["0001TP_008520", "0001TP_008550"]),
        ("Seq05VD", ["Seq05VD_f00000", "Seq05VD_f00030"]),
    ]


def test_11_is_void_and_nothing_is_background(camvid):
    data = inventory(camvid.root.parent, None).open()
    assert np.unique(data.clips[0].semantic(0)).tolist() == [0, 10, 255]
    assert data.card.background is None
    assert len(data.classes) == 11


def test_plain_names_and_relative_paths(camvid):
    wanted = inventory(camvid.root, None)
    names = ["CamVid/test/Seq05VD_f00030.png", "0001TP_008550.png", "Seq05VD_f00000"]
    camvid.text("test.txt", "\n".join([*names, "test\\0001TP_008520.png"]))
    assert inventory(camvid.root, None).clips == wanted.clips


def test_listed_frame_that_is_not_there(camvid):
    camvid.text("test.txt", "0001TP_000001.png\n")
    with pytest.raises(DataError, match=r"test\.txt lists '0001TP_000001\.png', but test/0001TP_"):
        inventory(camvid.root, None).open()


def test_list_without_its_folder_is_no_split(camvid):
    camvid.text("val.txt", "0001TP_000001.png\n")
    with pytest.raises(DataError, match=r"no list of split 'val' .*lists there: test"):
        inventory(camvid.root, "val")


def test_unknown_class(camvid):
    camvid.mask("testannot/0001TP_008520.png", (0, 12))
    clip = inventory(camvid.root, None).open().clips[0]
    with pytest.raises(DataError, match="value 12: masks of CamVid hold 0 to 10, and 11 for void"):
        clip.semantic(0)
