"""The case files: outputs of published implementations, found through TVSEG_CONFORMANCE.

A test module names its manifest (`MANIFEST = "timet_metrics"`); a test that asks for `case` runs
once per entry of the manifest's `cases`, one that asks for `propagation_case` once per entry of
`propagation`. An entry's name means nothing; its fields and arrays must all be known.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

LISTS = {"case": "cases", "propagation_case": "propagation"}


def directory() -> Path:
    chosen = os.environ.get("TVSEG_CONFORMANCE")
    folder = Path(chosen).expanduser() if chosen else Path(__file__).with_name("cases")
    if not folder.is_dir():
        raise pytest.UsageError(
            f"TVSEG_CONFORMANCE={chosen} is not a folder; give the one that holds the case files"
        )
    return folder


@lru_cache
def manifest(name: str) -> dict[str, Any] | None:
    """Read a manifest, None where the case set does not have it."""
    path = directory() / f"{name}.json"
    if not path.is_file():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or not isinstance(content.get("cases"), list):
        raise pytest.UsageError(f"{path.name} is not a manifest: it has no list `cases`")
    return content


@lru_cache(maxsize=2)
def arrays(name: str) -> dict[str, np.ndarray]:
    """Read all arrays of a case file; {} where there is none."""
    path = directory() / f"{name}.npz"
    if not path.is_file():
        return {}
    with np.load(path, allow_pickle=False) as stored:
        return dict(stored)


def entry_name(entry: Mapping[str, Any]) -> str:
    """Return what an entry is called, which is what its arrays begin with."""
    return str(next(entry[k] for k in ("key", "case", "name", "video") if k in entry))


@dataclass(frozen=True)
class Case:
    """One entry of a manifest, with its arrays."""

    manifest: str
    where: str
    entry: Mapping[str, Any]

    @property
    def name(self) -> str:
        return entry_name(self.entry)

    def knows(self, kind: str, names: Collection[str], known: Collection[str]) -> None:
        """Fail with a sentence where the case holds something that no test understands."""
        unknown = sorted(set(names) - set(known))
        assert not unknown, (
            f"{self.manifest}.json, {self.where} ({self.name}): unknown {kind} "
            f"{', '.join(map(repr, unknown))}; known: {', '.join(sorted(known))}"
        )

    def fields(self, *known: str) -> Mapping[str, Any]:
        """Return the entry after checking that it has these fields and no other."""
        self.knows("field", self.entry, known)
        missing = sorted(set(known) - set(self.entry))
        assert not missing, f"{self.manifest}.json, {self.where}: no field {', '.join(missing)}"
        return self.entry

    def arrays(self, *known: str) -> dict[str, np.ndarray]:
        """Return the arrays `NAME_x` or `NAME/x` as {x: array}; all must be known."""
        found = {
            key[len(self.name) + 1 :]: value
            for key, value in arrays(self.manifest).items()
            if key.startswith((f"{self.name}_", f"{self.name}/"))
        }
        assert found, f"{self.manifest}.npz has no arrays of {self.where} ({self.name})"
        self.knows("array", found, known)
        return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for fixture, key in LISTS.items():
        if fixture not in metafunc.fixturenames:
            continue
        name = metafunc.module.MANIFEST
        content = manifest(name)
        if content is None or key not in content:
            absent = pytest.mark.skip(reason=f"{name}.json has no {key} in {directory()}")
            metafunc.parametrize(fixture, [pytest.param(None, marks=absent)], indirect=True)
            continue
        cases = [Case(name, f"{key}[{i}]", entry) for i, entry in enumerate(content[key])]
        metafunc.parametrize(fixture, cases, indirect=True, ids=[case.name for case in cases])


class CaseSet:
    """The case files as they lie in the folder."""

    folder = property(lambda self: directory())
    manifest = staticmethod(manifest)
    arrays = staticmethod(arrays)

    def names(self) -> list[str]:
        """Return the manifests: the JSON files with a list `cases`."""
        found = {p.stem: json.loads(p.read_text("utf-8")) for p in directory().glob("*.json")}
        return sorted(name for name, content in found.items() if "cases" in content)

    def entries(self, name: str) -> list[str]:
        return [entry_name(entry) for entry in (manifest(name) or {}).get("cases", [])]


@pytest.fixture
def case_set() -> CaseSet:
    return CaseSet()


@pytest.fixture
def case(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Case:
    record_property("conformance case", f"{request.param.manifest} {request.param.where}")
    return request.param


@pytest.fixture
def propagation_case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture
def stored(request: pytest.FixtureRequest) -> Callable[..., list[np.ndarray]]:
    """Return arrays of the module's case file that belong to no case, or skip without them."""

    def get(*names: str) -> list[np.ndarray]:
        found = arrays(request.module.MANIFEST)
        missing = [name for name in names if name not in found]
        if missing:
            pytest.skip(f"{request.module.MANIFEST}.npz has no {', '.join(missing)}")
        return [found[name] for name in names]

    return get


@pytest.fixture
def header(request: pytest.FixtureRequest) -> Mapping[str, Any]:
    """Return the module's manifest."""
    return manifest(request.module.MANIFEST) or {}
