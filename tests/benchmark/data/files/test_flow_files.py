"""Flow that the user supplies: read exactly, masked, and never trusted."""

import io
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tvseg_bench.benchmark.data.files.flow_files import FlowFolder, manifest, read_flow
from tvseg_bench.benchmark.errors import DataError
from tvseg_bench.benchmark.types import Clip

SIZE = (4, 6)
FLOW = np.random.default_rng(0).normal(size=(*SIZE, 2)).astype(np.float32)


def flo(flow: np.ndarray, magic: float = 202021.25) -> bytes:
    height, width = flow.shape[:2]
    return struct.pack("<fii", magic, width, height) + flow.astype("<f4").tobytes()


def clip(name: str = "bear", **changes: Any) -> Clip:
    return Clip(name=name, n_frames=3, image=lambda t: np.zeros((*SIZE, 3), np.uint8), **changes)


@settings(max_examples=20, deadline=None)
@given(hnp.arrays(np.float32, (*SIZE, 2), elements=st.floats(-50, 50, width=32)))
def test_both_formats_give_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, flow: np.ndarray
) -> None:
    folder = tmp_path_factory.mktemp("flow")
    (folder / "a.flo").write_bytes(flo(flow))
    np.savez(folder / "a.npz", flow=flow)
    np.savez_compressed(folder / "b.npz", flow=np.asfortranarray(flow.astype(np.float64)))
    for name in ("a.flo", "a.npz", "b.npz"):
        np.testing.assert_array_equal(read_flow(folder / name, SIZE), flow)


def test_unknown_and_occluded_points_are_left_out(tmp_path: Path) -> None:
    flow = FLOW.copy()
    flow[0, 0] = 1e10
    (tmp_path / "a.flo").write_bytes(flo(flow))
    assert np.isnan(read_flow(tmp_path / "a.flo", SIZE)).any(-1).sum() == 1
    hidden = np.zeros(SIZE, bool)
    hidden[1:3, 2] = True
    flow[3, 3, 0] = np.nan
    np.savez(tmp_path / "a.npz", flow=flow, occluded=hidden)
    left_out = np.isnan(read_flow(tmp_path / "a.npz", SIZE)).all(-1)
    hidden[0, 0] = hidden[3, 3] = True
    np.testing.assert_array_equal(left_out, hidden)


@pytest.mark.parametrize("suffix", ["flo", "npz"])
def test_backward_flow_tells_what_is_hidden(tmp_path: Path, suffix: str) -> None:
    there, back = np.zeros((*SIZE, 2), np.float32), np.zeros((*SIZE, 2), np.float32)
    back[2, 1] = 3.0
    if suffix == "flo":
        (tmp_path / "a.flo").write_bytes(flo(there))
        (tmp_path / "a.backward.flo").write_bytes(flo(back))
    else:
        np.savez(tmp_path / "a.npz", flow=there, backward=back)
    left_out = np.isnan(read_flow(tmp_path / f"a.{suffix}", SIZE)).all(-1)
    assert np.argwhere(left_out).tolist() == [[2, 1]]


class Boom:
    """Would make a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return (Path.mkdir, (self.folder,))


def npz(method: int = zipfile.ZIP_DEFLATED, **members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def npy(header: str, content: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    text = header.encode() + b"\n"
    length = struct.pack("<H" if version[0] == 1 else "<I", len(text))
    return b"\x93NUMPY" + version + length + text + content


HUGE = "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000000, 2)}"
RIGHT = "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 6, 2)}"
OBJECT = "{'descr': '|O', 'fortran_order': False, 'shape': (4, 6, 2)}"
GOOD_NPZ = npz(flow=npy(RIGHT, FLOW.tobytes()))


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.flo", b"", "does not begin as a .flo file does"),
        ("a.flo", flo(FLOW, magic=1.0), "does not begin as a .flo file does"),
        ("a.flo", flo(FLOW[:2]), "states that it is 2x6"),
        ("a.flo", flo(FLOW)[:-1], "has 203 bytes instead of 204"),
        ("a.flo", struct.pack("<fii", 202021.25, -1, 1 << 30), "states that it is 1073741824x-1"),
        ("a.npz", b"", "not a zip file"),
        ("a.npz", GOOD_NPZ[:-30], "not a zip file"),
        ("a.npz", npz(motion=b"x"), "holds no array `flow` but motion.npy"),
        ("a.npz", npz(flow=npy(HUGE)), r"`flow` is float32 \[1000000, 1000000, 2\]"),
        ("a.npz", npz(flow=npy(OBJECT, bytes(400))), "`flow` is object"),
        ("a.npz", npz(flow=npy(RIGHT, bytes(8))), "`flow` ends too early"),
        ("a.npz", npz(flow=npy(RIGHT, version=b"\x02\x00")), "format 2.0 instead of 1.0"),
        ("a.npz", npz(flow=npy("{" * 300)), "the header of an array is damaged"),
        ("a.npz", npz(flow=npy("(" * 4000)), "the header of an array is damaged"),
        ("a.npz", npz(flow=b"nothing"), "magic string"),
        ("a.npz", npz(zipfile.ZIP_LZMA, flow=npy(RIGHT)), "a way that numpy never does"),
    ],
)
def test_damaged_and_hostile_files_are_one_sentence(
    tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=sentence) as caught:
        read_flow(tmp_path / name, SIZE)
    assert "expected the motion of a frame of 4x6 pixels" in str(caught.value)


def test_damaged_compressed_data_are_one_sentence(tmp_path: Path) -> None:
    data = bytearray(GOOD_NPZ)
    data[60:90] = bytes(30)
    (tmp_path / "a.npz").write_bytes(bytes(data))
    with pytest.raises(DataError, match="cannot be used"):
        read_flow(tmp_path / "a.npz", SIZE)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    made = tmp_path / "made"
    (tmp_path / "a.npz").write_bytes(npz(flow=npy(OBJECT, pickle.dumps(Boom(made)))))
    with pytest.raises(DataError):
        read_flow(tmp_path / "a.npz", SIZE)
    assert not made.exists()


def test_files_are_found_by_the_frames_name_or_index(tmp_path: Path) -> None:
    (tmp_path / "bear").mkdir()
    (tmp_path / "bear" / "f0.flo").write_bytes(flo(FLOW))
    np.savez(tmp_path / "bear" / "00001.npz", flow=2 * FLOW)
    read = FlowFolder(tmp_path).clip(clip(frame_names=("f0", "f1", "f2")), SIZE)
    assert read is not None
    np.testing.assert_array_equal(read(0), FLOW)
    np.testing.assert_array_equal(read(1), 2 * FLOW)
    with pytest.raises(DataError, match=r"no flow from frame 2 of clip 'bear': expected f2\.flo"):
        read(2)
    assert FlowFolder(tmp_path).clip(clip("camel"), SIZE) is None


def test_names_do_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "flow").mkdir()
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "00000.flo").write_bytes(flo(FLOW))
    for name in ("../secret", "a/../../secret", str(tmp_path / "secret")):
        with pytest.raises(DataError, match="would lie outside"):
            FlowFolder(tmp_path / "flow").clip(clip(name), SIZE)
    (tmp_path / "flow" / "bear").mkdir()
    read = FlowFolder(tmp_path / "flow").clip(clip(frame_names=("../../secret/00000",) * 3), SIZE)
    assert read is not None
    with pytest.raises(DataError, match="there is no flow"):
        read(0)


def test_the_manifest_knows_names_and_sizes(tmp_path: Path) -> None:
    empty = manifest(tmp_path)
    (tmp_path / "bear").mkdir()
    (tmp_path / "bear" / "a.flo").write_bytes(flo(FLOW))
    one = manifest(tmp_path)
    (tmp_path / "bear" / "notes.txt").write_text("not flow")
    assert manifest(tmp_path) == one
    (tmp_path / "bear" / "a.flo").rename(tmp_path / "bear" / "b.flo")
    assert len({empty, one, manifest(tmp_path)}) == 3


def test_links_in_the_users_folder_are_followed(tmp_path: Path) -> None:
    store = tmp_path / "store"
    (store / "bear").mkdir(parents=True)
    (store / "bear" / "00000.flo").write_bytes(flo(FLOW))
    (tmp_path / "flow").mkdir()
    (tmp_path / "flow" / "bear").symlink_to(store / "bear")
    read = FlowFolder(tmp_path / "flow").clip(clip(), SIZE)
    assert read is not None
    np.testing.assert_array_equal(read(0), FLOW)
    assert manifest(tmp_path / "flow") == manifest(store)


def test_loops_of_links_end_and_links_are_part_of_the_manifest(tmp_path: Path) -> None:
    (tmp_path / "bear").mkdir()
    (tmp_path / "bear" / "a.flo").write_bytes(flo(FLOW))
    plain = manifest(tmp_path)
    for n in range(40):  # entered each time, they would be 2 ** 40 folders
        (tmp_path / f"loop{n}").symlink_to(tmp_path)
    looped = manifest(tmp_path)
    (tmp_path / "self").symlink_to("self")
    assert manifest(tmp_path) == looped != plain
