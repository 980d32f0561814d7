"""Imports point one way, in the order in which the data flow; the tree shows that order."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAY_IMPORT = {
    "benchmark": {"benchmark"},
    "models": {"models", "benchmark"},
    "protocols": {"protocols", "benchmark"},
    "leaderboards": {"leaderboards", "benchmark"},
}
RANKS = (
    ("types", "errors", "paths", "version", "compiled"),
    ("metrics",),
    ("registry", "evaluation", "devices"),
    ("data", "clustering", "propagation"),
    ("plugins",),
    ("features",),
    ("statistics",),
    ("results",),
    ("recording",),
    ("execution",),
    ("contract",),
    ("cli",),
)
"""Parts of `benchmark`, lowest first. A part imports those below it; parts of the first three
ranks may import their neighbours, the others may not."""
NEIGHBOURLY = 3
BUILDS_ON = {name: {"kmeans"} for name in ("temporal", "foreground", "objects")}
"""Families of protocols that use another one; every other family uses `common` only."""
MOST_FILES = 18


def files(layer: str) -> list[Path]:
    found = sorted((ROOT / layer).rglob("*.py"))
    assert found
    return found


def imported(path: Path) -> Iterator[tuple[str, ...]]:
    """Yield what a file imports from us, as parts below the package: late and typing ones too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{a.name}" for a in node.names]
        else:
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            top, *parts = name.split(".")
            if top == "tvseg_bench":
                yield tuple(parts) or ("tvseg_bench",)


@pytest.mark.parametrize("layer", MAY_IMPORT)
def test_folders_import_downwards(layer: str) -> None:
    for path in files(layer):
        above = {parts[0] for parts in imported(path)} - MAY_IMPORT[layer]
        assert not above, f"{path.relative_to(ROOT)} imports {sorted(above)}"


def test_every_part_of_benchmark_has_a_rank() -> None:
    parts = {p.stem for p in (ROOT / "benchmark").iterdir() if p.suffix == ".py" or is_package(p)}
    assert parts - {"__init__"} == {name for rank in RANKS for name in rank}


def is_package(path: Path) -> bool:
    return (path / "__init__.py").is_file()


def test_benchmark_imports_down_its_ranks() -> None:
    rank = {name: i for i, names in enumerate(RANKS) for name in names}
    for path in files("benchmark"):
        source = path.relative_to(ROOT / "benchmark").with_suffix("").parts[0]
        if source == "__init__":
            continue
        for _, *parts in imported(path):
            target = parts[0]
            neighbours = rank[target] == rank[source] < NEIGHBOURLY
            below = rank[target] < rank[source] or target == source or neighbours
            assert below, f"{path.relative_to(ROOT)} imports {target}, which is above it"


def test_families_of_protocols_stand_alone() -> None:
    for path in files("protocols"):
        family, *rest = path.relative_to(ROOT / "protocols").parts
        allowed = (
            {family, "common", *BUILDS_ON.get(family, ())} if family != "common" else {family}
        )
        for parts in imported(path):
            if rest and parts[0] == "protocols" and len(parts) > 1:
                assert parts[1] in allowed, f"{path.relative_to(ROOT)} imports {'.'.join(parts)}"


@pytest.mark.parametrize("layer", MAY_IMPORT)
def test_no_folder_is_crowded(layer: str) -> None:
    counted = Counter(path.parent for path in files(layer))
    del counted[ROOT / "models"]  # one file per family
    crowded = {str(p.relative_to(ROOT)): n for p, n in counted.items() if n > MOST_FILES}
    assert not crowded


def test_class_names_are_unique() -> None:
    """Two classes of one name would have to be told apart wherever both are imported."""
    names = Counter(
        node.name
        for layer in MAY_IMPORT
        for path in files(layer)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert [name for name, n in names.items() if n > 1] == []


def test_no_cycles() -> None:
    """Modules that import each other when they are loaded cannot be read on their own."""
    graph = {}
    for layer in MAY_IMPORT:
        for path in files(layer):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            graph[name] = set(top_level_imports(path))
    state: dict[str, str] = {}

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert state.get(name) != "open", " -> ".join((*trail, name))
        if name in state or name not in graph:
            return
        state[name] = "open"
        for other in sorted(graph[name] - {name}):
            visit(other, (*trail, name))
        state[name] = "done"

    for name in sorted(graph):
        visit(name, ())


def top_level_imports(path: Path) -> Iterator[str]:
    """Yield our modules that are imported when the module is loaded (not for type checkers)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tvseg_bench."):
            module = (node.module or "").removeprefix("tvseg_bench.")
            for alias in node.names:
                inner = ROOT.joinpath(*module.split("."), alias.name)
                is_module = inner.with_suffix(".py").exists() or inner.is_dir()
                yield f"{module}.{alias.name}" if is_module else module
