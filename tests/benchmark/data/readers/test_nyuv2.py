import numpy as np
import pytest

from tvseg_bench.benchmark.data.diagnose import check
from tvseg_bench.benchmark.data.readers.nyuv2 import inventory
from tvseg_bench.benchmark.errors import DataError
from tvseg_bench.tests.benchmark.data.readers.official_trees import depth_png, nyuv2


def test_depth_is_in_metres_and_nan_where_nothing_was_measured(tree):
    data = inventory(nyuv2(tree).parent, None).open()
    assert data.split == "test"
    assert [clip.name for clip in data.clips] == ["kitchen/rgb_00000", "office/rgb_00008"]
    clip = data.clips[0]
    assert clip.semantic is None
    depth = clip.depth(0)
    assert (depth.shape, depth.dtype) == ((12, 16), np.float32)
    assert np.isnan(depth[0]).all()
    np.testing.assert_allclose(depth[1:], np.arange(16, 192).reshape(11, 16) * 0.05, rtol=1e-6)


def test_folders_without_official_splits(tree):
    root = nyuv2(tree)
    (root / "official_splits/test").rename(root / "test")
    assert inventory(root, None).splits == ("test", "train")
    assert len(inventory(root, "train").clips) == 1


def test_a_list_says_which_pairs_count(tree):
    root = nyuv2(tree)
    line = "/office/rgb_00008.jpg /office/sync_depth_00008.png 518.8579\n"
    tree.text("nyu_depth_v2/nyudepthv2_test_files_with_gt.txt", line)
    whole = inventory(root, "train").manifest_sha256
    assert [clip.name for clip in inventory(root, None).clips] == ["office/rgb_00008"]
    tree.text("nyu_depth_v2/nyudepthv2_test_files_with_gt.txt", line + line.replace("8", "9"))
    with pytest.raises(DataError, match=r"lists '/office/rgb_00009.jpg', but official_splits/tes"):
        inventory(root, None).open()
    assert inventory(root, "train").manifest_sha256 == whole


def test_depth_is_checked(tree):
    root = nyuv2(tree)
    report = check("nyuv2", None, root)
    assert report.ok
    assert (report.frames, report.masks, report.beside) == (2, 0, {"depth": 2})
    scenes = root / "official_splits/test"
    depth_png(scenes / "kitchen/sync_depth_00000.png", np.ones((6, 8)))
    (scenes / "office/sync_depth_00008.png").unlink()
    report = check("nyuv2", None, root)
    texts = [found.text for found in report.findings]
    assert any("has 8x6 pixels, its frame 16x12" in text for text in texts)
    assert any("rgb_00008.jpg has no depth map official_splits/test/office/s" in t for t in texts)


def test_depth_of_8_bits_is_refused(tree):
    root = nyuv2(tree)
    tree.mask("nyu_depth_v2/official_splits/test/kitchen/sync_depth_00000.png")
    clip = inventory(root, None).open().clips[0]
    with pytest.raises(DataError, match="in mode L instead of 16-bit grey; 8 bits are too few"):
        clip.depth(0)


def test_depth_is_part_of_the_manifest(tree):
    root = nyuv2(tree)
    before = inventory(root, None).manifest_sha256
    path = root / "official_splits/test/kitchen/sync_depth_00000.png"
    path.write_bytes(path.read_bytes() + b" ")
    assert inventory(root, None).manifest_sha256 != before


def test_the_matlab_file_and_folders_of_others(tree):
    tree.text("nyu_depth_v2/nyu_depth_v2_labeled.mat", "")
    tree.image("test/0001TP_008550.png")
    with pytest.raises(DataError, match="has the Matlab file only, which is not read; extract"):
        inventory(tree.root, None)
