"""Every example in a docstring runs (pytest --doctest-modules would import twice)."""

import doctest
import importlib
import pkgutil

import pytest

import tvseg_bench

NOT_OURS = ("tvseg_bench.tests", "tvseg_bench.examples", "tvseg_bench.scripts")
MODULES = sorted(
    m.name
    for m in pkgutil.walk_packages(tvseg_bench.__path__, "tvseg_bench.")
    if not m.name.startswith(NOT_OURS)
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples() -> None:
    finder = doctest.DocTestFinder()
    tests = [t for name in MODULES for t in finder.find(importlib.import_module(name))]
    assert sum(bool(t.examples) for t in tests) > 20
