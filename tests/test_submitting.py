"""docs/guide/submit.md, executed: its code written, its commands run, from wheels.

The suite and the plugins are installed as wheels into a folder of their own, offline, beside the
installed dependencies, and run in processes that see that folder and not the checkout.
"""

import ast
import json
import os
import re
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "guide" / "submit.md"
SQUEEZENET = ROOT / "examples" / "squeezenet"
PIP = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
OFFLINE = ["--no-deps", "--no-index", "--no-build-isolation", "--no-warn-conflicts"]

pytestmark = pytest.mark.skipif(
    not DOCUMENT.is_file() or not SQUEEZENET.is_dir(), reason="needs the checkout"
)

# Runs command lines one after the other in one process, as a user would type them.
DRIVER = """
import contextlib, io, json, sys
import tvseg_bench
from tvseg_bench.__main__ import main

outcomes = []
for line in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(line)
    outcomes.append([code, out.getvalue(), err.getvalue()])
print(json.dumps({"suite": tvseg_bench.__file__, "outcomes": outcomes}))
"""


class Environment:
    """A folder of installed packages and a place to work in."""

    def __init__(self, suite: Path, root: Path) -> None:
        self.suite, self.plugins, self.work = suite, root / "plugins", root / "work"
        self.work.mkdir()
        self.variables = {
            **{k: v for k, v in os.environ.items() if k not in ("TVSEG_DATA", "TVSEG_HOME")},
            "PYTHONPATH": os.pathsep.join([str(self.plugins), str(suite)]),
            "PYTHONSAFEPATH": "1",
            "TVSEG_HOME": str(root / "home"),
        }

    def python(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.work,
            env=self.variables,
            text=True,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout

    def install(self, *sources: Path | str) -> None:
        self.python(*PIP, *OFFLINE, "--target", str(self.plugins), *map(str, sources))

    def tvseg_bench(self, *lines: Sequence[str]) -> list[tuple[int, str, str]]:
        """Return exit code, output and errors of each command line."""
        answer = json.loads(self.python("-c", DRIVER, json.dumps([*lines])).splitlines()[-1])
        assert Path(answer["suite"]).is_relative_to(self.suite), "this is not the wheel"
        return [(code, out, err) for code, out, err in answer["outcomes"]]


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the suite's wheel, built from a copy: no build folder is left in the checkout."""
    folder = tmp_path_factory.mktemp("suite")
    listed = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-co", "--exclude-standard"]
    for name in subprocess.check_output(listed, cwd=ROOT, text=True).splitlines():
        source, target = ROOT / name, folder / "source" / name
        left_out = name.startswith(("tests/", "examples/", "scripts/"))
        if source.is_file() and not source.is_symlink() and not left_out:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*command, str(folder / "source")], check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as wheel:  # what installing a pure wheel does
        wheel.extractall(folder / "site")
    return folder / "site"


@pytest.fixture
def environment(suite: Path, tmp_path: Path) -> Environment:
    return Environment(suite, tmp_path)


# -------------------------------------------------------------------------- the document


def blocks(kind: str) -> list[str]:
    text = DOCUMENT.read_text(encoding="utf-8")
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    return [block for language, block in fenced if language == kind]


def write_block(block: str, work: Path) -> None:
    """Write a Python block to the file its first line names, or replace one definition there."""
    match = re.match(r"# (\S+?)(?:, in place of (\w+))?\n", block)
    assert match is not None, block
    path, code = work / match[1], block[match.end() :]
    if match[2] is None:
        path.write_text(code, encoding="utf-8")
        return
    text = path.read_text(encoding="utf-8")
    (old,) = [node for node in ast.parse(text).body if match[2] in names(node)]
    lines = text.splitlines(keepends=True)
    lines[old.lineno - 1 : old.end_lineno] = code
    path.write_text("".join(lines), encoding="utf-8")


def names(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


@pytest.mark.slow
def test_the_page_as_it_is_written(environment: Environment) -> None:
    (new, install, *groups) = blocks("")
    assert environment.tvseg_bench(shlex.split(new)[1:])[0][0] == 0
    for block in blocks("python"):
        write_block(block, environment.work)
    pip, script, listing = install.splitlines()
    assert shlex.split(pip)[:2] == ["pip", "install"]
    environment.install(*shlex.split(pip)[2:])
    environment.python(*shlex.split(script)[1:])

    lines = [shlex.split(line) for group in groups for line in group.splitlines()]
    assert [line[0] for line in lines] == ["tvseg-bench"] * 5
    listed, checked, ran, packed, accepted, beside = environment.tvseg_bench(
        shlex.split(listing)[1:], *(line[1:] for line in lines)
    )
    assert "mine/waves" in listed[1]
    for code, out, err in (listed, checked, ran, packed, accepted, beside):
        assert code == 0, out + err
    for name in ("check_report.json", "check_report.md", "results", "samples"):
        assert (environment.work / "runs/waves" / name).exists()
    assert (environment.work / "waves.zip").is_file()


# ------------------------------------------------------------------- an example, as a wheel


def edited(path: Path, out: Path) -> Path:
    """Change one digit of one number in an archive, and nothing else."""
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(out, "w") as target:
        for info in source.infolist():
            data = source.read(info)
            if info.filename.startswith("results/"):
                data, changed = re.subn(rb'("value": 0\.)\d', rb"\g<1>9", data, count=1)
                assert changed == 1
            target.writestr(info, data)
    return out


@pytest.mark.slow
def test_an_example_is_checked_run_packed_and_accepted(
    environment: Environment, tmp_path: Path
) -> None:
    environment.install(SQUEEZENET)
    assert (environment.plugins / "squeezenet_plugin.py").is_file()
    environment.python(
        "-c",
        "import torch\nfrom safetensors.torch import save_file\n"
        "from torchvision.models import squeezenet1_0\ntorch.manual_seed(0)\n"
        "save_file(squeezenet1_0(weights=None).state_dict(), 'weights.safetensors')",
    )
    model = ["squeezenet/1.0", "--weights", "weights.safetensors"]
    checked, ran, packed, accepted = environment.tvseg_bench(
        ["check", *model, "-o", "out"],
        ["run", "--model", *model, "--protocol", "kmeans-frame", "--dataset", "moving-shapes",
         "-o", "out", "protocol.all.size=64", "protocol.all.n_init=1", "protocol.all.frames=2"],
        ["submit", "pack", "out", "-o", "x.zip"],
        ["submit", "check", "x.zip"],
    )  # fmt: skip
    for code, out, err in (checked, ran, packed, accepted):
        assert code == 0, out + err
    wrong = edited(environment.work / "x.zip", environment.work / "edited.zip")
    ((code, out, err),) = environment.tvseg_bench(["submit", "check", wrong.name])
    assert code == 1
    assert "was changed after it was packed" in out + err


# ------------------------------------------------------------------- installed, in all ways

Package = Callable[..., Path]


@pytest.fixture
def package(tmp_path: Path) -> Package:
    """Write a small package that brings models by entry points."""

    def make(name: str, models: dict[str, str], code: str = "def build(): ...\n") -> Path:
        folder = tmp_path / "packages" / name
        folder.mkdir(parents=True)
        points = "\n".join(f'"{model}" = "{target}"' for model, target in models.items())
        module = name.replace("-", "_")
        (folder / f"{module}.py").write_text(code)
        (folder / "pyproject.toml").write_text(
            '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
            f'[project]\nname = "{name}"\nversion = "1.5"\n'
            f'[project.entry-points."tvseg_bench.models"]\n{points}\n'
            f'[tool.setuptools]\npy-modules = ["{module}"]\n'
        )
        return folder

    return make


def test_installed_models_appear_break_and_collide(
    environment: Environment, package: Package
) -> None:
    environment.install(
        package("good-net", {"good/net": "good_net:build"}),
        package("bad-net", {"bad/net": "bad_net:build"}, "import no_such_thing\n"),
        package("first-net", {"same/net": "first_net:build", "dino/vits16": "first_net:build"}),
        package("second-net", {"same/net": "second_net:build"}),
    )
    code = """
import json, warnings
import tvseg_bench
from tvseg_bench.benchmark.registry import models
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    rows = {row["name"]: row["from"] for row in tvseg_bench.list_models()}
    loaded = {}
    for name in ("bad/net", "same/net", "good/net"):
        try:
            models[name]
            loaded[name] = "ok"
        except Exception as error:
            loaded[name] = f"{type(error).__name__}: {error}"
print(json.dumps([rows, loaded, [str(w.message) for w in caught]]))
"""
    rows, loaded, warned = json.loads(environment.python("-c", code))
    assert rows["good/net"] == "good-net 1.5"
    assert rows["dino/vits16"] == "tvseg-bench"
    assert "same/net" not in rows
    assert loaded["good/net"] == "ok"
    assert "cannot be loaded and is skipped: ModuleNotFoundError" in loaded["bad/net"]
    assert re.search(
        r"registered twice, by (first|second)-net 1\.5 and by (?!\1)(first|second)-net 1\.5",
        loaded["same/net"],
    )
    warnings = " ".join(warned)
    assert "'dino/vits16' is registered twice, by tvseg-bench and by first-net 1.5" in warnings
    assert "'bad/net' (bad-net 1.5) cannot be loaded" in warnings
    assert "'same/net' is registered twice" in warnings
