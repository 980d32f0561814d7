import pytest

from tvseg_bench.benchmark.data.cards import DAVIS_2016
from tvseg_bench.benchmark.data.files import layout
from tvseg_bench.benchmark.data.files.layout import (
    choose_split,
    find_root,
    missing_part,
    read_json,
    read_list,
    read_text,
    safe_parts,
)
from tvseg_bench.benchmark.errors import DataError, UsageError


def looks_right(path):
    return missing_part(path, ["here"])


def test_first_usual_name_with_the_layout_wins(tmp_path):
    for name in ("a", "b/here", "c/here"):
        (tmp_path / name).mkdir(parents=True)
    assert find_root(DAVIS_2016, tmp_path, ["a", "b", "c"], looks_right) == tmp_path / "b"


def test_the_root_itself_may_be_the_data_set(tmp_path):
    (tmp_path / "here").mkdir()
    assert find_root(DAVIS_2016, tmp_path, ["a"], looks_right) == tmp_path / "."


def test_the_data_root_is_taken_from_the_environment(tmp_path, monkeypatch):
    (tmp_path / "a/here").mkdir(parents=True)
    monkeypatch.setenv("TVSEG_DATA", str(tmp_path))
    assert find_root(DAVIS_2016, None, ["a"], looks_right) == tmp_path / "a"


def test_no_data_root(monkeypatch):
    monkeypatch.delenv("TVSEG_DATA", raising=False)
    with pytest.raises(DataError) as error:
        find_root(DAVIS_2016, None, ["a"], looks_right)
    assert str(error.value) == (
        "davis-2016 is not found, since no data root is set; wanted: DAVIS-data.zip (DAVIS 2016, "
        "480p), which unpacks to DAVIS/; type: export TVSEG_DATA=DIR, or give --data-root DIR"
    )


def test_data_root_that_is_no_folder(tmp_path):
    with pytest.raises(DataError, match=r"since the data root .*none is not a folder"):
        find_root(DAVIS_2016, tmp_path / "none", ["a"], looks_right)


def test_absent_data_set(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(DataError) as error:
        find_root(DAVIS_2016, tmp_path, ["a", "b"], looks_right)
    assert str(error.value) == (
        f"davis-2016 is not found below {tmp_path} (looked for a, b, and for its layout in the "
        "folder itself; a has no here); wanted: DAVIS-data.zip (DAVIS 2016, 480p), which unpacks "
        "to DAVIS/; type: tvseg-bench data status"
    )


def test_split_order(tmp_path):
    lists = {"train": tmp_path, "val": tmp_path}
    assert choose_split(DAVIS_2016, None, lists, "ImageSets") == "val"
    assert choose_split(DAVIS_2016, "train", lists, "ImageSets") == "train"
    assert choose_split(DAVIS_2016, None, {"mine": tmp_path}, "ImageSets") == "mine"


def test_unknown_split_is_answered_with_near_ones(tmp_path):
    with pytest.raises(
        UsageError, match=r"^unknown split of davis-2016 'trian'; did you mean 'train'"
    ):
        choose_split(DAVIS_2016, "trian", {"train": tmp_path}, "ImageSets")


def test_split_without_list(tmp_path):
    with pytest.raises(DataError) as error:
        choose_split(DAVIS_2016, "val", {"train": tmp_path}, "ImageSets/2016")
    assert str(error.value) == (
        "davis-2016 has no list of split 'val' in ImageSets/2016 (lists there: train); put it "
        "there, or name another as davis-2016:SPLIT"
    )


def test_no_list_to_choose(tmp_path):
    lists = {"mine": tmp_path, "yours": tmp_path}
    with pytest.raises(DataError, match=r"no list of a customary split \(val, train, trainval\)"):
        choose_split(DAVIS_2016, None, lists, "ImageSets")


def test_lists_are_forgiving(tmp_path):
    path = tmp_path / "val.txt"
    path.write_bytes("\ufeffa\r\n\r\n# note\r\n  b  \r\n".encode())
    assert read_list(path) == ["a", "b"]


def test_text_files_that_are_none(tmp_path, monkeypatch):
    path = tmp_path / "val.txt"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"val\.txt cannot be read as text"):
        read_text(path)
    with pytest.raises(DataError, match=r"none\.txt cannot be read as text"):
        read_text(tmp_path / "none.txt")
    monkeypatch.setattr(layout, "MAX_TEXT_BYTES", 2)
    with pytest.raises(DataError, match=r"val\.txt is larger than"):
        read_text(path)


@pytest.mark.parametrize("content", ["{", "[" * 100_000])
def test_json_that_is_none(tmp_path, content):
    (tmp_path / "meta.json").write_text(content)
    with pytest.raises(DataError, match=r"meta\.json is not a JSON file"):
        read_json(tmp_path / "meta.json")


@pytest.mark.parametrize("entry", ["../up", "a/../../b", "..\\up", "/", "C:/x", "a\0b"])
def test_no_path_leaves_the_folder(entry):
    with pytest.raises(DataError, match=r"^val\.txt names .* not a path inside the data set's f"):
        safe_parts(entry, "val.txt")
