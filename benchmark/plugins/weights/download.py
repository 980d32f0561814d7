"""Fetching official weights, on explicit request only: resumable, checked, never over a file.

A file that is there is left alone. What arrives is collected beside its place (`.part`), goes on
where it stopped when the command is typed again, is checked, and only then gets its name.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, BinaryIO

from tvseg_bench.benchmark.errors import ModelError, UsageError
from tvseg_bench.benchmark.plugins.resolve import file_sha256
from tvseg_bench.benchmark.plugins.weights import locate
from tvseg_bench.benchmark.types import ModelCard

MAX_BYTES = 64 << 30
"""Larger than any backbone; a server that sends more is refused."""

_PIECE = 1 << 20
_TIMEOUT_S = 60
_HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.[a-z.]+$")
"""torch.hub's custom: the first digits of the sha256 at the end of the name."""

Progress = Callable[[int, int | None], None]
"""Called with (bytes that are there, bytes in all or None)."""


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A weights file in its place."""

    path: Path
    sha256: str
    """Of the file; written beside it, and compared the next time."""
    checked: bool
    """Whether the sha256 was known beforehand: from the card, the file's name, or last time."""
    downloaded: bool
    """False where the file was there already."""


def https_only(url: str) -> bool:
    """Whether an address is one that may be fetched from.

    Example:
        >>> https_only("https://example.org/a.pth"), https_only("http://example.org/a.pth")
        (True, False)
    """
    return url.startswith("https://")


class Opener:
    """Opens addresses that are allowed and follows redirects to such only.

    Args:
        allowed: whether an address may be fetched from; a test allows its own server.
    """

    def __init__(self, allowed: Callable[[str], bool] = https_only) -> None:
        self._allowed = allowed
        self._opener = urllib.request.build_opener(_Redirects(self._check))

    def __call__(self, url: str, headers: Mapping[str, str]) -> Any:
        """Return the response; its body is read by the caller.

        Raises:
            ModelError: if the address or a redirect is not allowed.
        """
        self._check(url)
        return self._opener.open(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT_S)

    def _check(self, url: str) -> None:
        if not self._allowed(url):
            raise ModelError(f"{url} is not fetched from: only https addresses are")


class _Redirects(urllib.request.HTTPRedirectHandler):
    def __init__(self, check: Callable[[str], None]) -> None:
        self._check = check

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, hdrs: Any, url: str) -> Any:
        try:
            self._check(url)
        except ModelError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, hdrs, url)


def get(
    card: ModelCard, *, progress: Progress | None = None, opener: Opener | None = None
) -> Fetched:
    """Fetch a model's official weights to their place, or check the file that is there.

    Raises:
        UsageError: if the card has no address to fetch from.
        ModelError: if the server cannot be reached or refuses, sends another file than the known
            checksum says or more than it announced, the disk is too small, or the file that is
            there is not the one that was wanted or fetched.
    """
    path = locate.place(card)
    if path.exists():
        digest = file_sha256(path)
        known = _known(card) or _recorded(path)
        _compare(path, digest, known, "move it away to fetch it again")
        return Fetched(path=path, sha256=digest, checked=bool(known), downloaded=False)
    if card.weights_url is None:
        raise UsageError(
            f"{card.name} has no official address that a program can fetch from; see "
            f"tvseg-bench info {card.name}, get the file yourself and put it at {path}"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with _alone(part):
        _fill(part, card.weights_url, opener or Opener(), progress)
        digest = file_sha256(part)
        try:
            _compare(part, digest, _known(card), "it was thrown away; type the command again")
        except ModelError:
            part.unlink()
            _state(part).unlink(missing_ok=True)
            raise
        _state(part).unlink(missing_ok=True)
        path.with_name(path.name + ".sha256").write_text(f"{digest}  {path.name}\n", "utf-8")
        part.replace(path)
    return Fetched(path=path, sha256=digest, checked=bool(_known(card)), downloaded=True)


# ---------------------------------------------------------------------------- checksums


def _known(card: ModelCard) -> str | None:
    """Return the digits that the file's sha256 has to begin with, where the card knows them."""
    in_name = _HASH_IN_NAME.search(locate.official_name(card) or "")
    return card.weights_sha256 or (in_name[1] if in_name else None)


def _recorded(path: Path) -> str | None:
    try:
        return path.with_name(path.name + ".sha256").read_text("utf-8").split()[0]
    except (OSError, IndexError, ValueError):
        return None


def _compare(path: Path, digest: str, known: str | None, advice: str) -> None:
    if known and not digest.startswith(known):
        raise ModelError(f"{path} has the sha256 {digest}, expected {known}; {advice}")


# ----------------------------------------------------------------------------- transfer


def _fill(part: Path, url: str, opener: Opener, progress: Progress | None) -> None:
    """Bring a part file to its full length, from where it stopped if the server still has it."""
    there = part.stat().st_size if part.exists() else 0
    validator = _validator(part) if there else None
    headers = {"Range": f"bytes={there}-", "If-Range": validator} if validator else {}
    try:
        with opener(url, headers) as response:
            resumed = response.status == 206
            start = _start(response, part, there) if resumed else 0
            total = _total(url, response, start)
            _check_room(part, total - start if total is not None else None)
            _remember(part, response)
            with part.open("r+b" if resumed else "wb") as stream:
                stream.seek(start)
                done = _copy(url, response, stream, start, total, progress)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and error.headers.get("Content-Range") == f"bytes */{there}":
            return  # it was all there
        if error.code == 416:
            part.unlink()
        raise ModelError(_refused(url, error)) from error
    except (urllib.error.URLError, OSError, HTTPException) as error:
        raise ModelError(_interrupted(url, part, error)) from error
    if total is not None and done != total:
        raise ModelError(_interrupted(url, part, f"{done} of {total} bytes came"))


def _copy(
    url: str,
    response: BinaryIO,
    stream: BinaryIO,
    done: int,
    total: int | None,
    progress: Progress | None,
) -> int:
    """Append what the server sends, never more than it announced; return the bytes in all."""
    limit = MAX_BYTES if total is None else total
    while piece := response.read(_PIECE):
        if done + len(piece) > limit:
            raise ModelError(f"{url} sends more than {limit} bytes; it was stopped")
        stream.write(piece)
        done += len(piece)
        if progress is not None:
            progress(done, total)
    stream.truncate()
    stream.flush()
    os.fsync(stream.fileno())
    return done


def _start(response: Any, part: Path, there: int) -> int:
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    if found is None or int(found[1]) != there:
        part.unlink()
        raise OSError(f"the server answered a request from byte {there} with another part")
    return there


def _total(url: str, response: Any, start: int) -> int | None:
    if response.headers.get_content_type() == "text/html":
        raise ModelError(
            f"{url} answers with a web page, not a file; open it in a browser and fetch the file "
            "yourself"
        )
    length = response.headers.get("Content-Length", "")
    total = start + int(length) if length.isdigit() else None
    if total is not None and total > MAX_BYTES:
        raise ModelError(f"{url} announces {total} bytes, expected {MAX_BYTES} at most")
    return total


def _check_room(part: Path, wanted: int | None) -> None:
    free = shutil.disk_usage(part.parent).free
    if wanted is not None and wanted > free:
        raise ModelError(
            f"{part.parent} has room for {free} bytes, expected {wanted}; make room or set "
            "TVSEG_HOME to another disk"
        )


def _refused(url: str, error: urllib.error.HTTPError) -> str:
    if error.code in (401, 403):
        return (
            f"{url} is not given out to everybody ({error.code}); ask its owners for access, "
            "fetch it yourself and type --weights FILE"
        )
    return f"{url} cannot be fetched: the server says {error.code} {error.reason}"


def _interrupted(url: str, part: Path, reason: object) -> str:
    kept = part.stat().st_size if part.exists() else 0
    return (
        f"{url} could not be fetched to its end ({reason}); {kept} bytes are kept, type the same "
        "command again to go on"
    )


# ------------------------------------------------------------------------- part files


def _state(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _remember(part: Path, response: Any) -> None:
    """Keep what says, the next time, that the server's file is still the same one."""
    tag = response.headers.get("ETag", "")
    strong = tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified")
    _state(part).write_text(json.dumps({"validator": strong}), "utf-8")


def _validator(part: Path) -> str | None:
    try:
        found = json.loads(_state(part).read_text("utf-8"))["validator"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) else None


@contextlib.contextmanager
def _alone(part: Path) -> Iterator[None]:
    """Keep other processes from fetching the same file; the lock goes with the process."""
    try:
        import fcntl
    except ImportError:  # Windows: two at once are not noticed, the checksum is what is left
        yield
        return
    lock = part.with_name(part.name + ".lock")
    with lock.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ModelError(f"{part} is being fetched by another process; wait for it") from None
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)
