"""Rows of clips and tables of counts, given or drawn."""

from collections.abc import Sequence

import numpy as np

from tvseg_bench.benchmark.statistics.clip_tables import CountTable
from tvseg_bench.benchmark.types import Score, UnitScore


def rows(values: Sequence[float | None]) -> list[UnitScore]:
    return [UnitScore(clip=f"c{i:03}", metrics={"miou": v}) for i, v in enumerate(values)]


def score(values: Sequence[float | None], mean: float | None = None) -> Score:
    said = [v for v in values if v is not None]
    value = mean if mean is not None else float(np.mean(said)) if said else None
    return Score(metrics={"miou": value}, clips=rows(values))


def counted(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray) -> list[UnitScore]:
    """Rows of clips from counts [n, C]."""
    return [
        UnitScore(
            clip=f"c{i:03}",
            metrics={},
            counts={
                "labels": list(range(tp.shape[1])),
                "tp": tp[i].tolist(),
                "fp": fp[i].tolist(),
                "fn": fn[i].tolist(),
            },
        )
        for i in range(len(tp))
    ]


def clips_of_classes(
    rng: np.random.Generator, n: int, classes: int, held: float, sizes: float, models: int = 1
) -> list[np.ndarray]:
    """Counts [3, n, C] of equal models on clips of unequal size that hold some of the classes."""
    shape, size = (n, classes), rng.lognormal(6, sizes, (n, 1))
    pixels = np.floor(size * rng.lognormal(0, 0.4, shape) * (rng.random(shape) < held))
    hard = rng.standard_normal((n, 1))
    made = []
    for _ in range(models):
        hit = np.floor(pixels / (1 + np.exp(-0.7 * hard - 0.7 * rng.standard_normal(shape))))
        missed = (pixels - hit).sum(axis=1, keepdims=True)
        made.append(
            np.stack([hit, np.floor(missed * rng.dirichlet([1] * classes, n)), pixels - hit])
        )
    return made


def as_table(counts: np.ndarray) -> CountTable:
    return CountTable(tuple(map(str, range(counts.shape[1]))), counts)
