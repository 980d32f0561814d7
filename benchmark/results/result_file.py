"""Result files on disk: read with suspicion, written in one move.

A file has to be a regular one of bounded size that holds JSON, or a link to one; pipes and devices
are never read. A file that is written here appears completely or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.results.result import format_validation_error
from tvseg_bench.benchmark.results.schema import SCHEMA, Result
from tvseg_bench.benchmark.results.text import ResultError, escape_control

MAX_BYTES = 64 * 2**20
"""Largest result file that is read."""


class NotAResultError(ResultError):
    """The file is JSON of another kind."""


class NewerSchemaError(ResultError):
    """The file was written by a later version of the suite."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a results folder, and how to fix it."""

    file: str
    """Relative to the folder that was read."""
    message: str
    """One sentence that names the field and says what to do."""

    def __post_init__(self) -> None:
        # both quote somebody else's files
        object.__setattr__(self, "file", escape_control(self.file))
        object.__setattr__(self, "message", escape_control(self.message))

    def __str__(self) -> str:
        return f"{self.file}: {self.message}"


@dataclass(frozen=True)
class ResultFile:
    """A result and the file that holds it."""

    path: Path
    result: Result
    sha256: str
    """Of the file's bytes."""


def open_regular_file(path: Path, max_bytes: int, *, follow_link: bool = True) -> BinaryIO:
    """Open a regular file for reading; never wait for a pipe.

    Args:
        follow_link: whether it may be a link: in the user's own folders, not in what others send.

    Raises:
        ResultError: for a device, a folder, a missing or too large file, or a link to one.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)
    flags |= getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    flags |= 0 if follow_link else getattr(os, "O_NOFOLLOW", 0)
    try:
        if not follow_link and path.is_symlink():
            raise ResultError(
                f"{path} is a link, which is not followed; put the file itself there"
            )
        descriptor = os.open(path, flags)
    except OSError as error:
        raise ResultError(f"{path} cannot be opened: {error.strerror}") from None
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and found.st_size <= max_bytes:
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise ResultError(f"{path} is not a regular file; remove it")
    raise ResultError(
        f"{path} holds {found.st_size / 2**20:.0f} MiB where at most {max_bytes >> 20} are read; "
        "move it out of the folder"
    )


def read_result(path: Path) -> ResultFile:
    """Read and check one result file.

    Raises:
        NotAResultError: if it is JSON of another kind.
        NewerSchemaError: if a later version wrote it.
        ResultError: for everything else, naming the file and the field.
    """
    with open_regular_file(path, MAX_BYTES) as file:
        data = file.read(MAX_BYTES + 1)
    try:
        result = Result.model_validate_json(data)
    except ValidationError as error:
        raise _refusal(path, data, error) from None
    return ResultFile(path, result, hashlib.sha256(data).hexdigest())


def _refusal(path: Path, data: bytes, error: ValidationError) -> ResultError:
    """Return why a file is not a result of this version."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return ResultError(
            f"{path} is not a JSON file: {format_validation_error(error)}; restore or remove it"
        )
    schema = found.get("schema") if isinstance(found, dict) else None
    name, _, version = str(schema).partition("@")
    if schema is None or name != SCHEMA.partition("@")[0]:
        return NotAResultError(f"{path} is not a result: its field 'schema' is not {SCHEMA!r}")
    if version.isdecimal() and int(version) > int(SCHEMA.partition("@")[2]):
        return NewerSchemaError(
            f"{path} has schema {schema!r}, newer than {SCHEMA!r}, which this version reads; "
            "type: pip install --upgrade tvseg-bench"
        )
    return ResultError(f"{path}: {format_validation_error(error)}; {_remedy(found, error)}")


def _remedy(found: dict[str, object], error: ValidationError) -> str:
    provenance = found.get("provenance")
    suite = provenance.get("suite") if isinstance(provenance, dict) else "unknown"
    if all(e["type"] == "extra_forbidden" for e in error.errors(include_url=False)):
        return f"it was written by tvseg-bench {suite}: upgrade to that, or remove the field"
    return "restore the file as it was written, or run the cell again with --force"


def atomic_write(path: Path, data: bytes) -> None:
    """Put data at path in one move: a reader sees the old file or the new one, never a part.

    A link at path is replaced, what it leads to stays as it is; folders may be links.
    The temporary file of a killed writer starts with a dot, is never read, and stays.

    Raises:
        ResultError: if the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise ResultError(f"{path} cannot be written: {error.strerror}") from None


def refuse_to_replace(path: Path, start: str, command: str) -> None:
    """Refuse to replace a file that does not begin as those of the command do, or a link to one.

    Raises:
        UsageError: something else is in the way.
    """
    if path.is_file():
        with path.open("rb") as file:
            if file.read(4096).startswith(start.encode("utf-8")):
                return
    elif not path.exists() and not path.is_symlink():
        return
    raise UsageError(
        f"{path} is there and was not written by {command}, so it is kept; "
        "move it away or choose another folder with -o"
    )


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where the system can."""
    with suppress(OSError):  # Windows opens no folders
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
