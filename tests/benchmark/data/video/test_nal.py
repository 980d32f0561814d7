import pytest
from hypothesis import given
from hypothesis import strategies as st

from tvseg_bench.benchmark.data.video.nal import UnitCheck, units

AVCC = bytes([1, 66, 0, 30, 0xFF])  # lengths of 4 bytes
IDR, SLICE, PARAMETERS = b"\x65idr", b"\x41slice", b"\x67\x42\x00"


def packed(*parts: bytes, length_size: int = 4) -> bytes:
    return b"".join(len(part).to_bytes(length_size, "big") + part for part in parts)


def checked(*packets: tuple[bytes, bool], codec: str = "h264", extradata: bytes = AVCC) -> str:
    check = UnitCheck(codec, extradata)
    for packet, is_keyframe in packets:
        check.feed(packet, is_keyframe)
    return check.problem


@given(st.lists(st.binary(min_size=1, max_size=20), max_size=5), st.sampled_from([1, 2, 4]))
def test_units_undo_packing(parts: list[bytes], length_size: int) -> None:
    packet = packed(*parts, length_size=length_size)
    assert [bytes(unit) for unit in units(packet, length_size)] == parts


@given(st.binary(max_size=40))
def test_any_bytes_are_units_or_a_value_error(packet: bytes) -> None:
    try:
        found = list(units(packet, 4))
    except ValueError:
        return
    assert packed(*map(bytes, found)) == packet


def test_plain_stream_has_no_problem() -> None:
    key = packed(PARAMETERS, IDR)
    assert checked((key, True), (packed(SLICE), False), (key, True)) == ""


@pytest.mark.parametrize(
    ("packets", "words"),
    [
        ([(packed(IDR), True), (packed(SLICE), True)], "open GOP"),
        ([(packed(PARAMETERS, IDR), True), (packed(PARAMETERS + b"x", IDR), True)], "change"),
        ([(packed(IDR), True), (packed(SLICE)[:-1], False)], "damaged"),
        ([(packed(IDR), True), (bytes(8), False)], "damaged"),
    ],
)
def test_first_problem_is_named(packets: list[tuple[bytes, bool]], words: str) -> None:
    assert words in checked(*packets)


def test_hevc_and_missing_records() -> None:
    hvcc = bytes([1, *[0] * 20, 3, 0])
    idr, trailing = bytes([19 << 1, 1, 0]), bytes([1 << 1, 1, 0])
    assert (
        checked((packed(idr), True), (packed(trailing), False), codec="hevc", extradata=hvcc) == ""
    )
    clean_random_access = packed(bytes([21 << 1, 1, 0]))
    assert "open GOP" in checked((clean_random_access, True), codec="hevc", extradata=hvcc)
    assert "plain" in checked(extradata=b"")
