"""Invented results for the board's benchmark and its screenshots: many models, known truths.

Their names show that they are invented; numbers come from a seeded generator and mean nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tvseg_bench.benchmark.results.key import CellKey
from tvseg_bench.benchmark.results.provenance import Git, Hardware, Provenance
from tvseg_bench.benchmark.results.result import from_score
from tvseg_bench.benchmark.results.samples import samples_text
from tvseg_bench.benchmark.types import ModelCard, Score, UnitScore

PROTOCOLS = (
    *("kmeans-frame", "kmeans-clip", "kmeans-dataset", "overcluster-clip"),
    *("linear", "retrieval", "propagation", "temporal"),
)
DATASETS = (
    *(("davis-2017", 30), ("youtube-vos-2019", 40), ("pascal-voc-2012", 40)),
    *(("camvid", 5), ("moving-shapes", 12)),
)
ARCHS = (("vits16", 16, 21.7, 4.2), ("vits14", 14, 22.1, 6.1), ("vitb16", 16, 85.8, 16.9))
ARCHS += (("vitb8", 8, 85.8, 78.1), ("vitl14", 14, 304.4, 81.1), ("resnet50", 32, 23.5, 4.1))
LICENCES = ("Apache-2.0", "MIT", "CC-BY-NC-4.0", "unknown")
TRUST = ("self-reported", "samples-verified", "reproduced")


@dataclass(frozen=True)
class Invented:
    """An invented model."""

    name: str
    skill: float
    card: ModelCard
    gflops: float
    trust: str


def models(count: int, seed: int = 0) -> Iterator[Invented]:
    """Yield invented models, the two baselines first."""
    rng = np.random.default_rng(seed)
    for i in range(count):
        arch, patch, params, gflops = ARCHS[i % len(ARCHS)]
        name = ("baseline/random", "baseline/pixels")[i] if i < 2 else f"made{i // 6:03}/{arch}"
        skill = 0.0 if i < 2 else float(rng.normal(0.9 + 0.12 * np.log(params / 20), 0.3))
        card = ModelCard(
            name=name,
            revision=f"sha256:{hashlib.sha256(name.encode()).hexdigest()}",
            patch_size=patch,
            embed_dim=384,
            params_m=params,
            licence=LICENCES[(i // 6) % len(LICENCES)],
            pretraining_data=("imagenet-1k",),
            trained_on_eval_data=("davis-2017",) if i % 11 == 7 else (),
        )
        yield Invented(name, skill, card, gflops, TRUST[i % 3] if i > 1 else "reproduced")


def write(folder: Path, results: int, *, per_model: int | None = None, seed: int = 0) -> int:
    """Write so many results with their rows of clips; return how many files there are.

    Args:
        folder: made if it is not there.
        results: how many cells.
        per_model: cells per model (default: all 40 of protocols and data sets).
        seed: of all numbers.
    """
    rng = np.random.default_rng(seed)
    for part in ("results", "samples"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    grid = [(p, d, n) for d, n in DATASETS for p in PROTOCOLS][:per_model]
    hardness = {(p, d): rng.normal(0, 0.8, n) for p, d, n in grid}
    written = 0
    for model in models(-(-results // len(grid)), seed):
        for protocol, dataset, n in grid[: results - written]:
            noise = rng.normal(0, 0.35, n)
            logits = -0.6 + model.skill + hardness[protocol, dataset] + noise
            _cell(folder, model, (protocol, dataset), 1 / (1 + np.exp(-logits)), rng)
            written += 1
    return 2 * written


def _cell(
    folder: Path, model: Invented, where: tuple[str, str], values: Any, rng: np.random.Generator
) -> None:
    protocol, dataset = where
    key = CellKey(
        model=model.name,
        revision=model.card.revision,
        protocol=protocol,
        protocol_version=1,
        params={"k": "gt", "size": 224},
        dataset=dataset,
        split="val",
        dataset_version=1,
        manifest_sha256=hashlib.sha256(dataset.encode()).hexdigest(),
        resolution={"size": 224, "resize": "short-side", "frames": None},
        seed=0,
    )
    clips = [
        UnitScore(clip=f"clip-{i:03}", n_frames=60, metrics={"miou": v, "miou_fg": v * 0.8})
        for i, v in enumerate(values.tolist())
    ]
    rows = samples_text(key.cell_id, Score(metrics={}, clips=clips))
    (folder / "samples" / f"{key.cell_id}.jsonl").write_text(rows, encoding="utf-8")
    result = _template(where)
    result.update(cell_id=key.cell_id)
    result["model"].update(name=model.name, revision=model.card.revision, card=_card(model.card))
    for name, scale in (("miou", 1.0), ("miou_fg", 0.8)):
        mean = float(np.mean([c.metrics[name] for c in clips]))
        half = 2.05 * float(values.std(ddof=1)) * scale / len(values) ** 0.5
        ends = [max(mean - half, 0.0), min(mean + half, 1.0)]
        result["metrics"][name].update(value=mean, seeds=[mean], ci95=ends, n=len(clips))
    result["dataset"].update(n_clips=len(clips))
    result["samples"]["sha256"] = hashlib.sha256(rows.encode()).hexdigest()
    result["samples"]["n_clips"] = len(clips)
    fps = 900 / model.gflops * float(rng.uniform(0.9, 1.1))
    result["timing"].update(fps=round(fps, 2), gflops=model.gflops)
    result["trust"]["level"] = model.trust
    text = json.dumps(result)
    (folder / "results" / f"{key.cell_id}.json").write_text(text, encoding="utf-8")


def _card(card: ModelCard) -> dict[str, Any]:
    from dataclasses import asdict

    found: dict[str, Any] = json.loads(json.dumps(asdict(card)))
    return found


_TEMPLATES: dict[tuple[str, str], str] = {}


def _template(where: tuple[str, str]) -> dict[str, Any]:
    """Return a complete result, as the suite writes it, for one protocol and data set."""
    if where not in _TEMPLATES:
        key = CellKey(
            model="template/none",
            revision="none",
            protocol=where[0],
            protocol_version=1,
            params={"k": "gt", "size": 224},
            dataset=where[1],
            split="val",
            dataset_version=1,
            manifest_sha256=hashlib.sha256(where[1].encode()).hexdigest(),
            resolution={"size": 224, "resize": "short-side", "frames": None},
            seed=0,
        )
        clip = UnitScore(clip="a", metrics={"miou": 0.5, "miou_fg": 0.4})
        score = Score(
            metrics={"miou": 0.5, "miou_fg": 0.4},
            clips=[clip, replace(clip, clip="b")],
            references={"constant/miou": 0.19, "oracle/miou": 0.86},
        )
        made = from_score(
            key,
            score,
            card=ModelCard(name="template/none", patch_size=16, embed_dim=384),
            provenance=_provenance(),
            background=0,
        )
        fields = json.loads(made.to_json())
        fields["samples"] = {"sha256": "0" * 64, "n_clips": 2, "n_frames": 0, "resample": "mean"}
        _TEMPLATES[where] = json.dumps(fields)
    found: dict[str, Any] = json.loads(_TEMPLATES[where])
    return found


def _provenance() -> Provenance:
    return Provenance(
        suite="0.1.0",
        git=Git(commit="0" * 40, dirty=False),
        command="tvseg-bench run",
        python="3.11.7",
        started="2026-11-01T10:00:00Z",
        ended="2026-11-01T10:05:00Z",
        packages={"torch": "2.9.1", "numpy": "2.3.0"},
        hardware=Hardware(gpu="NVIDIA H200"),
    )
