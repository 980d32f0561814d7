"""Draws of clips: a metric as a function of which clips there were.

A table holds one row per clip and makes the metric of any draw of them. All draws are seeded and
the same for every table of n clips, so two models are always compared on equal draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.bounds import least

if TYPE_CHECKING:
    from tvseg_bench.benchmark.types import UnitScore

Floats = NDArray[np.float64]

RESAMPLES = 10_000

_CHUNK = 2_000_000
"""Drawn indices held at once: 16 MB."""


class Table(Protocol):
    """Rows of clips from which a metric is made, for any draw of clips."""

    @property
    def clips(self) -> tuple[str, ...]:
        """Names of the clips, in the order of the rows."""
        ...

    @property
    def least(self) -> float:
        """The least value that the metric can take, 0 or -1; the largest is 1."""
        ...

    def metric(self, draws: NDArray[np.int64]) -> Floats:
        """Map draws [R, n] of row indices to values [R]; NaN where a draw says nothing."""
        ...


@dataclass(frozen=True, eq=False)
class MeanTable:
    """The metric is the mean of the clips' values."""

    clips: tuple[str, ...]
    values: Floats
    """[n]"""
    least: float = 0.0

    def metric(self, draws: NDArray[np.int64]) -> Floats:
        """Map draws [R, n] to means [R]."""
        means: Floats = self.values[draws].mean(axis=1)
        return means


@dataclass(frozen=True, eq=False)
class CountTable:
    """The metric is the mean IoU of summed counts, over the classes that a draw holds."""

    clips: tuple[str, ...]
    counts: Floats
    """[3, n, C] true positives, false positives, false negatives."""
    least: float = 0.0

    def metric(self, draws: NDArray[np.int64]) -> Floats:
        """Map draws [R, n] to mean IoU [R]."""
        rows, n = draws.shape
        flat = (draws + n * np.arange(rows)[:, None]).ravel()
        times = np.bincount(flat, minlength=rows * n).reshape(rows, n).astype(np.float64)
        tp, fp, fn = times @ self.counts  # integers below 2**53: exact in any order
        present = tp + fn > 0
        iou = np.divide(tp, tp + fp + fn, out=np.zeros_like(tp), where=present)
        held = present.sum(axis=1)
        means: Floats = np.full(rows, np.nan)
        np.divide(iou.sum(axis=1), held, out=means, where=held > 0)
        return means


def table(
    clips: Sequence[UnitScore],
    metric: str,
    resample: Literal["mean", "counts"] = "mean",
    background: int | None = None,
) -> Table:
    """Return the rows of the clips that say something about a metric.

    Args:
        clips: one row per clip.
        metric: its name; with `counts`, names ending in `_fg` leave out `background`.
        resample: of the Score: how the metric is made of the rows.
        background: label that belongs to no object, None where every class counts.
    """
    if resample == "counts":
        left_out = background if metric.endswith("_fg") else None
        return _count_table([c for c in clips if c.counts], left_out)
    said = [(c.clip, c.metrics[metric]) for c in clips if c.metrics.get(metric) is not None]
    values = np.array([v for _, v in said], np.float64)
    return MeanTable(tuple(name for name, _ in said), values, least(metric))


def _count_table(clips: Sequence[UnitScore], left_out: int | None) -> CountTable:
    labels = sorted({label for c in clips for label in c.counts["labels"]} - {left_out})
    column = {label: i for i, label in enumerate(labels)}
    counts = np.zeros((3, len(clips), len(labels)))
    for row, clip in enumerate(clips):
        at = [(i, column[x]) for i, x in enumerate(clip.counts["labels"]) if x in column]
        source, target = [i for i, _ in at], [j for _, j in at]
        for kind, name in enumerate(("tp", "fp", "fn")):
            counts[kind, row, target] = np.asarray(clip.counts[name], np.float64)[source]
    return CountTable(tuple(c.clip for c in clips), counts)


def point(rows: Table) -> float | None:
    """Return the metric of the rows as they are, None where they say nothing."""
    if not rows.clips:
        return None
    value = float(rows.metric(np.arange(len(rows.clips))[None])[0])
    return None if np.isnan(value) else value


def replicates(rows: Table, n_resamples: int = RESAMPLES, seed: int = 0) -> Floats:
    """Return the metric [R] of resampled clips; the same draws for every table of n clips."""
    drawn = draws(len(rows.clips), n_resamples, seed)
    return np.concatenate([rows.metric(d) for d in drawn])


def draws(n: int, n_resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield [r, n] indices of clips drawn with replacement, R rows in all, few at a time."""
    rng = np.random.default_rng(seed)
    step = max(1, _CHUNK // n)
    for start in range(0, n_resamples, step):
        yield rng.integers(0, n, (min(step, n_resamples - start), n))


def covariance(
    models: Sequence[Sequence[Table]], n_resamples: int = RESAMPLES, seed: int = 0
) -> Floats:
    """Return the covariance [M, M] of the scores of M models over draws of the same clips.

    For means of clips it is known in closed form, which is what the bootstrap tends to with ever
    more draws; else it is bootstrapped. Free of the bootstrap's bias of (n - 1) / n.

    Args:
        models: per model one table per seed, all of the same n >= 2 clips in the same order.
        n_resamples: draws.
        seed: of the draws.
    """
    n = len(models[0][0].clips)
    if all(isinstance(rows, MeanTable) for seeds in models for rows in seeds):
        values = [np.mean([cast(MeanTable, r).values for r in seeds], axis=0) for seeds in models]
        return np.atleast_2d(np.cov(np.stack(values), ddof=1)) / n
    drawn = np.stack(
        [np.mean([replicates(r, n_resamples, seed) for r in seeds], axis=0) for seeds in models]
    )
    drawn = drawn[:, ~np.isnan(drawn).any(axis=0)]
    return np.atleast_2d(np.cov(drawn, ddof=1)) * n / (n - 1)
