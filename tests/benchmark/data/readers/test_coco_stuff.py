from collections import Counter

import numpy as np
import pytest

from tvseg_bench.benchmark.data import cards
from tvseg_bench.benchmark.data.class_names.coco_stuff import FINE
from tvseg_bench.benchmark.data.readers.coco_stuff import (
    inventory_15,
    inventory_27,
    inventory_171,
    inventory_things,
)
from tvseg_bench.benchmark.errors import DataError
from tvseg_bench.tests.benchmark.data.readers.official_trees import cocostuff


@pytest.mark.parametrize(
    ("inventory", "ids", "classes"),
    [
        (inventory_27, [9, 11, 17, 18, 255], {9: "person", 17: "textile", 18: "wall"}),
        (inventory_15, [5, 6, 255], {5: "textile", 6: "wall"}),
        (inventory_things, [9, 11, 255], {9: "person", 11: "vehicle"}),
        (inventory_171, [0, 2, 80, 165, 255], {0: "person", 80: "banner", 165: "wall-wood"}),
    ],
)
def test_each_way_to_count_classes(tree, inventory, ids, classes):
    data = inventory(cocostuff(tree).parent, "val").open()
    assert [clip.name for clip in data.clips] == ["000000000139", "000000000285"]
    assert np.unique(data.clips[0].semantic(0)).tolist() == ids
    assert {i: data.classes[i] for i in classes} == classes


def test_how_many_fine_classes_a_coarse_one_has():
    """As `fine_to_coarse` of STEGO counts them."""
    counted = Counter(group for _, group in FINE)
    coarse = cards.COCOSTUFF_27.classes
    assert [counted[name] for name in coarse] == [
        *(6, 6, 10, 10, 8, 8, 8, 10, 6, 1, 10, 8),
        *(2, 6, 4, 11, 4, 11, 7, 2, 6, 11, 9, 2, 6, 5, 5),
    ]
    assert set(counted) == set(coarse)
    assert len(cards.COCOSTUFF_171.classes) == 171


def test_the_lists_of_picie_are_what_is_scored(tree):
    root = cocostuff(tree)
    data = inventory_27(root, None).open()
    assert (data.split, [clip.name for clip in data.clips]) == ("curated-val", ["000000000285"])
    assert inventory_171(root, None).split == "val"
    (root / "curated/val2017/Coco164kFull_Stuff_Coarse_7.txt").unlink()
    assert inventory_27(root, None).split == "val"
    with pytest.raises(DataError, match=r"no list of split 'curated-val' in .*images, or curated"):
        inventory_27(root, "curated-val")


def test_listed_image_that_is_not_there(tree):
    root = cocostuff(tree)
    tree.text("cocostuff/curated/val2017/Coco164kFull_Stuff_Coarse_7.txt", "000000000001\n")
    with pytest.raises(DataError) as error:
        inventory_27(root, None).open()
    assert str(error.value) == (
        "cocostuff-27:curated-val is not complete: "
        "curated/val2017/Coco164kFull_Stuff_Coarse_7.txt lists '000000000001', but "
        "images/val2017/000000000001.jpg is not there; "
        "type: tvseg-bench data check cocostuff-27:curated-val"
    )


def test_masks_beside_the_json_files_of_coco(tree):
    root = cocostuff(tree)
    (root / "annotations").rename(root / "stuffthingmaps")
    (root / "images/val2017").rename(root / "val2017")
    (root / "images").rename(root / "elsewhere")
    tree.text("cocostuff/annotations/instances_val2017.json", "{}")
    assert np.unique(inventory_27(root, None).open().clips[0].semantic(0)).size == 5


def test_coco_without_the_masks_of_coco_stuff(tree):
    tree.image("coco/images/val2017/000000000139.jpg")
    tree.text("coco/annotations/instances_val2017.json", "{}")
    with pytest.raises(
        DataError, match=r"coco has no masks .*the JSON annotations of COCO are no"
    ):
        inventory_27(tree.root, None)


def test_the_way_to_count_is_part_of_the_manifest(tree):
    root = cocostuff(tree)
    hashes = {
        inventory(root, "val").manifest_sha256
        for inventory in (inventory_27, inventory_15, inventory_things, inventory_171)
    }
    assert len(hashes) == 4
