"""Imports point one way: root -> models | protocols | leaderboards -> benchmark."""

import ast
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
ROOT_NAMES = {"__version__"}


def own_imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{a.name}" for a in node.names]
        else:
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        yield from (n.split(".")[1] for n in names if n.startswith("tvseg_bench."))


@pytest.mark.parametrize("layer", MAY_IMPORT)
def test_imports_point_down(layer: str) -> None:
    files = list((ROOT / layer).rglob("*.py"))
    assert files
    for path in files:
        above = set(own_imports(path)) - MAY_IMPORT[layer] - ROOT_NAMES
        assert not above, f"{path.relative_to(ROOT)} imports {sorted(above)}"


def test_no_cycles() -> None:
    """Modules that import each other when they are loaded cannot be read on their own."""
    graph = {}
    for layer in MAY_IMPORT:
        for path in (ROOT / layer).rglob("*.py"):
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
