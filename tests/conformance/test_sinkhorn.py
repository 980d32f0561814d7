"""Sinkhorn-Knopp of TimeT (my_utils.py), and its schedules."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tvseg_bench.models.training.losses.sinkhorn import sinkhorn
from tvseg_bench.models.training.schedules import value_at

pytestmark = pytest.mark.conformance

MANIFEST = "sinkhorn"
FIELDS = (
    *("case", "name", "B", "K", "epsilon", "iterations"),
    *("row_sum_max_err", "col_sum_min", "col_sum_max", "max_abs_diff_clean"),
)


def test_assignment(case: Any) -> None:
    entry = case.fields(*FIELDS)
    found = case.arrays("scores", "q")
    scores = torch.from_numpy(found["scores"])
    assert scores.shape == (entry["B"], entry["K"])
    ours = sinkhorn(scores, epsilon=entry["epsilon"], iterations=entry["iterations"])
    np.testing.assert_allclose(ours, found["q"], rtol=0, atol=1e-6)
    columns = ours.sum(0)
    np.testing.assert_allclose(columns.min(), entry["col_sum_min"], rtol=1e-5)
    np.testing.assert_allclose(columns.max(), entry["col_sum_max"], rtol=1e-5)


def test_two_processes(
    stored: Callable[..., list[np.ndarray]], header: Mapping[str, Any], tmp_path: Path
) -> None:
    scores, published = stored("s00_scores", "dist2_s00_q")
    entry = next(entry for entry in header["cases"] if entry["case"] == "s00")
    torch.save(torch.from_numpy(scores), tmp_path / "scores.pt")
    settings = {key: entry[key] for key in ("epsilon", "iterations")}
    (tmp_path / "settings.json").write_text(json.dumps(settings), "utf-8")
    script = str(Path(__file__).with_name("sinkhorn_process.py"))
    command = [sys.executable, script]
    running = [subprocess.Popen([*command, str(i), "2", str(tmp_path)]) for i in range(2)]
    assert [process.wait(600) for process in running] == [0, 0]
    ours = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    np.testing.assert_allclose(torch.cat(ours), published, rtol=0, atol=1e-6)


def test_schedules(case_set: Any) -> None:
    names = [name for name in case_set.arrays(MANIFEST) if name.startswith("cosine_")]
    if not names:
        pytest.skip("sinkhorn.npz has no schedules")
    for name in names:
        found = re.fullmatch(r"cosine_\w+?_([\d.]+)_([\d.]+)_e(\d+)_n(\d+)", name)
        assert found, f"sinkhorn.npz: unknown array {name}"
        base, final, epochs, iterations = map(float, found.groups())
        n = int(epochs) * int(iterations)
        ours = [value_at(i, n, base, final) for i in range(n)]
        np.testing.assert_allclose(ours, case_set.arrays(MANIFEST)[name], rtol=0, atol=1e-12)
