"""A registry is a dict with good manners, also when what is installed has none."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.registry import ModelEntry, Registry, adopt_model
from tvseg_bench.benchmark.types import ModelCard

GROUP = "tvseg_bench.tests"
CARD = ModelCard(name="test/net", patch_size=16, embed_dim=8)

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Return a function that puts a fake distribution with entry points on the path."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(package: str, entries: str, module: str = "", **files: str) -> Path:
        info = tmp_path / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{entries}\n")
        if module:
            name = package.replace("-", "_")
            (tmp_path / f"{name}.py").write_text(module)
            monkeypatch.delitem(sys.modules, name, raising=False)
        return info

    return make


@pytest.fixture
def registry() -> Registry[object]:
    return Registry("model", group=GROUP)


def test_found_without_being_imported(install: Install, registry: Registry[object]) -> None:
    install("lazy-plugin", "net/a = lazy_plugin:thing", "thing = 7")
    assert list(registry) == ["net/a"]
    assert "net/a" in registry
    assert registry.loaded("net/a") is None
    assert registry.origin("net/a") == "lazy-plugin 1.0"
    assert "lazy_plugin" not in sys.modules
    assert registry["net/a"] == 7
    assert registry.loaded("net/a") == 7


def test_adopted_on_the_way(install: Install) -> None:
    install("adopted", "net/a = adopted:thing", "thing = 7")
    registry = Registry[object]("model", GROUP, lambda name, value: (name, value))
    assert registry["net/a"] == ("net/a", 7)


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("raise RuntimeError('no licence')", r"RuntimeError: no licence"),
        ("import no_such_thing", r"ModuleNotFoundError: No module named 'no_such_thing'"),
        ("import sys; sys.exit('bye')", r"SystemExit: bye"),
        ("def broken(:", r"SyntaxError: "),
        ("other = 1", r"AttributeError: "),
    ],
)
def test_a_broken_plugin_is_skipped(
    module: str, reason: str, install: Install, registry: Registry[object]
) -> None:
    install("broken-one", "net/bad = broken_one:thing", module)
    install("whole-one", "net/good = whole_one:thing", "thing = 1")
    with (
        pytest.warns(
            UserWarning, match=rf"plugin 'net/bad' \(broken-one 1\.0\) cannot .*{reason}"
        ),
        pytest.raises(UsageError, match=reason),
    ):
        registry["net/bad"]
    assert registry["net/good"] == 1
    assert list(registry) == ["net/good"]
    with pytest.raises(
        UsageError, match=reason
    ):  # the reason is kept, the warning is not repeated
        registry["net/bad"]


def test_twice_by_us(registry: Registry[object]) -> None:
    registry.register("net/a", 1, origin="here")
    with pytest.raises(UsageError, match=r"'net/a' is registered twice, by here and by there"):
        registry.register("net/a", 2, origin="there")
    assert registry["net/a"] == 1


def test_a_plugin_never_replaces_ours(install: Install, registry: Registry[object]) -> None:
    registry.register("net/a", 1)
    install("usurper", "net/a = usurper:thing\nnet/b = usurper:thing", "thing = 2")
    with pytest.warns(UserWarning, match=r"twice, by tvseg-bench and by usurper 1\.0; uninstall"):
        assert registry["net/a"] == 1
    assert registry["net/b"] == 2


def test_two_plugins_of_one_name(install: Install, registry: Registry[object]) -> None:
    install("first", "net/a = first:thing", "thing = 1")
    install("second", "net/a = second:thing\nnet/b = second:thing", "thing = 2")
    with pytest.warns(UserWarning, match=r"registered twice, by (first|second) 1\.0 and by"):
        assert list(registry) == ["net/b"]
    with pytest.raises(UsageError, match=r"'net/a' is registered twice, by (first|second) 1\.0"):
        registry["net/a"]
    assert registry["net/b"] == 2


def test_a_name_of_grammar_characters(install: Install, registry: Registry[object]) -> None:
    install("odd-name", "net@a = odd_name:thing\nNet/B = odd_name:thing", "thing = 1")
    with pytest.warns(UserWarning, match=r"is skipped: a name is made of lower case") as seen:
        assert list(registry) == []
    assert len(seen) == 2


def test_unreadable_metadata(install: Install, registry: Registry[object]) -> None:
    install("unreadable", "x = y")
    info = install("garbled", "x = y")
    (info / "entry_points.txt").write_bytes(b"[tvseg_bench.tests]\nnet/a = \xff\xfe\n")
    install("sound", "net/b = sound:thing", "thing = 3")
    with pytest.warns(UserWarning, match=r"the plugins of .*garbled-1\.0.* are skipped"):
        assert "net/b" in registry
    assert registry["net/b"] == 3


def test_unknown_names_get_near_ones(registry: Registry[object]) -> None:
    registry.register("dino/vits16", 1)
    with pytest.raises(
        UsageError, match=r"unknown model 'dino/vits61'; did you mean 'dino/vits16'"
    ):
        registry["dino/vits61"]


def test_schemes(registry: Registry[object]) -> None:
    registry.scheme("upper", str.upper)
    assert registry["upper:a:b"] == "A:B"
    assert registry.schemes == ("upper",)
    assert list(registry) == []


# ---------------------------------------------------------------------------- adoption


class Net:
    card = CARD

    def __init__(self, weights: Path) -> None: ...


def with_options(**options: object) -> None: ...


def test_adopts_a_class() -> None:
    entry = adopt_model("test/net", Net)
    assert entry.build is Net
    assert entry.card is CARD
    assert (entry.takes_weights, entry.needs_weights) == (True, True)


def test_adopts_functions() -> None:
    entry = adopt_model("test/net", with_options)
    assert (entry.takes_weights, entry.needs_weights) == (True, False)
    assert entry.card is CARD  # CARD of its module
    assert not adopt_model("test/net", lambda: None).takes_weights


def test_adopts_modules_and_entries() -> None:
    module = type(sys)("plugin")
    module.build = with_options  # type: ignore[attr-defined]
    assert adopt_model("test/net", module).build is with_options
    entry = ModelEntry(card=CARD, build=Net)
    assert adopt_model("test/net", entry) is entry


@pytest.mark.parametrize("value", [7, "text", type(sys)("empty")])
def test_adopts_nothing_else(value: object) -> None:
    with pytest.raises(TypeError, match="expected a function or class that builds a model"):
        adopt_model("test/net", value)


def test_listing_models_imports_nothing_heavy() -> None:
    code = (
        "import sys, tvseg_bench.models; from tvseg_bench.benchmark.registry import models;"
        "import tvseg_bench.benchmark.plugins.load;"
        "assert 'dino/vits16' in list(models) and models['dino/vits16'].card;"
        "print([m for m in ('torch', 'numpy', 'timm') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_entries_are_overridden_for_a_while(install: Install, registry: Registry[object]) -> None:
    install("lazy-plugin", "net/a = lazy_plugin:thing", "thing = 7")
    registry.register("net/b", 8)
    with registry.overridden({"net/a": 1, "net/b": 2, "net/c": 3}, "the tests"):
        assert [registry[name] for name in registry] == [1, 2, 3]
        assert registry.origin("net/b") == "the tests"
        registry.register("net/d", 9)
    assert [registry[name] for name in registry] == [7, 8, 9]
    assert registry.origin("net/a") == "lazy-plugin 1.0"


def test_an_override_ends_with_an_error(registry: Registry[object]) -> None:
    with pytest.raises(KeyError), registry.overridden({"net/a": 1}):
        raise KeyError
    assert "net/a" not in registry
