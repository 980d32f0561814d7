"""Models compared with each other: paired differences over clips, pairs of a table, resolution.

Each clip is left out for both models at once, so what makes a clip hard for both cancels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.statistics import intervals, jackknife
from tvseg_bench.benchmark.statistics.clip_tables import (
    ClipTable,
    Floats,
    MetricFacts,
    point,
    table,
)
from tvseg_bench.benchmark.types import UnitScore


@dataclass(frozen=True)
class Difference:
    """A minus B over the clips they share, with a 95 % interval; None where there is none."""

    value: float | None
    lo: float | None
    hi: float | None
    smallest: float | None
    """The smallest difference that these clips would show with 80 % power."""
    n: int
    """Shared clips."""
    method: str

    @property
    def different(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.lo is not None and self.hi is not None and (self.lo > 0 or self.hi < 0)


def paired_difference(
    a: Sequence[UnitScore],
    b: Sequence[UnitScore],
    metric: str,
    *,
    facts: MetricFacts = intervals.FRACTION,
    resample: Literal["mean", "counts"] = "mean",
    background: int | None = None,
) -> Difference:
    """Return A minus B over the clips they share, with an interval by Student's t.

    Args:
        facts: whether the background counts; that of a fraction if it is not given.
        resample: of the Scores: how the metric is made of the rows.
        background: label of the data set that belongs to no object.

    Example:
        >>> from tvseg_bench.benchmark.types import UnitScore
        >>> a = [UnitScore(clip=str(i), metrics={"miou": i / 20}) for i in range(20)]
        >>> b = [UnitScore(clip=str(i), metrics={"miou": i / 21}) for i in range(20)]
        >>> paired_difference(a, b, "miou").different
        True
    """
    tables = [table(rows, metric, facts, resample, background) for rows in (a, b)]
    shared = set(tables[0].clips) & set(tables[1].clips)
    pair = [table(_chosen(rows, shared), metric, facts, resample, background) for rows in (a, b)]
    n = len(shared)
    values = [point(rows) for rows in pair]
    if values[0] is None or values[1] is None:
        return Difference(None, None, None, None, n, "none: no clip is shared")
    value = values[0] - values[1]
    if n < 2:
        return Difference(value, None, None, None, n, "none: one clip is shared")
    moved = jackknife.deviations([pair[0]]) - jackknife.deviations([pair[1]])
    if not np.isfinite(moved).all():
        return Difference(value, None, None, None, n, "none: one clip holds all that is scored")
    error = float(jackknife.standard_error(moved))
    half = error * float(
        intervals.t_quantile(
            (1 + intervals.LEVEL) / 2, jackknife.degrees_of_freedom(moved, jackknife.shares(pair))
        )
    )
    smallest = minimum_detectable_difference(error * np.sqrt(n), n)
    method = "paired-clip-t" if intervals.are_means(pair) else "paired-clip-jackknife-t"
    return Difference(value, value - half, value + half, smallest, n, method)


def _chosen(rows: Sequence[UnitScore], clips: set[str]) -> list[UnitScore]:
    """Return the rows of these clips in the order of their names, which pairs A with B."""
    return sorted((r for r in rows if r.clip in clips), key=lambda r: r.clip)


@dataclass(frozen=True)
class Pairs:
    """Every model against every other over the same clips; symmetric matrices."""

    p: Floats
    """[M, M] how likely so large a gap is between equal models; 1 where it is unknown."""
    errors: Floats
    """[M, M] standard errors of the differences; NaN where they are unknown."""


def compare_pairs(values: Floats, models: Sequence[Sequence[ClipTable]]) -> Pairs:
    """Compare every two models by Student's t on what each clip adds to their difference.

    Args:
        values: [M] scores.
        models: per model one table per seed, all of the same n >= 2 clips in the same order.
    """
    moved = np.stack([jackknife.deviations(seeds) for seeds in models])
    weights = np.stack([jackknife.shares(seeds) for seeds in models])
    count = len(models)
    pairs = Pairs(np.ones((count, count)), np.zeros((count, count)))
    for i in range(count - 1):
        others = slice(i + 1, None)
        apart = moved[i] - moved[others]
        errors = jackknife.standard_error(apart)
        gaps = np.abs(values[i] - values[others])
        df = jackknife.degrees_of_freedom(apart, (weights[i] + weights[others]) / 2)
        scaled = np.divide(gaps, errors, out=np.full_like(gaps, np.inf), where=errors != 0)
        p = np.where(gaps > intervals.ROUNDING, 2 * intervals.t_tail(scaled, df), 1.0)
        pairs.p[i, others] = pairs.p[others, i] = np.where(np.isnan(p), 1.0, p)
        pairs.errors[i, others] = pairs.errors[others, i] = errors
    return pairs


def holm(p: Floats, alpha: float = 1 - intervals.LEVEL) -> NDArray[np.bool_]:
    """Return which hypotheses are rejected by Holm's step-down procedure.

    The chance of rejecting any true one is at most alpha, however they depend on each other
    (Holm, A Simple Sequentially Rejective Multiple Test Procedure, Scand. J. Statist. 1979).

    Args:
        p: [m] p-values.

    Example:
        >>> holm(np.array([0.01, 0.04, 0.03, 0.005])).tolist()
        [True, False, False, True]
    """
    order = np.argsort(p, kind="stable")
    passed = p[order] <= alpha / np.arange(len(p), 0, -1)
    rejected = np.zeros(len(p), np.bool_)
    rejected[order[: len(p) if passed.all() else int(np.argmin(passed))]] = True
    return rejected


def significantly_different(p: Floats) -> NDArray[np.bool_]:
    """Return which pairs [M, M] differ, given their p-values [M, M]; Holm over all pairs."""
    upper = np.triu_indices(len(p), 1)
    apart = np.zeros(p.shape, np.bool_)
    apart[upper] = holm(p[upper])
    return apart | apart.T


def minimum_detectable_difference(sd: float, n: int, power: float = 0.8) -> float:
    """Return the smallest true difference that a paired comparison shows with this power.

    Args:
        sd: standard deviation of the paired differences of clips.
        power: chance of finding the models different, at the 5 % level.

    Example:
        >>> round(minimum_detectable_difference(0.05, 30), 4)
        0.0256
    """
    z = NormalDist()
    return float((z.inv_cdf((1 + intervals.LEVEL) / 2) + z.inv_cdf(power)) * sd / np.sqrt(n))
