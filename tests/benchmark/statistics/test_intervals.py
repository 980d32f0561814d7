import numpy as np
import pytest
from clip_scores import as_table, clips_of_classes, counted, rows, score
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tvseg_bench.benchmark.statistics.clip_tables import (
    MeanTable,
    point,
    table,
)
from tvseg_bench.benchmark.statistics.comparison import paired_difference
from tvseg_bench.benchmark.statistics.intervals import (
    FRACTION,
    interval,
    interval_ends,
    interval_of,
    mean_and_sd,
    t_quantile,
    t_tail,
)
from tvseg_bench.benchmark.statistics.jackknife import degrees_of_freedom, deviations, shares
from tvseg_bench.benchmark.types import MetricCard, Score, UnitScore

FOREGROUND = MetricCard(title="", background="left-out")


def mean_iou(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray) -> float:
    """The metric from summed counts, the slow way."""
    ious = [
        t / (t + p + n)
        for t, p, n in zip(tp.sum(0), fp.sum(0), fn.sum(0), strict=True)
        if t + n > 0
    ]
    return float(np.mean(ious))


@pytest.mark.parametrize("p", [0.6, 0.975, 0.995])
def test_t_quantile(p: float) -> None:
    df = [1, 1.5, 2, 3, 9, 29, 1448]
    assert t_quantile(p, df) == pytest.approx(stats.t.ppf(p, df), rel=1e-9)


DISTRIBUTIONS = {
    "symmetric": lambda rng, shape: rng.beta(5, 5, shape),
    "right-skewed": lambda rng, shape: rng.beta(1, 4, shape),
    "left-skewed": lambda rng, shape: rng.beta(8, 2, shape),
    "near one": lambda rng, shape: rng.beta(12, 1.2, shape),
    "two-peaked": lambda rng, shape: rng.beta(0.5, 0.5, shape),
    "many zeros": lambda rng, shape: rng.beta(4, 4, shape) * (rng.random(shape) < 0.4),
    "failing clips": lambda rng, shape: np.where(
        rng.random(shape) < 0.3, rng.beta(2, 12, shape), rng.beta(8, 4, shape)
    ),
}


def coverage(shape: str, n: int, trials: int = 20_000) -> float:
    """Return the share of intervals that hold the truth; all trials at once."""
    draw, rng = DISTRIBUTIONS[shape], np.random.default_rng(7)
    truth = float(draw(np.random.default_rng(8), 1_000_000).mean())
    values = draw(rng, (n, trials))
    errors = values.std(axis=0, ddof=1) / np.sqrt(n)
    lo, hi = interval_ends(values.mean(axis=0), errors, n - 1)
    return float(((lo <= truth) & (truth <= hi)).mean())


@pytest.mark.parametrize("shape", DISTRIBUTIONS)
@pytest.mark.parametrize("n", [20, 40])
def test_intervals_cover_within_two_points(shape: str, n: int) -> None:
    assert 0.93 <= coverage(shape, n) <= 0.97


def test_the_ends_simulated_are_those_of_results() -> None:
    values = np.random.default_rng(0).beta(2, 5, 20)
    found = interval_of(float(values.mean()), [MeanTable(tuple("abcdefghijklmnopqrst"), values)])
    error = values.std(ddof=1) / np.sqrt(20)
    ends = [float(end) for end in interval_ends(values.mean(), error, 19)]
    assert (found.lo, found.hi) == pytest.approx(ends)


@given(st.floats(0, 1), st.floats(0, 0.5), st.floats(1, 200), st.sampled_from([0.0, -1.0]))
def test_an_interval_stays_in_the_range_and_holds_its_value(
    value: float, error: float, df: float, least: float
) -> None:
    lo, hi = interval_ends(value, error, df, least)
    assert least <= lo <= value + 1e-12
    assert value - 1e-12 <= hi <= 1


@given(st.floats(1e-3, 1e4), st.floats(0, 50), st.floats(2, 200))
def test_an_interval_of_one_bound_stays_above_it(value: float, error: float, df: float) -> None:
    lo, hi = interval_ends(value, error, df, 0.0, np.inf)
    assert 0 <= lo <= value * (1 + 1e-12)
    assert value <= hi * (1 + 1e-12)
    below, above = interval_ends(-value, error, df, -np.inf, 0.0)
    assert (below, above) == pytest.approx((-hi, -lo))
    free = interval_ends(value, error, df, -np.inf, np.inf)
    assert np.mean(free) == pytest.approx(value)


def test_intervals_of_errors_in_pixels_cover_within_two_points() -> None:
    rng = np.random.default_rng(5)
    values = rng.gamma(4.0, 1.5, (30, 4000))
    errors = values.std(axis=0, ddof=1) / np.sqrt(30)
    lo, hi = interval_ends(values.mean(axis=0), errors, 29, 0.0, np.inf)
    assert 0.93 <= ((lo <= 6.0) & (hi >= 6.0)).mean() <= 0.97


def test_few_clips_cover_nearly_as_often() -> None:
    assert 0.92 <= coverage("symmetric", 5) <= 0.98


@pytest.mark.parametrize(
    ("classes", "held", "sizes"), [(2, 1.0, 0.3), (2, 1.0, 1.0), (11, 0.5, 0.5), (20, 0.15, 0.8)]
)
@pytest.mark.parametrize("n", [20, 40])
def test_intervals_of_summed_counts_cover_within_two_points(
    classes: int, held: float, sizes: float, n: int
) -> None:
    rng, hits, trials = np.random.default_rng(3), 0, 3000
    (all_clips,) = clips_of_classes(rng, 200_000, classes, held, sizes)
    truth = as_table(all_clips).value()
    for _ in range(trials):
        rows = as_table(clips_of_classes(rng, n, classes, held, sizes)[0])
        found = interval_of(rows.value(), [rows])
        assert found.lo is not None
        assert found.hi is not None
        hits += found.lo <= truth <= found.hi
    assert 0.93 <= hits / trials <= 0.97


def test_intervals_over_seeds_of_summed_counts_cover() -> None:
    rng, hits = np.random.default_rng(4), 0
    truth = as_table(clips_of_classes(rng, 200_000, 5, 0.6, 0.6)[0]).value()
    for _ in range(1500):
        seeds = [as_table(c) for c in clips_of_classes(rng, 25, 5, 0.6, 0.6, models=3)]
        found = interval_of(float(np.mean([rows.value() for rows in seeds])), seeds)
        assert found.lo is not None
        assert found.hi is not None
        hits += found.lo <= truth <= found.hi
    assert 0.93 <= hits / 1500 <= 0.97


def test_an_interval_of_counts_leans_to_the_long_tail() -> None:
    """One clip far better than many: others like it may be missing, so the upper end is far."""
    tp = np.array([[900.0], *[[20.0 + i] for i in range(19)]])
    few = as_table(np.stack([tp, np.zeros((20, 1)), np.array([[100.0], *[[80.0]] * 19])]))
    mirrored = as_table(np.stack([few.counts[2], few.counts[1], few.counts[0]]))
    up, down = interval_of(few.value(), [few]), interval_of(mirrored.value(), [mirrored])
    assert up.lo is not None
    assert up.hi is not None
    moved = deviations([few])
    df = degrees_of_freedom(moved, shares([few]))
    plain = interval_ends(few.value(), np.sqrt((moved**2).sum()), df)
    assert plain[0] < up.lo < few.value()
    assert plain[1] < up.hi < 1
    assert (down.lo, down.hi) == pytest.approx((1 - up.hi, 1 - up.lo))


def test_no_interval_where_one_clip_holds_all_that_is_scored() -> None:
    tp, fp, fn = np.array([[5], [0]]), np.array([[1], [4]]), np.array([[2], [0]])
    made = table(counted(tp, fp, fn), "miou", FRACTION, "counts")
    found = interval_of(point(made), [made])
    assert (found.lo, found.method) == (None, "none: one clip holds all that is scored")
    pair = paired_difference(
        counted(tp, fp, fn), counted(tp - [[2], [0]], fp, fn), "miou", resample="counts"
    )
    assert (pair.lo, pair.method) == (None, "none: one clip holds all that is scored")
    assert pair.value == pytest.approx(5 / 12 - 3 / 10)


@pytest.mark.parametrize("df", [1, 1.5, 4, 19, 29, 1448])
def test_the_tail_of_t_keeps_its_digits(df: float) -> None:
    t = np.array([0.0, 0.1, 1.0, 2.5, 5.0, 8.0, 30.0])
    assert t_tail(t, df) == pytest.approx(stats.t.sf(t, df), rel=1e-9)


def test_none_where_there_is_no_interval() -> None:
    one = interval(score([0.5, None]), "miou")
    assert (one.lo, one.hi, one.method, one.n) == (None, None, "none: one clip", 1)
    assert interval(score([None]), "miou").method == "none: nothing was computed"
    other = interval(score([0.1, 0.2, 0.3], mean=0.9), "miou")
    assert other.method == "none: the clips' rows do not make this number"
    assert other.lo is None
    assert (one.rows, other.rows) == ("value", "other-value")
    assert interval(score([0.5], mean=0.25), "miou").rows == "other-value"


def test_silent_clips_are_left_out() -> None:
    values = [0.1, 0.3, 0.4, 0.8]
    with_silence = interval(score([*values[:2], None, *values[2:]]), "miou")
    assert with_silence == interval(score(values), "miou")


def test_a_mean_of_batches_shifts_the_interval() -> None:
    values = np.linspace(0.2, 0.8, 20)
    plain, shifted = (
        interval(score(list(values)), "miou"),
        interval(score(list(values), 0.51), "miou"),
    )
    assert shifted.method == "clip-logit-t, shifted"
    assert (plain.rows, shifted.rows) == ("value", "near-value")
    assert plain.lo is not None
    assert shifted.lo == pytest.approx(plain.lo + 0.01)


def test_foreground_leaves_out_the_background() -> None:
    tp, fp, fn = np.array([[90, 10]]), np.array([[0, 10]]), np.array([[10, 0]])
    clips = counted(tp, fp, fn)
    assert point(table(clips, "miou", FRACTION, "counts", background=0)) == pytest.approx(0.7)
    assert point(table(clips, "miou_fg", FOREGROUND, "counts", background=0)) == pytest.approx(0.5)
    assert point(table(clips, "miou_fg", FOREGROUND, "counts")) == pytest.approx(0.7)


def test_clips_may_hold_different_labels() -> None:
    one = UnitScore(clip="a", metrics={}, counts={"labels": [5], "tp": [1], "fp": [0], "fn": [1]})
    two = UnitScore(
        clip="b", metrics={}, counts={"labels": [2, 5], "tp": [3, 1], "fp": [0, 1], "fn": [0, 0]}
    )
    assert point(table([one, two], "miou", FRACTION, "counts")) == pytest.approx((1.0 + 0.5) / 2)
    empty = UnitScore(clip="c", metrics={}, note="one class")
    assert table([one, two, empty], "miou", FRACTION, "counts").clips == ("a", "b")


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=30))
def test_laws_of_intervals(values: list[float]) -> None:
    found = interval(score(values), "miou")
    again = interval(score(values), "miou")
    assert found == again
    assert found.lo is not None
    assert found.hi is not None
    assert 0 <= found.lo <= found.hi <= 1
    renamed = Score(
        metrics=score(values).metrics,
        clips=[UnitScore(clip=f"x{i}", metrics={"miou": v}) for i, v in enumerate(values)],
    )
    assert interval(renamed, "miou") == found
    same = paired_difference(rows(values), rows(values), "miou")
    assert same.value == 0
    assert not same.different


def test_seeds_are_averaged_not_pooled() -> None:
    rng = np.random.default_rng(2)
    base = rng.beta(2, 2, 20)
    seeds = [MeanTable(("x",) * 20, base + d) for d in (-0.1, 0.1)]
    value = float(base.mean())
    both, one = interval_of(value, seeds), interval_of(value, [MeanTable(("x",) * 20, base)])
    assert both.lo == pytest.approx(one.lo)
    assert both.n == 20


def test_mean_and_sd() -> None:
    assert mean_and_sd([0.5]) == (0.5, None)
    assert mean_and_sd([0.2, 0.4]) == pytest.approx((0.3, np.sqrt(0.02)))
