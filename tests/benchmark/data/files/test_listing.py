import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tvseg_bench.benchmark.data.files.listing import (
    list_files,
    list_folders,
    manifest_sha256,
    natural_key,
    pair_names,
)

SUFFIXES = frozenset({".png"})


def test_files_come_in_natural_order_without_hidden_and_foreign_ones(tmp_path):
    for name in ("f10.png", "f9.PNG", "._f9.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"x" * len(name))
    (tmp_path / "folder.png").mkdir()
    assert list_files(tmp_path, SUFFIXES) == {"f9.PNG": 6, "f10.png": 7}


def test_a_folder_that_is_not_there_holds_nothing(tmp_path):
    assert list_files(tmp_path / "none", SUFFIXES) == {}
    assert list_folders(tmp_path / "none") == []


def test_broken_links_are_no_files(tmp_path):
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere")
    assert list_files(tmp_path, SUFFIXES) == {}


def test_folders_leave_out_hidden_and_archiver_leftovers(tmp_path):
    for name in ("b", "a10", "a9", ".git", "__MACOSX"):
        (tmp_path / name).mkdir()
    assert list_folders(tmp_path) == ["a9", "a10", "b"]


@given(st.lists(st.integers(0, 10**6), unique=True, min_size=1))
@settings(deadline=None, max_examples=40)
def test_natural_order_is_the_order_of_the_numbers(numbers):
    names = [f"frame_{n}.png" for n in numbers]
    assert sorted(names, key=natural_key) == [f"frame_{n}.png" for n in sorted(numbers)]


def test_pairs_by_stem_even_where_numbers_would_pair_more():
    assert pair_names(["1.jpg", "2.jpg"], ["1.png", "mask2.png"]) == {
        "1.jpg": "1.png",
        "2.jpg": None,
    }


def test_pairs_by_number_without_leading_zeros():
    assert pair_names(["a7.jpg"], ["b007.png"]) == {"a7.jpg": "b007.png"}


def test_ambiguous_numbers_pair_nothing():
    assert pair_names(["a1.jpg", "b1.jpg"], ["m1.png"]) == {"a1.jpg": None, "b1.jpg": None}
    assert pair_names(["a1.jpg"], ["m1.png", "n1.png"]) == {"a1.jpg": None}
    assert pair_names(["a.jpg"], ["m.png"]) == {"a.jpg": None}


@given(st.permutations([("a", 1), ("b", 2), ("c/d", 3)]))
def test_manifest_does_not_depend_on_order(files):
    assert manifest_sha256(files, {}) == manifest_sha256(sorted(files), {})


@pytest.mark.parametrize(
    ("files", "settings_"),
    [([("a", 2)], {}), ([("b", 1)], {}), ([("a", 1), ("b", 1)], {}), ([("a", 1)], {"labels": {}})],
)
def test_manifest_sees_names_sizes_and_meaning(files, settings_):
    assert manifest_sha256(files, settings_) != manifest_sha256([("a", 1)], {})
