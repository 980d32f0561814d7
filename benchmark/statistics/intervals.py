"""How sure a number is. The clip is the unit: intervals, paired differences, what can be resolved.

An interval is value ± Student's t times the jackknife's standard error, on the logit scale, where
a score near 0 or 1 has the long tail that it should have, and taken back, so that it never leaves
the metric's range (the delta method; Agresti, Categorical Data Analysis, 3rd ed., 3.1.7).
Nothing is drawn: equal rows give equal intervals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tvseg_bench.benchmark.statistics.clip_tables import ClipTable, Floats, MeanTable, point, table
from tvseg_bench.benchmark.statistics.jackknife import (
    degrees_of_freedom,
    deviations,
    shares,
    skewness,
    standard_error,
)

if TYPE_CHECKING:
    from tvseg_bench.benchmark.types import Score, UnitScore

LEVEL = 0.95
FEW_CLIPS = 10
"""Below so many clips an interval is marked."""

_LEAN = 0.75 * (1 + 2 * NormalDist().inv_cdf((1 + LEVEL) / 2) ** 2) / 6
"""Standard errors by which ends move per unit of skewness: Johnson's correction (Modified t Tests
and Confidence Intervals for Asymmetrical Populations, JASA 73, 1978), shrunk by 3/4, which
simulations chose, since few clips tell their skewness badly. Only where counts are summed; for
means of clips the logit scale is enough."""
_ROUNDING = 1e-9
"""Scores that differ by less are equal."""
_SAME = 1e-6
"""How near the rows must come to a metric to be its rows."""


@dataclass(frozen=True)
class Interval:
    """A 95 % interval over clips, within the metric's range; None where there is none."""

    lo: float | None
    hi: float | None
    method: str
    """Its name, or `none: ` and the reason."""
    n: int
    """Clips that say something."""

    @property
    def few(self) -> bool:
        """Whether it rests on fewer than ten clips."""
        return self.n < FEW_CLIPS


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


def interval(score: Score, metric: str, *, background: int | None = None) -> Interval:
    """Return the interval of a metric over clips.

    With `resample="counts"` the summed counts of the other clips are scored without each clip,
    clustering and matching held fixed. Where the rows average to a slightly different number (a
    mean of batch means) the interval is shifted onto the metric and says so; where they do not
    belong to the metric there is none.

    Args:
        score: metrics and clip rows.
        metric: which one.
        background: label that metrics ending in `_fg` leave out.

    Example:
        >>> from tvseg_bench.benchmark.types import Score, UnitScore
        >>> rows = [UnitScore(clip=str(i), metrics={"miou": i / 20}) for i in range(20)]
        >>> found = interval(Score(metrics={"miou": 0.475}, clips=rows), "miou")
        >>> found.method, round(found.lo, 2), round(found.hi, 2)
        ('clip-logit-t', 0.34, 0.61)
    """
    rows = table(score.clips, metric, score.resample, background)
    return interval_of(score.metrics[metric], [rows])


def interval_of(value: float | None, seeds: Sequence[ClipTable]) -> Interval:
    """Return the interval of a mean over seeds, whose tables hold the same clips."""
    n = len(seeds[0].clips)
    own = rows_value(seeds)
    if value is None or own is None:
        return Interval(None, None, "none: nothing was computed", n)
    if n < 2:
        return Interval(None, None, "none: one clip", n)
    moved = deviations(seeds)
    if not np.isfinite(moved).all():
        return Interval(None, None, "none: one clip holds all that is scored", n)
    df = degrees_of_freedom(moved, shares(seeds))
    means = _are_means(seeds)
    name = "clip-logit-t" if means else "clip-jackknife-logit-t"
    lean = 0.0 if means else _LEAN * skewness(moved)
    ends = interval_ends(own, standard_error(moved), df, seeds[0].metric_minimum, lean)
    lo, hi = map(float, ends)
    shift = value - own
    if abs(shift) > _SAME:
        name += ", shifted"
        if abs(shift) > (hi - lo) / 8:
            return Interval(None, None, "none: the clips' rows do not make this number", n)
    lo, hi = (min(max(end + shift, seeds[0].metric_minimum), 1.0) for end in (lo, hi))
    return Interval(lo, hi, name, n)


def _are_means(tables: Sequence[ClipTable]) -> bool:
    return all(isinstance(rows, MeanTable) for rows in tables)


def rows_value(seeds: Sequence[ClipTable]) -> float | None:
    """Return the mean over seeds of what their rows give, None where one says nothing."""
    own = [point(rows) for rows in seeds]
    said = [v for v in own if v is not None]
    return float(np.mean(said)) if said and len(said) == len(own) else None


def interval_ends(
    value: ArrayLike,
    error: ArrayLike,
    df: ArrayLike,
    least: float = 0.0,
    lean: ArrayLike = 0.0,
) -> tuple[Floats, Floats]:
    """Return the ends of intervals by Student's t on the logit scale of the metric's range.

    Args:
        value: [...] scores, within least..1.
        error: [...] their standard errors.
        df: [...] their degrees of freedom, at least 1.
        least: the least value that the metric can take, 0 or -1.
        lean: [...] how many standard errors both ends are moved up.

    Example:
        >>> [round(float(end), 3) for end in interval_ends(0.1, 0.03, 19)]
        [0.052, 0.182]
    """
    values, errors = np.asarray(value, np.float64), np.asarray(error, np.float64)
    span, t = 1 - least, t_quantile((1 + LEVEL) / 2, df)
    shift = np.asarray(lean, np.float64)
    share = (values - least) / span
    sure = (errors <= _ROUNDING) | (share <= 0) | (share >= 1)
    inside = np.where(sure, 0.5, share.clip(_ROUNDING, 1 - _ROUNDING))
    middle = np.log(inside / (1 - inside))
    step = errors / span / (inside * (1 - inside))
    lo, hi = (least + span * _logistic(middle + (sign * t + shift) * step) for sign in (-1, 1))
    return np.where(sure, values, lo), np.where(sure, values, hi)


def _logistic(x: Floats) -> Floats:
    """Return 1 / (1 + exp(-x)) without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * x))


def paired_difference(
    a: Sequence[UnitScore],
    b: Sequence[UnitScore],
    metric: str,
    *,
    resample: Literal["mean", "counts"] = "mean",
    background: int | None = None,
) -> Difference:
    """Return A minus B over the clips they share, with an interval by Student's t.

    Each clip is left out for both at once, so what makes a clip hard for both cancels.

    Example:
        >>> from tvseg_bench.benchmark.types import UnitScore
        >>> a = [UnitScore(clip=str(i), metrics={"miou": i / 20}) for i in range(20)]
        >>> b = [UnitScore(clip=str(i), metrics={"miou": i / 21}) for i in range(20)]
        >>> paired_difference(a, b, "miou").different
        True
    """
    tables = [table(rows, metric, resample, background) for rows in (a, b)]
    shared = set(tables[0].clips) & set(tables[1].clips)
    pair = [table(_chosen(rows, shared), metric, resample, background) for rows in (a, b)]
    n = len(shared)
    values = [point(rows) for rows in pair]
    if values[0] is None or values[1] is None:
        return Difference(None, None, None, None, n, "none: no clip is shared")
    value = values[0] - values[1]
    if n < 2:
        return Difference(value, None, None, None, n, "none: one clip is shared")
    moved = deviations([pair[0]]) - deviations([pair[1]])
    if not np.isfinite(moved).all():
        return Difference(value, None, None, None, n, "none: one clip holds all that is scored")
    error = float(standard_error(moved))
    half = error * float(t_quantile((1 + LEVEL) / 2, degrees_of_freedom(moved, shares(pair))))
    smallest = minimum_detectable_difference(error * np.sqrt(n), n)
    method = "paired-clip-t" if _are_means(pair) else "paired-clip-jackknife-t"
    return Difference(value, value - half, value + half, smallest, n, method)


def _chosen(rows: Sequence[UnitScore], clips: set[str]) -> list[UnitScore]:
    """Return the rows of these clips in the order of their names, which pairs A with B."""
    return sorted((r for r in rows if r.clip in clips), key=lambda r: r.clip)


@dataclass(frozen=True)
class Pairs:
    """Every model against every other over the same clips; symmetric matrices."""

    p: Floats
    """[M, M] how likely so large a gap is between equal models; 1 where nothing can be said."""
    errors: Floats
    """[M, M] standard errors of the differences; NaN where nothing can be said."""


def compare_pairs(values: Floats, models: Sequence[Sequence[ClipTable]]) -> Pairs:
    """Compare every two models by Student's t on what each clip adds to their difference.

    Args:
        values: [M] scores.
        models: per model one table per seed, all of the same n >= 2 clips in the same order.
    """
    moved = np.stack([deviations(seeds) for seeds in models])
    weights = np.stack([shares(seeds) for seeds in models])
    count = len(models)
    pairs = Pairs(np.ones((count, count)), np.zeros((count, count)))
    for i in range(count - 1):
        others = slice(i + 1, None)
        apart = moved[i] - moved[others]
        errors = standard_error(apart)
        gaps = np.abs(values[i] - values[others])
        df = degrees_of_freedom(apart, (weights[i] + weights[others]) / 2)
        scaled = np.divide(gaps, errors, out=np.full_like(gaps, np.inf), where=errors != 0)
        p = np.where(gaps > _ROUNDING, 2 * t_tail(scaled, df), 1.0)
        pairs.p[i, others] = pairs.p[others, i] = np.where(np.isnan(p), 1.0, p)
        pairs.errors[i, others] = pairs.errors[others, i] = errors
    return pairs


def holm(p: Floats, alpha: float = 1 - LEVEL) -> NDArray[np.bool_]:
    """Return which hypotheses are rejected by Holm's step-down procedure.

    The chance of rejecting any true one is at most alpha, however they depend on each other
    (Holm, A Simple Sequentially Rejective Multiple Test Procedure, Scand. J. Statist. 1979).

    Args:
        p: [m] p-values.
        alpha: the chance.

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
        n: number of clips.
        power: chance of telling the models apart, at the 5 % level.

    Example:
        >>> round(minimum_detectable_difference(0.05, 30), 4)
        0.0256
    """
    z = NormalDist()
    return float((z.inv_cdf((1 + LEVEL) / 2) + z.inv_cdf(power)) * sd / np.sqrt(n))


def t_tail(t: ArrayLike, df: ArrayLike) -> Floats:
    """Return the mass of Student's t beyond t >= 0 with df > 0 degrees of freedom.

    Example:
        >>> t_tail([0.0, 2.0452, np.inf], 29).round(4).tolist()
        [0.5, 0.025, 0.0]
    """
    from scipy.special import stdtr  # a tenth of a second that most commands need not wait

    return np.asarray(stdtr(np.asarray(df, np.float64), -np.asarray(t, np.float64)), np.float64)


def t_quantile(p: float, df: ArrayLike) -> Floats:
    """Return the quantile p of Student's t with df > 0 degrees of freedom.

    Example:
        >>> t_quantile(0.975, [29, 2.5]).round(4).tolist()
        [2.0452, 3.5747]
    """
    from scipy.special import stdtrit

    return np.asarray(stdtrit(np.asarray(df, np.float64), p), np.float64)


def mean_and_sd(values: Sequence[float]) -> tuple[float, float | None]:
    """Return the mean over seeds and their standard deviation (n - 1), None for one seed.

    Example:
        >>> mean_and_sd([0.25, 0.75])
        (0.5, 0.3535533905932738)
    """
    if len(values) == 1:  # nearly always, and numpy takes its time
        return float(values[0]), None
    return float(np.mean(values)), float(np.std(values, ddof=1))
