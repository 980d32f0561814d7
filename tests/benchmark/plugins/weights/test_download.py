"""Fetching weights from a server on this machine: complete, checked, never over a file."""

import contextlib
import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tvseg_bench.benchmark.errors import ModelError, UsageError
from tvseg_bench.benchmark.plugins.weights import download
from tvseg_bench.benchmark.plugins.weights.download import get
from tvseg_bench.benchmark.types import ModelCard

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Answers as its fields are set; counts what it was asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests = 0
        self.stop_after: int | None = None
        self.status = 200
        self.location = ""
        self.kind = "application/octet-stream"
        self.announced: int | None = len(CONTENT)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/net.pth"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        answer = self.server
        answer.requests += 1
        moved = self.path.endswith("moved.pth")
        self.send_response(200 if moved else answer.status)
        self.send_header("Content-Type", answer.kind)
        if answer.location and not moved:
            self.send_header("Location", answer.location)
        if answer.announced is not None:
            self.send_header("Content-Length", str(answer.announced))
        self.end_headers()
        with contextlib.suppress(OSError):  # the headers were all that was wanted
            self.wfile.write(CONTENT[: answer.stop_after])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as found:
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        found.shutdown()
        thread.join()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TVSEG_HOME", str(tmp_path))
    return tmp_path / "weights"


@pytest.fixture
def card(server: Server) -> ModelCard:
    return ModelCard(name="test/tiny", patch_size=8, embed_dim=24, weights_url=server.url)


@pytest.fixture
def fetch(
    card: ModelCard, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., download.Fetched]:
    """Return `get` for a card with other fields, allowed to ask this machine's server."""
    monkeypatch.setattr(download, "_SCHEME", "http://127.0.0.1:")

    def run(**fields: Any) -> download.Fetched:
        return get(replace(card, **fields))

    return run


def test_fetches_records_and_checks_the_next_time(
    fetch: Callable[..., Any], folder: Path, server: Server
) -> None:
    first = fetch()
    assert first.path == folder / "test-tiny.pth"
    assert first.path.read_bytes() == CONTENT
    assert (first.sha256, first.checked, first.downloaded) == (SHA256, False, True)
    assert {path.name for path in folder.iterdir()} == {"test-tiny.pth", "test-tiny.pth.sha256"}
    requests = server.requests
    second = fetch()
    assert (second.checked, second.downloaded, server.requests) == (True, False, requests)
    first.path.write_bytes(b"changed")
    with pytest.raises(ModelError, match=rf"expected {SHA256}; move it away to fetch it again"):
        fetch()
    assert first.path.read_bytes() == b"changed"


def test_an_interrupted_transfer_leaves_nothing(
    fetch: Callable[..., Any], folder: Path, server: Server
) -> None:
    server.stop_after = 3000
    sentence = rf"\(3000 of {len(CONTENT)} bytes came\); type the same command again"
    with pytest.raises(ModelError, match=sentence):
        fetch()
    assert list(folder.iterdir()) == []
    server.stop_after = None
    assert fetch().path.read_bytes() == CONTENT


def test_a_server_need_not_announce_a_size(fetch: Callable[..., Any], server: Server) -> None:
    server.announced = None
    assert fetch().path.read_bytes() == CONTENT


def test_a_bar_is_shown_on_request(
    card: ModelCard, fetch: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    fetch()
    assert capsys.readouterr().err == ""
    get(replace(card, name="test/other"), progress=True)
    assert "100%" in capsys.readouterr().err


@pytest.mark.parametrize("field", ["card", "name"])
def test_a_known_checksum(
    field: str, fetch: Callable[..., Any], folder: Path, server: Server
) -> None:
    def known(digits: str) -> dict[str, str]:
        if field == "card":
            return {"weights_sha256": digits}
        return {"weights_url": server.url.replace("net.pth", f"net-{digits[:8]}.pth")}

    assert fetch(**known(SHA256)).checked
    (folder / "test-tiny.pth").unlink()
    with pytest.raises(
        ModelError, match=r"expected 0{8,64}; it was thrown away; type the command"
    ):
        fetch(**known("0" * 64))
    assert {path.name for path in folder.iterdir()} == {"test-tiny.pth.sha256"}


ODD: dict[str, tuple[dict[str, Any], str]] = {
    "a web page": ({"kind": "text/html; charset=utf-8"}, r"answers with a web page, not a file"),
    "gated": ({"status": 403}, r"is not given out to everybody \(403\); ask its owners"),
    "gone": ({"status": 404}, r"cannot be fetched: the server answers 404"),
    "no room": ({"announced": 2**36 - 1}, r"has room for \d+ bytes, expected 68719476735"),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_answers_are_one_sentence(
    name: str,
    fetch: Callable[..., Any],
    folder: Path,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: Usage(2**30))
    answer, sentence = ODD[name]
    vars(server).update(answer)
    with pytest.raises(ModelError, match=sentence) as caught:
        fetch()
    assert "\n" not in str(caught.value)
    assert list(folder.iterdir()) == []


class Usage:
    def __init__(self, free: int) -> None:
        self.free = free


def test_follows_a_redirect(fetch: Callable[..., Any], server: Server) -> None:
    server.status, server.location = 302, server.url.replace("net.pth", "moved.pth")
    assert fetch().path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("http://example.org/net.pth", r"is not fetched from: only https addresses are"),
        ("file:///etc/passwd", r"cannot be fetched: the server answers 302 .*is not allowed"),
    ],
)
def test_redirects_only_to_where_it_may_fetch(
    target: str, sentence: str, fetch: Callable[..., Any], server: Server
) -> None:
    server.status, server.location = 302, target
    with pytest.raises(ModelError, match=sentence):
        fetch()


@pytest.mark.parametrize("url", ["http://example.org/a.pth", "ftp://example.org/a.pth", "a.pth"])
def test_only_https_by_default(url: str, card: ModelCard, folder: Path) -> None:
    with pytest.raises(ModelError, match="only https addresses are"):
        get(replace(card, weights_url=url))


def test_without_an_address(card: ModelCard, folder: Path) -> None:
    with pytest.raises(UsageError, match=r"test/tiny has no official address .*test-tiny\.pth"):
        get(replace(card, weights_url=None))


def test_nobody_there(fetch: Callable[..., Any]) -> None:
    with pytest.raises(ModelError, match=r"could not be fetched to its end .*same command again"):
        fetch(weights_url="http://127.0.0.1:9/net.pth")
