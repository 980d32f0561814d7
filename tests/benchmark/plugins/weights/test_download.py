"""Fetching weights from a server on this machine: resumed, bounded, checked, never over a file."""

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
from tvseg_bench.benchmark.plugins.weights.download import Opener, get
from tvseg_bench.benchmark.types import ModelCard

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Answers as it is told; remembers what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []
        self.stop_after: int | None = None
        self.etag: str | None = '"one"'
        self.status = 200
        self.location = ""
        self.kind = "application/octet-stream"
        self.announced: int | None = len(CONTENT)
        self.content = CONTENT
        self.ignores_range = False
        self.wrong_start = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/net.pth"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        told, wanted = self.server, self.headers.get("Range")
        told.asked.append(wanted)
        start = 0
        same = self.headers.get("If-Range") == told.etag
        if wanted and same and not told.ignores_range:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if told.status != 200:
            self.send_response(told.status)
            self.send_header("Location", told.location)
            self.end_headers()
            return
        if start >= len(told.content) > 0:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(told.content)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        self._headers(start)
        self.wfile.write(told.content[start : told.stop_after])

    def _headers(self, start: int) -> None:
        told = self.server
        self.send_header("Content-Type", told.kind)
        if told.announced is not None:
            self.send_header("Content-Length", str(told.announced - start))
        if told.etag:
            self.send_header("ETag", told.etag)
        if start:
            shown = start + 1 if told.wrong_start else start
            self.send_header("Content-Range", f"bytes {shown}-{len(told.content) - 1}/*")
        self.end_headers()

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


def on_this_machine(url: str) -> bool:
    return url.startswith("http://127.0.0.1:")


@pytest.fixture
def fetch(card: ModelCard, folder: Path) -> Callable[..., Any]:
    def run(**fields: Any) -> Any:
        progress = fields.pop("progress", None)
        return get(replace(card, **fields), opener=Opener(on_this_machine), progress=progress)

    return run


def test_fetches_records_and_checks_the_next_time(
    fetch: Callable[..., Any], folder: Path, server: Server
) -> None:
    seen: list[tuple[int, int | None]] = []
    first = fetch(progress=lambda done, total: seen.append((done, total)))
    assert first.path == folder / "test-tiny.pth"
    assert first.path.read_bytes() == CONTENT
    assert (first.sha256, first.checked, first.downloaded) == (SHA256, False, True)
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert {path.name for path in folder.iterdir()} == {"test-tiny.pth", "test-tiny.pth.sha256"}
    second = fetch()
    assert (second.checked, second.downloaded, len(server.asked)) == (True, False, 1)
    first.path.write_bytes(b"changed")
    with pytest.raises(ModelError, match=rf"expected {SHA256}; move it away to fetch it again"):
        fetch()
    assert first.path.read_bytes() == b"changed"


def test_goes_on_where_it_stopped(fetch: Callable[..., Any], folder: Path, server: Server) -> None:
    server.stop_after = 3000
    with pytest.raises(ModelError, match=r"3000 bytes are kept, type the same command again"):
        fetch()
    assert not (folder / "test-tiny.pth").exists()
    server.stop_after = None
    assert fetch().path.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=3000-"]


@pytest.mark.parametrize("change", ["etag", "ignores_range"])
def test_starts_anew_where_it_cannot_go_on(
    change: str, fetch: Callable[..., Any], server: Server
) -> None:
    server.stop_after = 3000
    with pytest.raises(ModelError, match="3000 bytes are kept"):
        fetch()
    server.stop_after = None
    server.content = CONTENT[::-1]
    setattr(server, change, '"two"' if change == "etag" else True)
    assert fetch().path.read_bytes() == CONTENT[::-1]


def test_without_a_validator_nothing_is_put_together(
    fetch: Callable[..., Any], server: Server
) -> None:
    server.stop_after, server.etag = 3000, None
    with pytest.raises(ModelError, match="3000 bytes are kept"):
        fetch()
    server.stop_after = None
    assert fetch().path.read_bytes() == CONTENT
    assert server.asked == [None, None]


def test_another_part_than_asked_for_is_thrown_away(
    fetch: Callable[..., Any], server: Server
) -> None:
    server.stop_after = 3000
    with pytest.raises(ModelError, match="3000 bytes are kept"):
        fetch()
    server.stop_after, server.wrong_start = None, True
    with pytest.raises(ModelError, match=r"with another part.*0 bytes are kept"):
        fetch()
    server.wrong_start = False
    assert fetch().path.read_bytes() == CONTENT


def test_all_there_but_not_yet_named(
    fetch: Callable[..., Any], folder: Path, server: Server
) -> None:
    folder.mkdir(parents=True)
    (folder / "test-tiny.pth.part").write_bytes(CONTENT)
    (folder / "test-tiny.pth.part.json").write_text('{"validator": "\\"one\\""}')
    assert fetch().path.read_bytes() == CONTENT
    assert server.asked == [f"bytes={len(CONTENT)}-"]


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
    assert not list(folder.glob("*.part*"))
    assert not (folder / "test-tiny.pth").exists()


ODD: dict[str, tuple[dict[str, Any], str]] = {
    "a web page": ({"kind": "text/html; charset=utf-8"}, r"answers with a web page, not a file"),
    "gated": ({"status": 403}, r"is not given out to everybody \(403\); ask its owners"),
    "gone": ({"status": 404}, r"cannot be fetched: the server says 404"),
    "too large": ({"announced": 2**40}, r"announces 1099511627776 bytes, expected \d+ at most"),
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
    assert not (folder / "test-tiny.pth").exists()


class Usage:
    def __init__(self, free: int) -> None:
        self.free = free


def test_an_endless_answer_is_stopped(
    fetch: Callable[..., Any], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "MAX_BYTES", 5000)
    server.announced = None
    with pytest.raises(ModelError, match="sends more than 5000 bytes; it was stopped"):
        fetch()


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("http://example.org/net.pth", r"is not fetched from: only https addresses are"),
        ("file:///etc/passwd", r"cannot be fetched: the server says 302 .*is not allowed"),
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
    with pytest.raises(ModelError, match=r"could not be fetched to its end .*0 bytes are kept"):
        fetch(weights_url="http://127.0.0.1:9/net.pth")


def test_two_at_once(fetch: Callable[..., Any], folder: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    folder.mkdir(parents=True)
    with (folder / "test-tiny.pth.part.lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(ModelError, match="is being fetched by another process; wait for it"):
            fetch()
