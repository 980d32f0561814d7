"""An archive of a stranger: nothing leaves the folder, nothing fills the memory."""

import io
import json
import stat
import struct
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tvseg_bench.benchmark.results.text import ResultError
from tvseg_bench.leaderboards.submission import archive
from tvseg_bench.leaderboards.submission.archive import archive_bytes, read_archive, sha256

CELL = "0123456789abcdef"
FILES = {
    "model_card.json": b"{}",
    "check_report.json": b"{}",
    f"results/{CELL}.json": b'{"a": 1}',
    f"samples/{CELL}.jsonl": b'{"b": 2}\n',
}


def manifest(files: dict[str, bytes], changes: Mapping[str, Any] = MappingProxyType({})) -> bytes:
    data = {
        "schema": "tvseg-bench/submission@1",
        "suite": "0.1.0",
        "model": "mine/net",
        "revision": "sha256:ab",
        "files": {n: {"sha256": sha256(d), "bytes": len(d)} for n, d in files.items()},
    }
    return json.dumps({**data, **changes}).encode()


def zipped(
    files: dict[str, bytes],
    more: Callable[[zipfile.ZipFile], None] | None = None,
    changes: dict[str, Any] | None = None,
) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("submission.json", manifest(files, changes or {}))
        for name, data in files.items():
            archive.writestr(name, data)
        if more:
            more(archive)
    return out.getvalue()


def refusal(data: bytes, tmp_path: Path) -> str:
    path = tmp_path / "x.zip"
    path.write_bytes(data)
    with pytest.raises(ResultError) as caught:
        read_archive(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.zip"]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(archive_bytes("0.1.0", "mine/net", "sha256:ab", FILES))
    read = read_archive(path)
    assert {n: d for n, d in read.files.items() if n != "submission.json"} == FILES
    assert read.below("results") == {f"{CELL}.json": b'{"a": 1}'}
    assert read.manifest.model == "mine/net"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("../evil.json", "'../evil.json' leads out of the archive; nothing of it was unpacked"),
        ("results/../../evil.json", "leads out of the archive"),
        ("/etc/cron.d/evil", "leads out of the archive"),
        ("C:\\evil.json", "leads out of the archive"),
        ("~/evil.json", "leads out of the archive"),
        ("..\\evil.json", "leads out of the archive"),
        (
            "results/readme.txt",
            "'results/readme.txt' does not belong in a submission, which",
        ),
        ("results/", "does not belong in a submission"),
        (f"results/{CELL.upper()}.json", "does not belong in a submission"),
        (f"results/{CELL}.json ", "does not belong in a submission"),
        (f"results/{CELL}.json\n", "does not belong in a submission"),
        ("weights.pth", "does not belong in a submission"),
        ("a\x1b[2J", "'a\\x1b[2J' does not belong"),
    ],
)
def test_names(name: str, sentence: str, tmp_path: Path) -> None:
    assert sentence in refusal(zipped(FILES, lambda z: z.writestr(name, b"x")), tmp_path)


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1, max_size=30).filter(lambda n: not n.startswith("\0")))
@example("submission.json")
def test_no_other_name_is_read(name: str) -> None:
    out = io.BytesIO()
    try:
        with zipfile.ZipFile(out, "w") as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the name is drawn twice
            archive.writestr("submission.json", manifest(FILES))
            for known, data in FILES.items():
                archive.writestr(known, data)
            archive.writestr(name, b"x")
    except (UnicodeEncodeError, ValueError):
        return  # no archive can hold such a name
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.zip"
        path.write_bytes(out.getvalue())
        with pytest.raises(ResultError):
            read_archive(path)
        assert [p.name for p in Path(folder).iterdir()] == ["x.zip"]


def test_a_name_given_twice(tmp_path: Path) -> None:
    def twice(archive: zipfile.ZipFile) -> None:
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr(f"results/{CELL}.json", b"{}")

    assert f"holds 'results/{CELL}.json' twice" in refusal(zipped(FILES, twice), tmp_path)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFDIR])
def test_links_and_devices(kind: int, tmp_path: Path) -> None:
    def linked(archive: zipfile.ZipFile) -> None:
        info = zipfile.ZipInfo("results/fedcba9876543210.json")
        info.create_system = 3
        info.external_attr = (kind | 0o777) << 16
        archive.writestr(info, "/etc/passwd")

    assert "is a link or a device" in refusal(zipped(FILES, linked), tmp_path)


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> bytes:
        raise AssertionError("unpacked")

    monkeypatch.setattr(archive, "_read", never)
    rows = {**FILES, f"samples/{CELL}.jsonl": b" " * (8 * 2**20)}
    said = refusal(zipped(rows), tmp_path)
    assert "unpacks to 8388608 bytes from" in said
    assert "more than 400 to one" in said
    large = {**FILES, "model_card.json": bytes(range(256)) * 1025}
    assert "model_card.json holds 262400 bytes where at most 262144" in refusal(
        zipped(large), tmp_path
    )


def test_an_archive_of_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_TOTAL", 300)
    assert "unpacks to more than 0 MiB" in refusal(zipped(FILES), tmp_path)
    monkeypatch.setattr(archive, "MAX_FILES", 4)
    assert "holds 5 files, expected 4 at most" in refusal(zipped(FILES), tmp_path)
    monkeypatch.setattr(archive, "MAX_ARCHIVE", 100)
    assert "where at most 0 are read" in refusal(zipped(FILES), tmp_path)
    with pytest.raises(ResultError, match="the submission is larger than"):
        archive_bytes("0", "mine/net", "r", FILES)
    with pytest.raises(ResultError, match=r"model_card\.json holds 262145 bytes where at most"):
        archive_bytes("0", "mine/net", "r", {**FILES, "model_card.json": b" " * 262145})


def lie_about_size(data: bytes, name: str, size: int) -> bytes:
    """Change the unpacked size of a member in the central directory."""
    place = data.rindex(name.encode()) - 46
    assert data[place : place + 4] == b"PK\x01\x02"
    return data[: place + 24] + struct.pack("<I", size) + data[place + 28 :]


@pytest.mark.parametrize("size", [3, 60_000])
def test_a_size_that_is_not_true(size: int, tmp_path: Path) -> None:
    name = f"samples/{CELL}.jsonl"
    rows = {**FILES, name: b'{"row": 1}\n' * 2000}
    said = refusal(lie_about_size(zipped(rows), name, size), tmp_path)
    assert "is not as large as the archive states" in said or "not a complete zip" in said


def test_members_that_share_their_bytes(tmp_path: Path) -> None:
    """Two directory entries for one member: the trick of bombs that stay below every ratio."""
    name, other = f"samples/{CELL}.jsonl", "samples/fedcba9876543210.jsonl"
    data = zipped({**FILES, name: bytes(range(256)) * 200})
    start, end = data.rindex(b"PK\x01\x02"), data.rindex(b"PK\x05\x06")
    entry = data[start:end]
    more = b"".join(
        entry.replace(name.encode(), f"samples/{i:016x}.jsonl".encode()) for i in range(300)
    )
    assert len(other) == len(name)
    count, size, offset = struct.unpack("<HII", data[end + 10 : end + 20])
    tail = data[end : end + 8] + struct.pack("<HHII", *[count + 300] * 2, size + len(more), offset)
    said = refusal(data[:end] + more + tail + data[end + 20 :], tmp_path)
    assert "share their bytes" in said or "not a complete zip archive" in said


def test_other_methods_and_passwords(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("submission.json", b"{}")
    assert "packed by an unusual method" in refusal(out.getvalue(), tmp_path)
    data = bytearray(zipped(FILES))
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    assert "is encrypted" in refusal(bytes(data), tmp_path)


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", b"PK\x03\x04" + b"\0" * 50, zipped(FILES)[:-30], zipped(FILES)[:200]],
    ids=["empty", "text", "zeros", "without its end", "its beginning"],
)
def test_what_is_no_archive(data: bytes, tmp_path: Path) -> None:
    assert "is not a complete zip archive" in refusal(data, tmp_path)


def test_damaged_bytes(tmp_path: Path) -> None:
    data = bytearray(zipped({**FILES, f"samples/{CELL}.jsonl": bytes(range(256)) * 200}))
    data[len(data) // 2] ^= 0xFF
    assert "is not a complete zip archive" in refusal(bytes(data), tmp_path)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"schema": "tvseg-bench/submission@2"},
            "has the schema 'tvseg-bench/submission@2', this",
        ),
        ({"schema": 3}, "submission.json: schema is 3"),
        ({"model": "a\nb"}, "submission.json: model"),
        ({"files": {}}, "check_report.json is not listed in submission.json"),
        ({"extra": 1}, "submission.json: unknown field 'extra'"),
    ],
)
def test_manifests(changes: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    assert sentence in refusal(zipped(FILES, changes=changes), tmp_path)


def test_files_that_are_missing_or_changed(tmp_path: Path) -> None:
    files = dict(FILES)
    del files["model_card.json"]
    assert "model_card.json is missing; pack with" in refusal(zipped(files), tmp_path)
    listed = json.loads(manifest(FILES))["files"]
    files = {n: d for n, d in FILES.items() if not n.startswith("samples")}
    assert f"samples/{CELL}.jsonl is missing" in refusal(
        zipped(files, changes={"files": listed}), tmp_path
    )
    files = {**FILES, "model_card.json": b"[]"}
    assert "model_card.json was changed after it was packed" in refusal(
        zipped(files, changes={"files": listed}), tmp_path
    )


def test_a_link_to_an_archive_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real.zip").write_bytes(zipped(FILES))
    (tmp_path / "x.zip").symlink_to("real.zip")
    with pytest.raises(ResultError, match="is a link, which is not followed"):
        read_archive(tmp_path / "x.zip")
