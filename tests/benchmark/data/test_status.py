import subprocess
import sys

import pytest

import tvseg_bench.benchmark.data  # noqa: F401
from tvseg_bench.benchmark.data.cards import CARDS
from tvseg_bench.benchmark.data.status import path, status
from tvseg_bench.benchmark.errors import DataError
from tvseg_bench.benchmark.registry import datasets


def rows(root):
    return {row.name: row for row in status(root)}


def test_one_row_per_data_set(davis_2016, camvid, tmp_path):
    table = rows(tmp_path)
    assert {card.name for card in CARDS} <= set(table)
    davis = table["davis-2016"]
    assert davis.found
    assert davis.root == davis_2016.root
    assert (davis.split, davis.clips, davis.frames) == ("val", 2, 6)
    assert sorted(davis.splits) == ["train", "val"]
    assert davis.problem == ""
    assert table["camvid"].frames == 4


def test_absent_ones_name_the_archive(tmp_path):
    row = rows(tmp_path)["pascal-voc-2012"]
    assert not row.found
    assert row.archive.startswith("VOCtrainval_11-May-2012.tar")
    assert row.problem.startswith(f"pascal-voc-2012 is not found below {tmp_path} (looked for VOC")


def test_generated_data_are_always_there(tmp_path):
    row = rows(tmp_path)["moving-shapes"]
    assert row.found
    assert row.root is None
    assert row.frames > row.clips > 0


def test_half_an_archive_says_what_is_missing(davis_2016, tmp_path):
    davis_2016.text("ImageSets/2016/val.txt", "dog\ncat\n")
    row = rows(tmp_path)["davis-2016"]
    assert row.found
    assert row.problem == ("clip 'cat' has no frames: its folder JPEGImages/480p/cat is not there")


def test_path(davis_2016, tmp_path):
    assert path("davis-2016", tmp_path) == davis_2016.root
    with pytest.raises(DataError, match="camvid is not found below"):
        path("camvid", tmp_path)
    with pytest.raises(DataError, match="moving-shapes has no folder of image files: none"):
        path("moving-shapes", tmp_path)


def test_moving_shapes_has_the_splits_of_its_card():
    entry = datasets["moving-shapes"]
    for split in entry.card.splits:
        opened = entry.open(None, split)
        assert opened.split == split
        assert opened.classes == entry.card.classes


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_cards_are_registered(card):
    assert datasets[card.name].card is card
    assert card.archive
    assert card.version >= 1


def test_listing_loads_neither_numpy_nor_a_decoder():
    code = (
        "import sys, tvseg_bench.benchmark.data;"
        "from tvseg_bench.benchmark.registry import datasets;"
        "[datasets.loaded(name).card for name in ('davis-2016', 'moving-shapes')];"
        "print(sorted({'numpy', 'torch', 'pandas', 'PIL', 'yaml', 'av'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
