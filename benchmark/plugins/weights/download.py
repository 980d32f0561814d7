"""Fetching official weights, on explicit request only: checked, and never over a file.

torch.hub transfers the file. What it leaves open is checked here: that addresses and redirects are
https, that the answer is a file, that all of it came, and its checksum. A file gets its name when
it has passed; a transfer that is interrupted leaves nothing and starts from the beginning again.
"""

from __future__ import annotations

import re
import shutil
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tvseg_bench.benchmark.errors import ModelError, UsageError
from tvseg_bench.benchmark.plugins.resolve import file_sha256
from tvseg_bench.benchmark.plugins.weights import locate
from tvseg_bench.benchmark.types import ModelCard

_SCHEME = "https://"
_TIMEOUT_S = 60
_HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.[a-z.]+$")
"""torch.hub's custom: the first digits of the sha256 at the end of the name."""


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


def get(card: ModelCard, *, progress: bool = False) -> Fetched:
    """Fetch a model's official weights to their place, or check the file that is there.

    Args:
        progress: whether to show a bar on the error output.

    Raises:
        UsageError: if the card has no address to fetch from.
        ModelError: if the server cannot be reached or refuses, the disk is too small, or the file
            that came or was there is not complete or has another checksum than the known one.
    """
    path, known = locate.place(card), _known(card)
    if path.exists():
        digest = file_sha256(path)
        known = known or _recorded(path)
        _compare(path, digest, known, "move it away to fetch it again")
        return Fetched(path=path, sha256=digest, checked=bool(known), downloaded=False)
    if card.weights_url is None:
        raise UsageError(
            f"{card.name} has no official address that a program can fetch from; see "
            f"tvseg-bench info {card.name}, get the file yourself and put it at {path}"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".fetching-", dir=path.parent) as folder:
        arrived = Path(folder) / path.name
        _transfer(card.weights_url, arrived, progress)
        digest = file_sha256(arrived)
        _compare(arrived, digest, known, "it was thrown away; type the command again")
        path.with_name(f"{path.name}.sha256").write_text(f"{digest}  {path.name}\n", "utf-8")
        arrived.replace(path)
    return Fetched(path=path, sha256=digest, checked=bool(known), downloaded=True)


# ---------------------------------------------------------------------------- checksums


def _known(card: ModelCard) -> str | None:
    """Return the digits that the file's sha256 has to begin with, where the card knows them."""
    in_name = _HASH_IN_NAME.search(locate.official_name(card) or "")
    return card.weights_sha256 or (in_name[1] if in_name else None)


def _recorded(path: Path) -> str | None:
    try:
        return path.with_name(f"{path.name}.sha256").read_text("utf-8").split()[0]
    except (OSError, IndexError, ValueError):
        return None


def _compare(path: Path, digest: str, known: str | None, advice: str) -> None:
    if known and not digest.startswith(known):
        raise ModelError(f"{path} has the sha256 {digest}, expected {known}; {advice}")


# ----------------------------------------------------------------------------- transfer


def _transfer(url: str, path: Path, progress: bool) -> None:
    from torch.hub import download_url_to_file

    try:
        address, size = _announced(url, path.parent.parent)
        download_url_to_file(address, str(path), progress=progress)
        came = path.stat().st_size
        if size not in (None, came):  # http.client ends quietly where a connection does
            raise OSError(f"{came} of {size} bytes came")
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (401, 403):
            raise ModelError(
                f"{url} is not given out to everybody ({error.code}); ask its owners for access, "
                "fetch it yourself and type --weights FILE"
            ) from error
        answer = f"the server answers {error.code} {error.reason}"
        raise ModelError(f"{url} cannot be fetched: {answer}") from error
    except (OSError, HTTPException) as error:
        raise ModelError(
            f"{url} could not be fetched to its end ({error}); type the same command again"
        ) from error


def _announced(url: str, folder: Path) -> tuple[str, int | None]:
    """Return where an address leads and how many bytes it announces, from the headers alone."""
    _check_https(url)
    opener = urllib.request.build_opener(_HttpsRedirects)
    with opener.open(url, timeout=_TIMEOUT_S) as response:
        if response.headers.get_content_type() == "text/html":
            raise ModelError(
                f"{url} answers with a web page, not a file; open it in a browser and fetch the "
                "file yourself"
            )
        length = response.headers.get("Content-Length", "")
    size, free = int(length) if length.isdigit() else None, shutil.disk_usage(folder).free
    if size is not None and size > free:
        raise ModelError(
            f"{folder} has room for {free} bytes, expected {size}; make room or set TVSEG_HOME to "
            "another disk"
        )
    return response.url, size


class _HttpsRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, hdrs: Any, url: str) -> Any:
        with fp:
            _check_https(url)
        return super().redirect_request(req, fp, code, msg, hdrs, url)


def _check_https(url: str) -> None:
    if not url.startswith(_SCHEME):
        raise ModelError(f"{url} is not fetched from: only https addresses are")
