"""`new-model`: a package that lacks nothing but the network, and never writes over anything."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tvseg_bench
from tvseg_bench.benchmark.contract.run_checks import check_model
from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.plugins.scaffold import Scaffold, new_model, words_of
from tvseg_bench.models.template import TEMPLATE

NETWORK = """    import torch

    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 16, 16, 16), torch.nn.Tanh(), torch.nn.Conv2d(16, 24, 3, padding=1)
    )
"""


@pytest.fixture(autouse=True)
def _registered() -> None:
    tvseg_bench.register_builtins()


@pytest.fixture
def made(tmp_path: Path) -> Scaffold:
    return new_model("mine/tiny-16", tmp_path, TEMPLATE)


def fill_in(made: Scaffold) -> None:
    """Do what the README asks of an author: the card and the network."""
    card, network = made.to_fill_in
    text = network.read_text()
    start, end = text.index("    raise ModelError("), text.index("class Backbone")
    network.write_text(text[:start] + NETWORK + "\n\n" + text[end:])
    text = card.read_text()
    for old, new in (
        ("embed_dim=384", "embed_dim=24"),
        ("params_m=None", "params_m=0.0158"),
        ('licence="unknown"', 'licence="Apache-2.0"'),
        ("paper=None", 'paper="https://example.org"'),
        ("code=None", 'code="https://example.org"'),
        ("pretraining_data=()", 'pretraining_data=("noise",)'),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    card.write_text(text)


def save_weights(path: Path) -> Path:
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    namespace: dict[str, object] = {}
    exec(f"def network():\n{NETWORK}", namespace)
    save_file(namespace["network"]().state_dict(), path)  # type: ignore[operator]
    return path


def test_what_is_written(made: Scaffold, tmp_path: Path) -> None:
    assert made.folder == tmp_path / "mine-tiny-16"
    written = {
        p.relative_to(made.folder).as_posix() for p in made.folder.rglob("*") if p.is_file()
    }
    assert written == {
        "pyproject.toml",
        "README.md",
        "LICENCE.md",
        "src/tvseg_mine_tiny_16/__init__.py",
        "src/tvseg_mine_tiny_16/network.py",
        "tests/test_contract.py",
    }
    assert {p.relative_to(made.folder).as_posix() for p in made.files} == written
    for path in made.files:
        text = path.read_text(encoding="utf-8")
        assert "$" not in text, path
        if path.suffix == ".py":
            ast.parse(text)
    pyproject = made.files[0].read_text()
    assert '"mine/tiny-16" = "tvseg_mine_tiny_16:build"' in pyproject
    assert 'name = "tvseg-bench-mine-tiny-16"' in pyproject


def test_the_files_are_tidy(made: Scaffold) -> None:
    run = [sys.executable, "-m", "ruff"]
    if subprocess.run([*run, "--version"], capture_output=True, check=False).returncode:
        pytest.skip("ruff is not installed")
    isolated = ["--isolated", "--line-length", "99", str(made.folder)]
    subprocess.run([*run, "check", "--select", "E,F,I,UP", *isolated],
                   check=True)  # fmt: skip
    subprocess.run([*run, "format", "--check", *isolated], check=True)


def test_every_template_is_used() -> None:
    from tvseg_bench.benchmark.plugins.scaffold import FILES

    assert {p.name for p in TEMPLATE.glob("*.tmpl")} == set(FILES.values())


def test_the_card_is_read_without_torch(made: Scaffold) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(made.folder / 'src')!r}); "
        "import tvseg_mine_tiny_16 as m; print(m.CARD.name, 'torch' in sys.modules)"
    )
    out = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert out.split() == ["mine/tiny-16", "False"]


def test_the_contract_says_what_is_to_be_filled_in(
    made: Scaffold, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(made.folder / "src"))
    report = check_model("tvseg_mine_tiny_16:build", device="cpu")
    assert report.failed == ("weights",)
    assert "mine/tiny-16 is not filled in yet; write its network in src/tvseg_mine_tiny_16/" in (
        report.outcomes[0].message
    )


def test_filled_in_it_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = new_model("mine/filled", tmp_path, TEMPLATE)
    fill_in(made)
    weights = save_weights(tmp_path / "weights.safetensors")
    monkeypatch.syspath_prepend(str(made.folder / "src"))
    report = check_model(
        "tvseg_mine_filled:build", weights=weights, device="cpu", leave_out=("toy", "speed")
    )
    assert report.passed, report.to_markdown()
    statuses = {o.check: o.status for o in report.outcomes}
    assert statuses["weights"] == statuses["reinitialised"] == "ok"
    monkeypatch.setenv("TVSEG_HOME", str(tmp_path / "empty"))
    report = check_model("tvseg_mine_filled:build", device="cpu")
    assert report.failed == ("weights",)
    assert "are not on this machine" in report.outcomes[0].message


@pytest.mark.parametrize(
    "name",
    ["", "mine", "Mine/net", "mine/", "/net", "../net", "mine/../net", "a/b\n", "a b/c", "a/$x",
     "mine/.net", "~/net", "mine\\net", "a/" + "b" * 80, "a:b/c", "ä/b", "-o/net"],
)  # fmt: skip
def test_names_that_do_not_fit(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a name for a model; expected family/arch"):
        new_model(name, tmp_path, TEMPLATE)
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=50, deadline=None)
@given(
    st.from_regex(r"[a-z0-9][a-z0-9._+-]{0,8}(/[a-z0-9][a-z0-9._+-]{0,8}){1,2}", fullmatch=True)
)
def test_whatever_fits_makes_a_package_that_can_be_imported(name: str) -> None:
    words = words_of(name[:80].rstrip("/"))
    assert words["module"].isidentifier()
    assert "/" not in words["folder"]
    assert words["folder"] not in ("", ".", "..")
    assert words["package"] == words["package"].strip("-")


def test_names_that_are_taken(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'dino/vits16' is there already, from tvseg-bench"):
        new_model("dino/vits16", tmp_path, TEMPLATE)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(made: Scaffold, tmp_path: Path) -> None:
    (made.folder / "README.md").write_text("mine")
    with pytest.raises(UsageError, match="mine-tiny-16 is there already and is left as it is"):
        new_model("mine/tiny.16", tmp_path, TEMPLATE)  # another name, the same folder
    assert (made.folder / "README.md").read_text() == "mine"
    (tmp_path / "mine-other").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="mine-other is there already"):
        new_model("mine/other", tmp_path, TEMPLATE)
    assert not (tmp_path / "elsewhere").exists()
    with pytest.raises(UsageError, match="nowhere is not a folder; make it, or leave --dir out"):
        new_model("mine/other", tmp_path / "nowhere", TEMPLATE)
