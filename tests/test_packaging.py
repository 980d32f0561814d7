"""The root is the package: these tests hold the mapping together."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

tomllib = pytest.importorskip("tomllib", reason="Python 3.11 reads pyproject.toml by itself")
ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONFIG = PYPROJECT["tool"]["setuptools"]
NOT_PACKAGE = {"tests", "examples", "build", "dist", ".typing", ".git", ".venv"}


def inside(path: Path) -> bool:
    parts = path.relative_to(ROOT).parts
    return not NOT_PACKAGE & set(parts) and not any(p.startswith(".") for p in parts)


def test_every_folder_with_an_init_is_listed() -> None:
    found = {
        ".".join(("tvseg_bench", *init.parent.relative_to(ROOT).parts))
        for init in ROOT.rglob("__init__.py")
        if inside(init)
    }
    assert found == set(CONFIG["packages"])


RESULTS = ROOT / "leaderboards" / "results"
"""Of the repository's own board; no part of the package."""


def is_data(path: Path, package: Path) -> bool:
    """Whether a file is no code and belongs to this package, not to one below it."""
    if path.is_relative_to(RESULTS):
        return False
    nearest = next(parent for parent in path.parents if (parent / "__init__.py").is_file())
    return nearest == package and path.suffix != ".py" and "__pycache__" not in path.parts


def test_every_data_file_is_shipped() -> None:
    shipped = CONFIG["package-data"]
    for package in CONFIG["packages"]:
        folder = ROOT.joinpath(*package.split(".")[1:])
        if folder != ROOT:
            data = {p for p in folder.rglob("*") if p.is_file() and is_data(p, folder)}
            assert data == {p for g in shipped.get(package, []) for p in folder.glob(g)}, package


def test_no_other_module_at_the_root() -> None:
    """Setuptools would ship a root conftest.py or noxfile.py as tvseg_bench.conftest."""
    assert {p.name for p in ROOT.glob("*.py")} == {"__init__.py", "__main__.py"}


def test_only_one_top_level_name(tmp_path: Path) -> None:
    code = (
        "import importlib.util as u; names = 'models benchmark protocols leaderboards tests';"
        "print([n for n in names.split() if u.find_spec(n)])"
    )
    run = [sys.executable, "-c", code]
    assert subprocess.check_output(run, cwd=tmp_path, text=True).strip() == "[]"


def test_every_bound_has_its_reason() -> None:
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    start, end = (lines.index(line) for line in ("dependencies = [", "[project.scripts]"))
    bounds = [line for line in lines[start:end] if re.search(r"\"[\w\[\]-]+>=", line)]
    project = PYPROJECT["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    stated = [bound for group in groups for bound in group]
    assert len(bounds) == len([bound for bound in stated if ">=" in bound.partition(";")[0]])
    assert [line for line in bounds if "#" not in line] == []
    assert [bound for bound in project["dependencies"] if ">=" not in bound] == []


def test_faiss_is_an_extra_and_its_builds_exclude_each_other() -> None:
    extras = PYPROJECT["project"]["optional-dependencies"]
    assert not any("faiss" in d for d in PYPROJECT["project"]["dependencies"])
    assert not any("gpu" in d for d in extras["cpu"] + extras["test"])
    assert not any("cpu" in d for d in extras["gpu"])


def test_wheel_holds_the_package_and_nothing_else(tmp_path: Path) -> None:
    """Build from a copy, so that no build folder is left in the checkout."""
    tracked = subprocess.check_output(
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        text=True,
    )
    source = tmp_path / "source"
    for name in tracked.splitlines():
        origin = ROOT / name
        if origin.is_file() and not origin.is_symlink():
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(origin.read_bytes())
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path)]
    subprocess.run([*build, str(source)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {t for t in tops if not t.endswith(".dist-info")} == {"tvseg_bench"}
    assert not [n for n in names if "/tests/" in n or "/examples/" in n or "/scripts/" in n]
    expected = {
        "/".join(("tvseg_bench", *p.relative_to(ROOT).parts))
        for package in CONFIG["packages"]
        for p in ROOT.joinpath(*package.split(".")[1:]).glob("*.py")
    }
    assert expected <= set(names)
    assert "tvseg_bench/py.typed" in names
