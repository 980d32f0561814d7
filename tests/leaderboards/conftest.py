"""Folders of results, made cell by cell."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tvseg_bench.benchmark.results.key import CellKey
from tvseg_bench.benchmark.results.provenance import Hardware, Provenance
from tvseg_bench.benchmark.results.result import Result, Timing, from_score, without_score
from tvseg_bench.benchmark.results.store import ResultStore
from tvseg_bench.benchmark.types import MetricCard, ModelCard, Score, UnitScore

MEAN_IOU = {
    "miou": MetricCard(title="mean IoU"),
    "miou_fg": MetricCard(title="mean IoU of objects", background="left-out"),
}

KEY = CellKey(
    model="dino/vits16",
    revision="sha256:ab12",
    protocol="kmeans-clip",
    protocol_version=1,
    params={"k": "gt"},
    dataset="davis-2017",
    split="val",
    dataset_version=1,
    manifest_sha256="cd" * 32,
    resolution={"size": 224, "resize": "short-side", "frames": None},
    seed=0,
)
MADE = Provenance(
    suite="0.1.0",
    python="3.12.4",
    started="2026-01-02T03:04:05Z",
    ended="2026-01-02T03:05:05Z",
    packages={"torch": "2.9.1"},
    hardware=Hardware(gpu="NVIDIA H200"),
)
EASY = [0.30, 0.35, 0.40, 0.45, 0.50, 0.55, 0.60, 0.65, 0.70, 0.75, 0.80, 0.85]


def cell_score(values: Sequence[float]) -> Score:
    clips = [
        UnitScore(clip=f"c{i:02}", n_frames=10, metrics={"miou": v, "miou_fg": v / 2})
        for i, v in enumerate(values)
    ]
    mean = sum(values) / len(values)
    return Score(
        metrics={"miou": mean, "miou_fg": mean / 2},
        clips=clips,
        references={"constant/miou": 0.1, "oracle/miou": 0.9},
    )


@pytest.fixture
def cell(tmp_path: Path) -> Callable[..., Result]:
    """Write one finished cell into `tmp_path/RUN`; any field of the key can be given."""

    def make(
        values: Sequence[float] = EASY,
        *,
        run: str = "run",
        fps: float | None = 48.5,
        card: dict[str, Any] | None = None,
        made: Provenance = MADE,
        metrics: dict[str, MetricCard] | None = None,
        **changes: Any,
    ) -> Result:
        key = replace(KEY, **changes)
        facts = {"name": key.model, "patch_size": 16, "embed_dim": 384, "params_m": 21.7}
        score = cell_score(values)
        result = from_score(
            key,
            score,
            card=ModelCard(**{**facts, **(card or {})}),
            provenance=made,
            timing=Timing(fps=fps),
            metrics=metrics or MEAN_IOU,
        )
        return ResultStore(tmp_path / run).write(result, score)

    return make


@pytest.fixture
def unscored(tmp_path: Path) -> Callable[..., Result]:
    """Write one skipped or failed cell into `tmp_path/run`."""

    def make(status: Any, reason: str, **changes: Any) -> Result:
        result = without_score(replace(KEY, **changes), status, reason, card={}, provenance=MADE)
        return ResultStore(tmp_path / "run").write(result)

    return make
