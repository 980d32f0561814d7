"""References, and somebody else's code imported with care."""

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tvseg_bench.benchmark.errors import ModelError, UsageError
from tvseg_bench.benchmark.plugins.resolve import find_model, plugin_error, split_file, split_pin

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def make(text: str, name: str = "my_model.py") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return make


# --------------------------------------------------------------------------- references


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("dino/vits16", ("dino/vits16", None)),
        ("timm:a.b@sha256:" + "0" * 64, ("timm:a.b", "0" * 64)),
        ("dino/vits16@sha256:ABCDEF01", ("dino/vits16", "abcdef01")),
        ("dino/vits16@sha256:abcdef01…", ("dino/vits16", "abcdef01")),
        ("file:./me@home/net.py:Net", ("file:./me@home/net.py:Net", None)),
        ("file:a@b.py@sha256:12345678", ("file:a@b.py", "12345678")),
    ],
)
def test_pins(reference: str, expected: tuple[str, str | None]) -> None:
    assert split_pin(reference) == expected


@pytest.mark.parametrize("pin", ["sha256:123", "sha256:zzzzzzzz", "md5:12345678", "", "v1"])
def test_odd_pins(pin: str) -> None:
    with pytest.raises(UsageError, match="expected @sha256: and 8 to 64 hexadecimal digits"):
        split_pin(f"dino/vits16@{pin}")


@pytest.mark.parametrize(
    ("rest", "path", "attribute"),
    [
        ("./net.py", "./net.py", "build"),
        ("a/b.py:Nets.small", "a/b.py", "Nets.small"),
        ("C:/plugins/net.py", "C:/plugins/net.py", "build"),
        ("C:/plugins/net.py:Net", "C:/plugins/net.py", "Net"),
    ],
)
def test_files(rest: str, path: str, attribute: str) -> None:
    assert split_file(rest) == (Path(path), attribute)


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        (
            "huub:facebook/dinov2:vits14",
            r"unknown scheme 'huub:'; expected a registered name, file:",
        ),
        ("no_such_module.x:build", r"there is no module 'no_such_module'.*PYTHONPATH"),
        ("file:nowhere.py", r"plugin file nowhere\.py does not exist or is not a file"),
        ("json:nothing", r"there is no 'nothing' in it; .* it has: .*loads"),
        ("json:decoder", r"expected a function or class that builds a model"),
        ("dino/vits1", r"unknown model 'dino/vits1'"),
        ("", r"unknown model ''"),
    ],
)
def test_unknown_references(reference: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        find_model(reference)


# ------------------------------------------------------------------------------- files


def test_a_file_leaves_no_trace(write: Write) -> None:
    path = write("def build(): return 7")
    before = list(sys.path)
    found = find_model(f"file:{path}")
    assert found.entry.build() == 7  # type: ignore[comparison-overlap]
    assert found.origin["file_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.origin["package"] is None
    assert sys.path == before
    assert "my_model" not in sys.modules
    assert [p.name for p in path.parent.iterdir()] == ["my_model.py"]  # no byte code


def test_a_file_runs_once_per_content(write: Write) -> None:
    path = write("import sys; sys.ran = getattr(sys, 'ran', 0) + 1\ndef build(): return 1")
    sys.ran = 0  # type: ignore[attr-defined]
    first, again = find_model(f"file:{path}"), find_model(f"file:{path}:build")
    assert first.entry.build is again.entry.build
    write("import sys; sys.ran = getattr(sys, 'ran', 0) + 1\ndef build(): return 2")
    assert find_model(f"file:{path}").entry.build() == 2  # type: ignore[comparison-overlap]
    assert sys.ran == 2  # type: ignore[attr-defined]


def test_two_files_of_one_name(write: Write) -> None:
    a = write("def build(): return 'a'", "a/net.py")
    b = write("def build(): return 'b'", "b/net.py")
    values = [find_model(f"file:{path}").entry.build() for path in (a, b)]
    assert values == ["a", "b"]


def test_a_dataclass_in_a_file(write: Write) -> None:
    path = write(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Net:\n    size: int = 3\n"
    )
    assert find_model(f"file:{path}:Net").entry.build().size == 3  # type: ignore[attr-defined]


def test_neighbours_are_not_imported(write: Write) -> None:
    write("x = 1", "helper_of_mine.py")
    path = write("from helper_of_mine import x")
    sentence = r"imports its neighbour 'helper_of_mine', but .* PYTHONPATH and name the model my_m"
    with pytest.raises(ModelError, match=sentence):
        find_model(f"file:{path}")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("\n\nraise OSError('no disk')", r"my_model\.py, line 3: OSError: no disk"),
        ("x = 1\ndef build(:\n", r"my_model\.py, line 2: SyntaxError: "),
        ("import no_such_thing", r"my_model\.py, line 1: ModuleNotFoundError: No module named"),
        ("import json\njson.loads('{')", r"my_model\.py, line 2: JSONDecodeError"),
        ("exit(3)", r"my_model\.py, line 1: SystemExit: 3"),
        ("x = '\0'", r"could not be imported.*(SyntaxError|ValueError)"),
    ],
)
def test_broken_files(text: str, sentence: str, write: Write) -> None:
    path = write(text)
    before = {name for name in sys.modules if name.startswith("tvseg_bench_plugin")}
    with pytest.raises(ModelError, match=sentence) as caught:
        find_model(f"file:{path}")
    assert "\n" not in str(caught.value)
    assert {name for name in sys.modules if name.startswith("tvseg_bench_plugin")} == before


def test_errors_without_a_text() -> None:
    assert str(plugin_error("a/b", "built", KeyError())) == (
        "the model 'a/b' could not be built: KeyError"
    )


# ------------------------------------------------------------------------ dotted names


@pytest.fixture
def package(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    write("", "loose_package/__init__.py")
    write("from loose_package.inner import size\ndef build(): return size", "loose_package/net.py")
    write("size = 5", "loose_package/inner.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("loose_package", "loose_package.net", "loose_package.inner"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return "loose_package.net"


def test_dotted(package: str) -> None:
    found = find_model(f"{package}:build")
    assert found.entry.build() == 5  # type: ignore[comparison-overlap]
    assert find_model(f"{package}:").entry.build is found.entry.build
    assert found.origin["package"] is None


def test_code_that_nobody_vouches_for_is_hashed(package: str, write: Write) -> None:
    first = find_model(f"{package}:build").origin["file_sha256"]
    assert first == find_model(f"{package}:build").origin["file_sha256"]
    write("size = 6", "loose_package/inner.py")
    assert find_model(f"{package}:build").origin["file_sha256"] != first


def test_installed_code_has_a_version() -> None:
    expected = {"package": "pytest", "version": pytest.__version__, "file_sha256": None}
    assert find_model("pytest:fixture").origin == expected
