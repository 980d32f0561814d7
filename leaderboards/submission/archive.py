"""A submission as an archive: its grammar, its bytes, and reading one that somebody else made.

    submission.json                  what is in it: sizes and sha256 of every other file
    model_card.json                  the card of the one model it is about
    check_report.json                the contract test of that model
    results/<cell_id>.json           one per cell
    samples/<cell_id>.jsonl          the rows behind it

No name outside this grammar is ever unpacked, so nothing can leave the folder; sizes are bounded
before and while reading, so nothing can fill the memory or the disk.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import stat
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationError

from tvseg_bench.benchmark.results.result import format_validation_error
from tvseg_bench.benchmark.results.result_file import open_regular_file
from tvseg_bench.benchmark.results.text import (
    FilePart,
    Line,
    Name,
    ResultError,
    Sha256,
    escape_control,
)

SUBMISSION_SCHEMA: Final = "tvseg-bench/submission@1"
MANIFEST, CARD, REPORT = "submission.json", "model_card.json", "check_report.json"

MAX_ARCHIVE = 64 * 2**20
MAX_FILES = 2000
MAX_TOTAL = 256 * 2**20
"""Of everything, unpacked."""
MAX_RATIO = 400
"""Unpacked over packed, of a file above `_FREE` bytes; rows of numbers reach some tens."""
_FREE = 2**16

_LIMITS: Final = {
    re.compile(r"submission\.json"): 2**20,
    re.compile(r"model_card\.json"): 2**18,
    re.compile(r"check_report\.json"): 2**20,
    re.compile(r"results/[0-9a-f]{16}\.json"): 4 * 2**20,
    re.compile(r"samples/[0-9a-f]{16}\.jsonl"): 64 * 2**20,
}
"""What may be in an archive, and its largest size in bytes."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
_BLOCK = 2**18


class Packed(FilePart):
    """One file of an archive."""

    sha256: Sha256
    bytes: Annotated[int, Field(ge=0)]


class Manifest(FilePart):
    """`submission.json`."""

    schema_: Literal["tvseg-bench/submission@1"] = Field(default=SUBMISSION_SCHEMA, alias="schema")
    suite: Line
    """Version of the suite that packed it."""
    model: Name
    revision: Name
    files: dict[str, Packed]


@dataclass(frozen=True)
class Archive:
    """A submission that was read: names as in the grammar, sizes and hashes as in its manifest."""

    manifest: Manifest
    files: Mapping[str, bytes]

    def below(self, folder: str) -> dict[str, bytes]:
        """Return the files of `results` or `samples`, by name without the folder."""
        head = f"{folder}/"
        return {n.removeprefix(head): d for n, d in self.files.items() if n.startswith(head)}


# ------------------------------------------------------------------------------- writing


def archive_bytes(suite: str, model: str, revision: str, files: Mapping[str, bytes]) -> bytes:
    """Return the bytes of an archive: equal files give equal bytes.

    Raises:
        ResultError: a file is too large to be submitted.
    """
    for name, data in files.items():
        _check_size(name, len(data))
    packed = {n: Packed(sha256=sha256(d), bytes=len(d)) for n, d in sorted(files.items())}
    manifest = Manifest(suite=suite, model=model, revision=revision, files=packed)
    text = manifest.model_dump_json(by_alias=True, indent=1) + "\n"
    members = {MANIFEST: text.encode("utf-8"), **dict(sorted(files.items()))}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name, date_time=_EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(info, data, compresslevel=9)
    if out.tell() > MAX_ARCHIVE or sum(map(len, members.values())) > MAX_TOTAL:
        raise ResultError(
            f"the submission is larger than {MAX_ARCHIVE >> 20} MiB; pack fewer runs at a time"
        )
    return out.getvalue()


def sha256(data: bytes) -> str:
    """Return the hexadecimal sha256.

    Example:
        >>> sha256(b"")[:8]
        'e3b0c442'
    """
    return hashlib.sha256(data).hexdigest()


# ------------------------------------------------------------------------------- reading


def read_archive(path: Path) -> Archive:
    """Read a submission that somebody else made.

    Raises:
        ResultError: naming what is wrong with the archive, in one sentence; nothing was unpacked
            to the disk, and never more than the limits into memory.
    """
    with open_regular_file(path, MAX_ARCHIVE, follow_link=False) as file:
        data = file.read(MAX_ARCHIVE + 1)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            _check_members(members, len(data))
            files = {member.filename: _read(archive, member) for member in members}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
        raise ResultError(
            f"{path.name} is not a complete zip archive ({escape_control(str(error))[:120]}); "
            "pack it again"
        ) from None
    manifest = _manifest(files)
    _compare(manifest, files)
    return Archive(manifest, files)


def _check_members(members: list[zipfile.ZipInfo], size: int) -> None:
    """Refuse everything that can be refused before a byte is unpacked."""
    if len(members) > MAX_FILES:
        raise ResultError(f"the archive holds {len(members)} files, expected {MAX_FILES} at most")
    seen: set[str] = set()
    for member in members:
        name = member.orig_filename
        shown = f"'{escape_control(name)[:200]}'"
        if name in seen:
            raise ResultError(f"the archive holds {shown} twice; pack it again")
        seen.add(name)
        _check_name(name, shown)
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise ResultError(f"{shown} is a link or a device, expected a plain file")
        if member.flag_bits & 0x1:
            raise ResultError(f"{shown} is encrypted; pack it without a password")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ResultError(f"{shown} is packed by an unusual method, expected deflate")
        _check_size(name, member.file_size)
        if member.file_size > max(_FREE, MAX_RATIO * member.compress_size):
            raise ResultError(
                f"{shown} unpacks to {member.file_size} bytes from {member.compress_size}, more "
                f"than {MAX_RATIO} to one, as no results do"
            )
    if sum(m.compress_size for m in members) > size:
        raise ResultError("files of the archive share their bytes, as no packer makes them")
    if sum(m.file_size for m in members) > MAX_TOTAL:
        raise ResultError(f"the archive unpacks to more than {MAX_TOTAL >> 20} MiB")


def _check_name(name: str, shown: str) -> None:
    if any(pattern.fullmatch(name) for pattern in _LIMITS):
        return
    parts = re.split(r"[\\/]", name)
    if ".." in parts or name.startswith(("/", "\\", "~")) or ":" in parts[0] or "\0" in name:
        raise ResultError(f"{shown} leads out of the archive; nothing of it was unpacked")
    raise ResultError(
        f"{shown} does not belong in a submission, which holds {MANIFEST}, {CARD}, {REPORT}, "
        "results/<cell>.json and samples/<cell>.jsonl; pack it with 'tvseg-bench submit pack'"
    )


def _check_size(name: str, size: int) -> None:
    limit = next(limit for pattern, limit in _LIMITS.items() if pattern.fullmatch(name))
    if size > limit:
        raise ResultError(f"{name} holds {size} bytes where at most {limit} are taken")


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Return the bytes of a member; the size that it states is not trusted."""
    pieces, size = [], 0
    with archive.open(member) as stream:
        while piece := stream.read(_BLOCK):
            size += len(piece)
            if size > member.file_size:
                break
            pieces.append(piece)
    if size != member.file_size:
        raise ResultError(f"{member.filename} is not as large as the archive states; pack again")
    return b"".join(pieces)


def _manifest(files: Mapping[str, bytes]) -> Manifest:
    for name in (MANIFEST, CARD, REPORT):
        if name not in files:
            raise ResultError(f"{name} is missing; pack with 'tvseg-bench submit pack'")
    try:
        return Manifest.model_validate_json(files[MANIFEST])
    except ValidationError as error:
        found = _schema_of(files[MANIFEST])
        if found is not None and found != SUBMISSION_SCHEMA:
            raise ResultError(
                f"{MANIFEST} has the schema {found!r}, this version takes {SUBMISSION_SCHEMA!r}; "
                "pack and check with the same version of tvseg-bench"
            ) from None
        raise ResultError(f"{MANIFEST}: {format_validation_error(error)}; pack it again") from None


def _schema_of(data: bytes) -> str | None:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    schema = found.get("schema") if isinstance(found, dict) else None
    return schema if isinstance(schema, str) else None


def _compare(manifest: Manifest, files: Mapping[str, bytes]) -> None:
    listed, found = set(manifest.files), set(files) - {MANIFEST}
    if listed != found:
        name = escape_control(min(listed ^ found))[:200]
        word = "is missing" if name in listed else "is not listed in submission.json"
        raise ResultError(f"{name} {word}; pack it again")
    for name, stated in manifest.files.items():
        if len(files[name]) != stated.bytes or sha256(files[name]) != stated.sha256:
            raise ResultError(f"{name} was changed after it was packed; pack it again")
