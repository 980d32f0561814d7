import hashlib

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tvseg_bench.benchmark.data.readers import youtube_vos as module
from tvseg_bench.benchmark.data.readers.youtube_vos import hash_split, inventory, map_instances
from tvseg_bench.benchmark.errors import DataError


def test_categories_are_alphabetical_and_masks_read_both_ways(youtube_vos):
    data = inventory(youtube_vos.root.parent, None).open()
    assert data.classes == ("background", "ape", "zebra")
    clip = data.clips[0]
    assert clip.categories == {1: 2, 2: 1}
    instance, semantic = clip.instance(0), clip.semantic(0)
    assert np.unique(instance).tolist() == [0, 1, 2]
    np.testing.assert_array_equal(semantic, map_instances(instance, clip.categories))


def test_without_lists_the_split_is_our_own_and_says_so(youtube_vos):
    val, train = (inventory(youtube_vos.root, split) for split in ("hash-val", "hash-train"))
    assert inventory(youtube_vos.root, None).split == "hash-val"
    names = [{files.name for files in part.clips} for part in (val, train)]
    assert names[0] | names[1] == {f"video{i:02d}" for i in range(12)}
    assert names[0]
    assert not names[0] & names[1]
    assert "this suite's own and no published list" in val.card.notes


def test_hash_split_takes_a_fifth():
    parts = [hash_split(f"{i:010x}") for i in range(2000)]
    assert 0.17 < parts.count("hash-val") / 2000 < 0.23


def test_absent_list_is_not_replaced(youtube_vos):
    with pytest.raises(DataError, match=r"has no list of split 'val' .*lists there: hash-val, "):
        inventory(youtube_vos.root, "val")


def test_lists_beside_the_data(youtube_vos, monkeypatch):
    content = "video03\nvideo01\n"
    youtube_vos.text("val.txt", content)
    listed = inventory(youtube_vos.root, None)
    assert (listed.split, [f.name for f in listed.clips]) == ("val", ["video03", "video01"])
    assert "a val.txt that is not the published one (sha256 " in listed.card.notes
    digest = hashlib.sha256(content.encode()).hexdigest()
    monkeypatch.setitem(module.PUBLISHED_LISTS, "val", digest[:8])
    assert "val.txt as released with TimeT_clean" in inventory(youtube_vos.root, None).card.notes


def test_validation_masks_are_not_public(youtube_vos):
    youtube_vos.image("valid/JPEGImages/abc/00000.jpg")
    clip = inventory(youtube_vos.root, "valid").open().clips[0]
    assert clip.image(0).shape == (12, 16, 3)
    with pytest.raises(DataError, match="the masks of the official validation videos are not"):
        clip.semantic(0)


def test_instance_without_category(youtube_vos):
    youtube_vos.mask("train/Annotations/video03/00000.png", (0, 7), "P")
    youtube_vos.text("val.txt", "video03\n")
    clip = inventory(youtube_vos.root, "val").open().clips[0]
    with pytest.raises(DataError, match=r"value 7: meta\.json names no category for instance 7"):
        clip.semantic(0)


@pytest.mark.parametrize(
    "content", ["[]", "{}", '{"videos": {"a": {"objects": {"1": {}}}}}', '{"videos": {"a": 1}}']
)
def test_meta_of_another_form(youtube_vos, content):
    youtube_vos.text("train/meta.json", content)
    with pytest.raises(DataError, match=r"meta\.json is not of the form"):
        inventory(youtube_vos.root, None)


def test_categories_are_part_of_the_manifest(youtube_vos):
    before = inventory(youtube_vos.root, None).manifest_sha256
    meta = youtube_vos.root / "train/meta.json"
    swapped = meta.read_text().replace("ape", "x").replace("zebra", "ape").replace("x", "zebra")
    meta.write_text(swapped)
    assert inventory(youtube_vos.root, None).manifest_sha256 != before


def test_archive_without_meta(youtube_vos):
    (youtube_vos.root / "train/meta.json").unlink()
    with pytest.raises(DataError, match=r"has no train/meta\.json; wanted: train\.zip"):
        inventory(youtube_vos.root, None)


def test_sequential_mapping_maps_again():
    clip = np.array([[[0, 1], [2, 255]]], np.uint8)
    mapped = map_instances(clip, {1: 2, 2: 6}, order="sequential")
    assert mapped.tolist() == [[[0, 6], [6, 255]]]
    assert clip.tolist() == [[[0, 1], [2, 255]]]


def test_sequential_mapping_needs_the_later_instance_in_the_clip():
    clip = np.array([[[0, 1]]])
    assert map_instances(clip, {1: 2, 2: 6}, order="sequential").tolist() == [[[0, 2]]]


labels = hnp.arrays(np.uint8, (2, 3, 3), elements=st.integers(0, 4))


@given(labels, st.permutations([1, 2, 3, 4]))
@settings(deadline=None, max_examples=50)
def test_simultaneous_mapping_is_pixel_by_pixel(clip, targets):
    mapping = dict(enumerate(targets, start=1))
    out = map_instances(clip, mapping)
    assert out.ravel().tolist() == [mapping.get(v, 0) for v in clip.ravel().tolist()]


@given(labels, st.permutations([11, 12, 13, 14]))
@settings(deadline=None, max_examples=50)
def test_orders_agree_where_no_category_is_an_instance_id(clip, targets):
    mapping = dict(enumerate(targets, start=1))
    np.testing.assert_array_equal(
        map_instances(clip, mapping), map_instances(clip, mapping, order="sequential")
    )


def test_mapping_without_a_present_instance():
    with pytest.raises(DataError, match=r"^instance 3 of the clip has no category; named: \[1\]$"):
        map_instances(np.array([[1, 3]]), {1: 1})
