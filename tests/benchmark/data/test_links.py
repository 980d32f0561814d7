"""Own folders are made of links on a cluster: they are followed, and loops of them end."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import tvseg_bench.benchmark.data  # noqa: F401
from tvseg_bench.benchmark.data.diagnose import check
from tvseg_bench.benchmark.data.status import path, status
from tvseg_bench.benchmark.errors import DataError
from tvseg_bench.benchmark.registry import datasets


def linked_copy(source: Path, target: Path) -> Path:
    """Make a tree of folders whose files are links to those of another."""
    target.mkdir()
    for item in source.iterdir():
        if item.is_dir():
            linked_copy(item, target / item.name)
        else:
            (target / item.name).symlink_to(item)
    return target


def test_a_data_set_of_linked_files_is_the_data_set(davis_2016, tmp_path):
    plain = check("davis-2016", "val", tmp_path)
    copy = linked_copy(davis_2016.root, tmp_path / "copy")
    linked = check("davis-2016", "val", copy)
    assert linked.ok
    assert (linked.manifest_sha256, linked.bytes) == (plain.manifest_sha256, plain.bytes)


def test_a_data_root_of_linked_folders_is_searched(davis_2016, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (root / "DAVIS2016").symlink_to(davis_2016.root)
    assert path("davis-2016", root) == root / "DAVIS2016"
    assert {row.name: row.found for row in status(root)}["davis-2016"]
    clip = datasets["davis-2016"].open(root, "val").clips[0]
    assert clip.image(0).shape == (*clip.semantic(0).shape, 3)


def test_clips_of_folder_may_be_links(tree):
    tree.image("store/shot/1.png")
    tree.mask("store/drawn/1.png")
    for kind, target in (("images", "shot"), ("masks", "drawn")):
        (tree.root / "mine" / kind).mkdir(parents=True)
        (tree.root / "mine" / kind / "a").symlink_to(tree.root / "store" / target)
    (tree.root / "link").symlink_to(tree.root / "mine")
    data = datasets[f"folder:{tree.root / 'link'}"].open(None, None)
    assert [clip.name for clip in data.clips] == ["a"]
    assert np.unique(data.clips[0].instance(0)).tolist() == [0, 1]


def test_loops_of_links_end(tree):
    tree.image("d/images/a/1.png")
    (tree.root / "d/images/self").symlink_to("self")
    (tree.root / "d/images/a/self.png").symlink_to("self.png")
    (tree.root / "d/images/a/up").symlink_to(tree.root / "d")
    (tree.root / "d/loop").symlink_to(tree.root / "d")
    data = datasets[f"folder:{tree.root / 'd'}"].open(None, None)
    assert [(clip.name, clip.n_frames) for clip in data.clips] == [("a", 1)]


def test_a_link_is_followed_and_a_name_that_leads_out_is_refused(davis_2016, tmp_path):
    outside = tmp_path / "outside"
    shutil.move(davis_2016.root / "JPEGImages/480p/dog", outside)
    davis_2016.text("ImageSets/2016/val.txt", "dog\n")
    (davis_2016.root / "JPEGImages/480p/dog").symlink_to(outside)
    assert datasets["davis-2016"].open(tmp_path, "val").clips[0].n_frames == 3
    davis_2016.text("ImageSets/2016/val.txt", "../../../outside x\n")
    with pytest.raises(DataError, match="which is not a path inside the data set's folder"):
        datasets["davis-2016"].open(tmp_path, "val")
