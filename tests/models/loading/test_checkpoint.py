"""Untrusted files: one sentence each, and nothing in them is run."""

import argparse
import contextlib
import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from tvseg_bench.benchmark.errors import ModelError
from tvseg_bench.models.loading.checkpoint import read_tensors

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(3)}


def as_bytes(content: Any, *, legacy: bool = False) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


class Evil:
    """Creates a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("form", ["zip", "legacy", "plain pickle", "in a container"])
def test_runs_no_pickle(form: str, tmp_path: Path) -> None:
    evil, path = Evil(tmp_path / "made"), tmp_path / "weights.pth"
    if form == "plain pickle":
        path.write_bytes(pickle.dumps({**STATE, "x": evil}, protocol=2))
    else:
        content = {"state_dict": STATE, "x": evil} if form == "in a container" else evil
        path.write_bytes(as_bytes(content, legacy=form == "legacy"))
    with pytest.raises(ModelError, match=r"weights\.pth"):
        read_tensors(path)
    assert not (tmp_path / "made").exists()


def test_names_what_wants_to_run(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(as_bytes(Evil(tmp_path / "made")))
    with pytest.raises(
        ModelError, match=r"it wants to run \w+\.mkdir, which is refused; save the"
    ):
        read_tensors(path)


def test_a_complete_module_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(as_bytes(torch.nn.Linear(2, 2)))
    with pytest.raises(ModelError, match=r"wants to run torch\.nn\.modules\.linear\.Linear"):
        read_tensors(path)


def test_arguments_of_a_training_run_are_harmless(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(as_bytes({"teacher": STATE, "args": argparse.Namespace(lr=1), "epoch": 2}))
    assert set(read_tensors(path)) == {"teacher.a.weight", "teacher.a.bias"}


def compressed() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10_000_000))
    return buffer.getvalue()


def nested() -> dict[str, Any]:
    """Return containers that hold each other: small in a file, endless when walked."""
    level: dict[str, Any] = dict(STATE)
    for _ in range(5):
        level = {f"k{i}": level for i in range(40)}
    return level


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", r"is empty; fetch it again"),
    "web page": (lambda: b"\n<!DOCTYPE html><html></html>", r"is a web page that was saved"),
    "pointer": (lambda: b"version https://git-lfs.github.com/spec/v1\n", r"is a Git LFS pointer"),
    "text": (lambda: b"hello there, no weights", r"is not a weights file that can be read safely"),
    "truncated zip": (lambda: as_bytes(STATE)[:-200], r"is truncated or damaged"),
    "truncated legacy": (lambda: as_bytes(STATE, legacy=True)[:-20], r"is truncated or damaged"),
    "truncated safetensors": (lambda: save(STATE)[:-4], r"is truncated or damaged"),
    "zip bomb": (compressed, r"is a compressed archive that unpacks to 10000000 bytes"),
    "endless": (lambda: as_bytes(nested()), r"holds more than 1000000 values"),
    "no tensors": (lambda: as_bytes({"epoch": 3}), r"holds no named tensors"),
    "one tensor": (lambda: as_bytes(torch.ones(3)), r"holds no named tensors"),
    "huge header": (lambda: (2**60).to_bytes(8, "little") + b"{}", r"is truncated or damaged"),
}


@pytest.mark.parametrize("fault", BAD)
def test_one_sentence(fault: str, tmp_path: Path) -> None:
    make, sentence = BAD[fault]
    path = tmp_path / "weights.pth"
    path.write_bytes(make())
    with pytest.raises(ModelError, match=sentence) as caught:
        read_tensors(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_folder_and_nothing(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"is a folder; expected a weights file"):
        read_tensors(tmp_path)
    with pytest.raises(ModelError, match=r"there is no weights file"):
        read_tensors(tmp_path / "none.pth")


FORMATS = {
    "zip": as_bytes(STATE),
    "legacy": as_bytes(STATE, legacy=True),
    "safetensors": save(STATE),
}


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(form=st.sampled_from(sorted(FORMATS)), data=st.data())
def test_any_damage_is_one_sentence(form: str, data: st.DataObject, tmp_path: Path) -> None:
    content = bytearray(FORMATS[form])
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[place:]
    else:
        content[place] ^= data.draw(st.integers(1, 255))
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with contextlib.suppress(ModelError):
        assert read_tensors(path)


def test_a_header_whose_length_begins_as_a_pickle_does(tmp_path: Path) -> None:
    header = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'.ljust(0x80)
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    assert path.read_bytes()[:1] == b"\x80"
    assert read_tensors(path)["w"].tolist() == [0.0]
