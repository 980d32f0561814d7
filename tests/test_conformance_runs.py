"""What a run over somebody's case set prints: the count, the gaps, and what is wrong with it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

TESTS = Path(__file__).parent
MANIFEST = "timet_map_instances.json"
COMMAND = "import pytest, sys; sys.exit(pytest.main(sys.argv[1:]))"


def run(
    folder: Path, *options: str, test: str = "test_timet_map_instances.py"
) -> tuple[int, list[str]]:
    target = TESTS / "conformance" / test
    root = ["-c", str(TESTS.parent / "pyproject.toml"), "--rootdir", str(TESTS.parent)]
    argv = [*root, "-p", "no:cacheprovider", "-m", "conformance", *options, str(target)]
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *argv],
        env={**os.environ, "TVSEG_CONFORMANCE": str(folder)},
        cwd=folder.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, (done.stdout + done.stderr).splitlines()


@pytest.fixture
def published() -> dict[str, Any]:
    path = TESTS / "conformance" / "cases" / MANIFEST
    return json.loads(path.read_text(encoding="utf-8"))


def write(folder: Path, content: dict[str, Any]) -> Path:
    (folder / MANIFEST).write_text(json.dumps(content), encoding="utf-8")
    return folder


@pytest.mark.parametrize("options", [("-q",), ("-n", "2")], ids=" ".join)
def test_other_cases_run_and_are_counted(
    published: dict[str, Any], tmp_path: Path, options: tuple[str, ...]
) -> None:
    cases = published["cases"][:3]
    cases[0]["video"] = "a name that nobody knows"
    code, lines = run(write(tmp_path, {**published, "cases": cases}), *options)
    assert code == 0, "\n".join(lines)
    assert lines[-1] == "conformance cases: 3"


def test_a_wrong_number_fails(published: dict[str, Any], tmp_path: Path) -> None:
    published["cases"][1]["output"][0][0][0][0] += 1
    code, lines = run(write(tmp_path, published))
    assert code == 1
    assert lines[-1] == f"conformance cases: {len(published['cases'])}"


def test_an_unknown_field_is_an_error(published: dict[str, Any], tmp_path: Path) -> None:
    published["cases"][0]["depth"] = 3
    code, lines = run(write(tmp_path, published))
    assert code == 1
    assert "cases[0] (vA): unknown field 'depth'; known: " in "\n".join(lines)


def test_an_absent_file_is_skipped(tmp_path: Path) -> None:
    code, lines = run(tmp_path, "-rs")
    assert code == 0
    assert f"timet_map_instances.json has no cases in {tmp_path}" in "\n".join(lines)
    assert lines[-1] == "conformance cases: 0"


def test_an_absent_folder_is_an_error(tmp_path: Path) -> None:
    code, lines = run(tmp_path / "nowhere")
    assert code not in (0, 1)
    assert "nowhere is not a folder; give the one that holds the case files" in "\n".join(lines)


def test_a_file_that_is_no_manifest_is_an_error(tmp_path: Path) -> None:
    code, lines = run(write(tmp_path, {"name": "x"}))
    assert code not in (0, 1)
    assert f"{MANIFEST} is not a manifest: it has no list `cases`" in "\n".join(lines)


def test_one_unit_states_its_clusters_as_a_number_or_as_a_list(tmp_path: Path) -> None:
    """The published data-set case of a given K, as two whose K comes from their annotations."""
    with np.load(TESTS / "conformance" / "cases" / "timet_clustering.npz") as stored:
        features, maps = stored["k2_features"], stored["k2_maps"]
    shared = {
        "k_features": features,
        "k_annotations": np.arange(maps.size).reshape(maps.shape) % 4,
    }
    np.savez(tmp_path / "timet_clustering.npz", **shared, k_number_maps=maps, k_list_maps=maps)
    cases = [
        {"case": "k_number", "note": "", "K_found": 4},
        {"case": "k_list", "note": "", "K_found": [4]},
    ]
    manifest = tmp_path / "timet_clustering.json"
    manifest.write_text(json.dumps({"cases": cases}), encoding="utf-8")
    code, lines = run(tmp_path, test="test_timet_clustering.py")
    assert code == 0, "\n".join(lines)
    assert lines[-1] == "conformance cases: 2"
