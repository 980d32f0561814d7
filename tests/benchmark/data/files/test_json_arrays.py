import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tvseg_bench.benchmark.data.files import json_arrays as module
from tvseg_bench.benchmark.data.files.json_arrays import elements, read_element
from tvseg_bench.benchmark.errors import DataError

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(["videos", "info", "annotations"]), st.lists(values)),
    st.booleans(),
    st.sampled_from([None, 2]),
    st.integers(1, 9),
)
@settings(deadline=None)
def test_elements_and_their_places(tmp_path_factory, content, ascii_only, indent, chunk):
    path = tmp_path_factory.mktemp("labels") / "labels.json"
    text = json.dumps(content, ensure_ascii=ascii_only, indent=indent)
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    wanted = {"videos", "annotations"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK", chunk)  # so that windows end anywhere
        found = list(elements(path, "labels.json", wanted))
    expected = [(key, value) for key in content if key in wanted for value in content[key]]
    assert [(one.key, one.value) for one in found] == expected
    for one in found:
        assert read_element(path, "labels.json", one.start, one.length) == one.value


def test_a_byte_order_mark(tmp_path):
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"videos": [7]}')
    assert [one.value for one in elements(tmp_path / "a.json", "a.json", ["videos"])] == [7]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "expected '{' at byte 0"),
        (b"[]", "expected '{' at byte 0"),
        (b'{"videos": [1, 2', "expected ',' at byte 16"),
        (b'{"videos": [1 2]}', "expected ',' at byte 14"),
        (b'{"videos": [{"id": ]}', "a value is damaged or too large at byte 12"),
        (b'{"videos": [' + b"[" * 100_000, "a value is damaged or too large at byte 12"),
        (b'{"videos": ["\xff"]}', "a text is not UTF-8 at byte 15"),
        (b'{"videos" 1}', "expected ':' at byte 10"),
    ],
)
def test_what_is_no_label_file(tmp_path, content, reason):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DataError) as error:
        list(elements(tmp_path / "a.json", "train/a.json", ["videos"]))
    assert str(error.value) == f"train/a.json is not a JSON label file ({reason})"


def test_an_element_that_is_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 64)
    monkeypatch.setattr(module, "MAX_ELEMENT", 256)
    (tmp_path / "a.json").write_text('{"videos": ["' + "a" * 100_000 + '"]}')
    with pytest.raises(DataError, match="damaged or too large at byte 12"):
        list(elements(tmp_path / "a.json", "a.json", ["videos"]))


def test_a_file_that_is_not_there_or_changed(tmp_path):
    with pytest.raises(DataError, match=r"^a\.json cannot be read \(No such file"):
        list(elements(tmp_path / "a.json", "a.json", ["videos"]))
    (tmp_path / "a.json").write_text('{"videos": []}')
    with pytest.raises(DataError, match=r"^a\.json was changed while it was in use$"):
        read_element(tmp_path / "a.json", "a.json", 3, 5)
