"""Rows of one table: seeds averaged, intervals, and ranks with what cannot be told apart.

Two models are compared on the clips that both were scored on, where their rows are at hand, and
by their intervals otherwise; Holm's correction holds over all pairs of a table, so that the
chance of calling any two equal models different is at most 5 %.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.results.result_file import Problem
from tvseg_bench.benchmark.results.samples import read_samples
from tvseg_bench.benchmark.results.schema import Metric
from tvseg_bench.benchmark.results.text import ResultError
from tvseg_bench.benchmark.statistics import comparison, intervals
from tvseg_bench.benchmark.statistics.clip_tables import ClipTable, point, table
from tvseg_bench.benchmark.types import Unit, UnitScore
from tvseg_bench.leaderboards.board_keys import RowKey
from tvseg_bench.leaderboards.load import Measurement

_SAME = 1e-6


@dataclass(frozen=True, kw_only=True)
class BoardRow:
    """One metric of one model in one table, over its seeds."""

    key: RowKey
    metric: str
    value: float | None
    ci: tuple[float, float] | None
    sd: float | None
    """Over seeds."""
    n_seeds: int
    n: int
    """Clips that have a value."""
    higher_is_better: bool
    unit: Unit
    constant: float | None
    oracle: float | None
    facts: Mapping[str, Any]
    fps: float | None
    files_sha256: str
    paper_value: float | None
    rank: int | None = None
    """By value; equal values share one."""
    rank_lo: int | None = None
    """Best rank that cannot be excluded: one more than the models that are clearly better."""
    rank_hi: int | None = None
    """Worst rank that cannot be excluded."""

    @property
    def few(self) -> bool:
        """Whether its interval rests on fewer than ten clips."""
        return self.n < intervals.FEW_CLIPS


@dataclass(frozen=True)
class Ranked:
    """The rows of one metric, best first."""

    rows: tuple[BoardRow, ...]
    smallest: float | None
    """Median over pairs of the smallest difference that these clips show with 80 % power."""

    @property
    def unit(self) -> Unit:
        """What the numbers are."""
        return self.rows[0].unit if self.rows else "share"


MetricTables = dict[str, ClipTable]
"""The clip rows of one result, per metric that they make."""
Seeds = Sequence[tuple[Measurement, MetricTables]]
"""The results of one model in one table that differ by their seed only."""


def read_metric_tables(measured: Measurement) -> tuple[MetricTables | None, list[Problem]]:
    """Read the clip rows of a result; an empty dict where they are not at hand.

    Returns:
        See `metric_tables`.
    """
    path = samples_path(measured.path, measured.cell_id)
    if measured.samples is None or path is None:
        return {}, []
    try:
        clips, _ = read_samples(path, measured.cell_id, metrics=measured.metrics)
    except ResultError as error:
        shown = str(error).replace(str(path), f"samples/{path.name}")
        return {}, [Problem(measured.file, f"its rows are not used: {shown}")]
    return metric_tables(measured, clips)


def metric_tables(
    measured: Measurement, clips: Sequence[UnitScore]
) -> tuple[MetricTables | None, list[Problem]]:
    """Return the clip rows per metric that they make, and what they contradict.

    A metric that its own rows contradict is a problem, and there are no tables but None: one of
    the two files was edited.
    """
    found: MetricTables = {}
    resample = "mean" if measured.samples is None else measured.samples.resample
    for name, metric in measured.metrics.items():
        rows = table(clips, name, metric, resample, measured.background)
        own = point(rows)
        if metric.value is None or own is None:
            continue
        if abs(own - metric.value) <= _SAME:
            found[name] = rows
        elif metric.rows == "value":
            return None, [_contradiction(measured, name, metric.value, own)]
    return found, []


def run_folder(result: Path) -> Path:
    """Return the output folder of the run that a result belongs to: it holds `results/`."""
    inside = (p.parent for p in result.parents if p.name == "results")
    return next(inside, result.parent.parent)


def samples_path(result: Path, cell_id: str) -> Path | None:
    """Return the file with the rows of a result, None where it is not at hand.

    It is looked for in `samples/` beside the `results/` folder that holds the result.
    """
    path = run_folder(result) / "samples" / f"{cell_id}.jsonl"
    return path if path.is_file() else None


def _contradiction(m: Measurement, name: str, value: float, own: float) -> Problem:
    return Problem(
        m.file,
        f"metrics.{name}.value is {value:.6f}, but the rows in samples/{m.cell_id}.jsonl give "
        f"{own:.6f}, so it is not on the board; one of the two was edited: restore it, or run the "
        "cell again with --force",
    )


def ranked(metric: str, rows: Mapping[RowKey, Seeds]) -> Ranked:
    """Return the rows of one metric, ranked."""
    made = [_row(key, metric, seeds) for key, seeds in rows.items()]
    tables = [_tables(metric, seeds) for seeds in rows.values()]
    order = sorted(range(len(made)), key=lambda i: _best_first(made[i]))
    made, tables = [made[i] for i in order], [tables[i] for i in order]
    known = [i for i, row in enumerate(made) if row.value is not None]
    apart, smallest = _compare([made[i] for i in known], [tables[i] for i in known])
    ranks = _ranks([made[i] for i in known], apart)
    return Ranked((*ranks, *(row for row in made if row.value is None)), smallest)


def _best_first(row: BoardRow) -> tuple[bool, float, RowKey]:
    value = row.value or 0.0
    return row.value is None, -value if row.higher_is_better else value, row.key


def _row(key: RowKey, metric: str, seeds: Seeds) -> BoardRow:
    measured = [m for m, _ in seeds]
    found = [m.metrics[metric] for m in measured]
    values = [f.value for f in found if f.value is not None]
    value, sd = intervals.mean_and_sd(values) if values else (None, None)
    return BoardRow(
        key=key,
        metric=metric,
        value=value,
        ci=_interval(found, value, _tables(metric, seeds)),
        sd=sd,
        n_seeds=len(found),
        n=min(f.n for f in found),
        higher_is_better=found[0].higher_is_better,
        unit=found[0].unit,
        constant=_mean([m.references.get(f"constant/{metric}") for m in measured]),
        oracle=_mean([m.references.get(f"oracle/{metric}") for m in measured]),
        facts=measured[-1].facts,
        fps=_mean([m.facts["fps"] for m in measured]),
        files_sha256=" ".join(m.sha256 for m in measured),
        paper_value=measured[0].paper_values.get(metric),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return intervals.mean_and_sd(known)[0] if known else None


def _tables(metric: str, seeds: Seeds) -> list[ClipTable]:
    """Return one table per seed, none unless every seed has one of the same clips."""
    found = [e.get(metric) for _, e in seeds]
    whole = [t for t in found if t is not None]
    same = len({t.clips for t in whole}) == 1 and len(whole) == len(found)
    return whole if same else []


def _interval(
    found: Sequence[Metric], value: float | None, tables: Sequence[ClipTable]
) -> tuple[float, float] | None:
    """Return the interval over clips of a mean over seeds.

    Of several seeds it is made from their rows; without rows it is the mean of the seeds'
    own intervals, which is wider, since it does not profit from averaging.
    """
    if len(found) > 1 and tables:
        made = intervals.interval_of(value, tables)
        return None if made.lo is None or made.hi is None else (made.lo, made.hi)
    ends = [f.ci95 for f in found if f.ci95 is not None]
    if not ends or len(ends) < len(found):
        return None
    return intervals.mean_and_sd([e[0] for e in ends])[0], intervals.mean_and_sd(
        [e[1] for e in ends]
    )[0]


def _compare(
    rows: Sequence[BoardRow], tables: Sequence[Sequence[ClipTable]]
) -> tuple[NDArray[np.bool_], float | None]:
    """Return which pairs [M, M] can be told apart, and the smallest difference that could.

    Holm's correction holds over all pairs, compared by their clips or by their intervals.
    """
    same: dict[tuple[str, ...], list[int]] = {}
    for i, found in enumerate(tables):
        if found and len(found[0].clips) > 1:
            same.setdefault(found[0].clips, []).append(i)
    errors: list[NDArray[np.float64]] = []
    paired = any(len(members) == len(rows) for members in same.values())
    p = np.ones((len(rows), len(rows))) if paired else _unpaired(rows)
    for members in same.values():
        if len(members) < 2:
            continue
        values = np.array([rows[i].value for i in members], np.float64)
        pairs = comparison.compare_pairs(values, [tables[i] for i in members])
        p[np.ix_(members, members)] = pairs.p
        errors.append(pairs.errors[np.triu_indices(len(members), 1)])
    known = np.concatenate([*errors, np.zeros(0)])
    unlike = known[known > 0]
    return comparison.significantly_different(p), comparison.minimum_detectable_difference(
        float(np.median(unlike)), 1
    ) if unlike.size else None


def _unpaired(rows: Sequence[BoardRow]) -> NDArray[np.float64]:
    """Return p-values [M, M] from the intervals alone, 1 where one has none.

    The clips are the same in truth, so that a pair looks less certain than it is.
    """
    known = [row.ci or (np.nan, np.nan) for row in rows]
    ends = np.array(known, np.float64).reshape(-1, 2)
    values = np.array([row.value for row in rows], np.float64)
    df = np.array([max(row.n - 1, 1) for row in rows], np.float64)
    errors = (ends[:, 1] - ends[:, 0]) / 2 / intervals.t_quantile((1 + intervals.LEVEL) / 2, df)
    both = np.hypot(errors[:, None], errors[None])
    gaps = np.abs(values[:, None] - values[None])
    scaled = np.divide(gaps, both, out=np.full_like(gaps, np.inf), where=both > 0)
    p = 2 * intervals.t_tail(scaled, np.minimum(df[:, None], df[None]))
    return np.where(np.isfinite(both) & (gaps > 0), p, 1.0)


def _ranks(rows: Sequence[BoardRow], apart: NDArray[np.bool_]) -> list[BoardRow]:
    """Return the rows with their ranks; they come best first."""
    values = np.array([row.value for row in rows], np.float64)
    if rows and not rows[0].higher_is_better:
        values = -values
    made = []
    for i, row in enumerate(rows):
        better, worse = values > values[i], values < values[i]
        ranked_row = replace(
            row,
            rank=1 + int(better.sum()),
            rank_lo=1 + int((better & apart[i]).sum()),
            rank_hi=len(rows) - int((worse & apart[i]).sum()),
        )
        made.append(ranked_row)
    return made
