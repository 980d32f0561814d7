from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tvseg_bench.benchmark.data.video.truncation import matroska_is_cut, mov_is_cut


def box(kind: bytes, content: bytes, *, wide: bool = False) -> bytes:
    if wide:
        return (1).to_bytes(4, "big") + kind + (16 + len(content)).to_bytes(8, "big") + content
    return (8 + len(content)).to_bytes(4, "big") + kind + content


MOV = box(b"ftyp", b"isom") + box(b"moov", bytes(30)) + box(b"mdat", bytes(50))
EBML = b"\x1a\x45\xdf\xa3\x84webm"
SEGMENT = b"\x18\x53\x80\x67"


def written(folder: Path, content: bytes) -> Path:
    path = folder / "x"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("wide", [False, True])
def test_mov_is_cut_inside_its_media(tmp_path: Path, wide: bool) -> None:
    whole = box(b"ftyp", b"isom") + box(b"mdat", bytes(50), wide=wide)
    assert not mov_is_cut(written(tmp_path, whole))
    assert mov_is_cut(written(tmp_path, whole[:-1]))


def test_trailing_rubbish_is_no_cut(tmp_path: Path) -> None:
    assert not mov_is_cut(written(tmp_path, MOV + b"\xff" * 20))
    assert not mov_is_cut(written(tmp_path, MOV + bytes(20)))


@pytest.mark.parametrize("length", [b"\x8a", b"\x40\x0a", b"\x01" + bytes(6) + b"\x0a"])
def test_matroska_is_cut_inside_its_segment(tmp_path: Path, length: bytes) -> None:
    whole = EBML + SEGMENT + length + bytes(10)
    assert not matroska_is_cut(written(tmp_path, whole))
    assert matroska_is_cut(written(tmp_path, whole[:-1]))


@pytest.mark.parametrize("length", [b"\xff", b"\x01" + b"\xff" * 7])
def test_unknown_length_is_no_cut(tmp_path: Path, length: bytes) -> None:
    assert not matroska_is_cut(written(tmp_path, EBML + SEGMENT + length + bytes(3)))


@given(st.binary(max_size=60))
def test_any_bytes_get_an_answer(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = written(tmp_path_factory.getbasetemp(), content)
    assert mov_is_cut(path) in (True, False)
    assert matroska_is_cut(path) in (True, False)
