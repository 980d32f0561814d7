from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tvseg_bench.benchmark.resampling import (
    MeanTable,
    covariance,
    point,
    replicates,
    table,
)
from tvseg_bench.benchmark.statistics import (
    holm,
    interval,
    interval_ends,
    interval_of,
    mean_and_sd,
    pair_values,
    paired_difference,
    smallest_difference,
    t_quantile,
    t_tail,
    told_apart,
)
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


def mean_iou(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray) -> float:
    """The metric from summed counts, the slow way."""
    ious = [
        t / (t + p + n)
        for t, p, n in zip(tp.sum(0), fp.sum(0), fn.sum(0), strict=True)
        if t + n > 0
    ]
    return float(np.mean(ious))


@pytest.mark.parametrize("df", [1, 2, 3, 9, 29, 1448])
@pytest.mark.parametrize("p", [0.6, 0.975, 0.995])
def test_t_quantile(p: float, df: int) -> None:
    assert t_quantile(p, df) == pytest.approx(stats.t.ppf(p, df), rel=1e-5)


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
    lo, hi = interval_ends(values.mean(axis=0), errors, n)
    return float(((lo <= truth) & (truth <= hi)).mean())


@pytest.mark.parametrize("shape", DISTRIBUTIONS)
@pytest.mark.parametrize("n", [20, 40])
def test_intervals_cover_within_two_points(shape: str, n: int) -> None:
    assert 0.93 <= coverage(shape, n) <= 0.97


def test_the_ends_simulated_are_those_of_results() -> None:
    values = np.random.default_rng(0).beta(2, 5, 20)
    found = interval_of(float(values.mean()), [MeanTable(tuple("abcdefghijklmnopqrst"), values)])
    error = values.std(ddof=1) / np.sqrt(20)
    ends = [float(end) for end in interval_ends(values.mean(), error, 20)]
    assert (found.lo, found.hi) == pytest.approx(ends)


def test_the_closed_error_is_what_the_bootstrap_tends_to() -> None:
    rows = MeanTable(tuple("abcdefghijklmnopqrst"), np.random.default_rng(0).beta(2, 5, 20))
    drawn = replicates(rows, 100_000)
    closed = np.sqrt(covariance([[rows]])[0, 0])
    assert np.std(drawn) * np.sqrt(20 / 19) == pytest.approx(closed, rel=0.01)


@given(st.floats(0, 1), st.floats(0, 0.5), st.integers(2, 200), st.sampled_from([0.0, -1.0]))
def test_an_interval_stays_in_the_range_and_holds_its_value(
    value: float, error: float, n: int, least: float
) -> None:
    lo, hi = interval_ends(value, error, n, least)
    assert least <= lo <= value + 1e-12
    assert value - 1e-12 <= hi <= 1


def test_few_clips_cover_nearly_as_often() -> None:
    assert 0.92 <= coverage("symmetric", 5) <= 0.98


def test_intervals_of_summed_counts_cover() -> None:
    rng = np.random.default_rng(3)

    def clips(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        pixels = rng.integers(100, 1000, (n, 3))
        hit = (pixels * rng.beta(4, 3, (n, 3))).astype(np.int64)
        return hit, rng.integers(0, 200, (n, 3)), pixels - hit

    truth = mean_iou(*clips(200_000))
    hits = 0
    for _ in range(500):
        made = table(counted(*clips(25)), "miou", "counts")
        found = interval_of(point(made), [made], n_resamples=500)
        assert found.lo is not None
        assert found.hi is not None
        hits += found.lo <= truth <= found.hi
    assert 0.93 <= hits / 500 <= 0.97


def test_equal_models_are_called_different_no_more_often_than_stated() -> None:
    rng = np.random.default_rng(5)
    wrong = 0
    for _ in range(2000):
        hard = rng.beta(1, 3, 20)
        pair = [hard + rng.exponential(0.05, 20) for _ in range(2)]
        cov = covariance([[MeanTable(("x",) * 20, v)] for v in pair])
        wrong += told_apart(np.array([v.mean() for v in pair]), cov, 20)[0, 1]
    assert wrong / 2000 <= 0.06


def test_among_many_equal_models_no_pair_is_called_different() -> None:
    """Holm: the chance of any false alarm in a whole table is what is stated for one pair."""
    rng, wrong, alone = np.random.default_rng(9), 0, 0
    for _ in range(1000):
        hard = rng.normal(0, 1, 20)
        scores = 1 / (1 + np.exp(-(hard + rng.normal(0, 0.4, (8, 20)))))
        cov, means = np.cov(scores) / 20, scores.mean(axis=1)
        wrong += bool(told_apart(means, cov, 20).any())
        alone += bool((pair_values(means, cov, 20) < 0.05).any())
    assert wrong / 1000 <= 0.06
    assert alone / 1000 > 0.3  # what no correction would do


def test_holm_steps_down() -> None:
    p = np.array([0.001, 0.04, 0.011, 0.012, 0.8])  # thresholds 0.01, 0.0125, 0.0167, 0.025
    assert holm(p).tolist() == [True, False, True, True, False]
    assert holm(np.zeros(3)).all()
    assert not holm(np.ones(3)).any()
    assert holm(np.zeros(0)).shape == (0,)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_lies_between_bonferroni_and_nothing(values: list[float]) -> None:
    p = np.array(values)
    found = holm(p)
    assert found[p <= 0.05 / len(p)].all()
    assert not found[p > 0.05].any()
    assert p[found].max(initial=0) <= p[~found].min(initial=1)


@pytest.mark.parametrize("df", [1, 2, 4, 19, 29, 1448])
def test_the_tail_of_t_keeps_its_digits(df: int) -> None:
    t = np.array([0.0, 0.1, 1.0, 2.5, 5.0, 8.0])
    assert t_tail(t, df) == pytest.approx(stats.t.sf(t, df), rel=1e-3)


def test_the_smallest_difference_is_seen_four_times_out_of_five() -> None:
    rng = np.random.default_rng(6)
    gap, seen = smallest_difference(0.05, 30), 0
    for _ in range(1000):
        base = rng.beta(3, 3, 30)
        other = base + gap + rng.normal(0, 0.05, 30)
        seen += paired_difference(rows(other), rows(base), "miou").different
    assert 0.75 <= seen / 1000 <= 0.85


def test_pairing_sees_what_intervals_cannot() -> None:
    rng = np.random.default_rng(0)
    base = rng.beta(2, 2, 30)
    better = base + 0.03 + rng.normal(0, 0.02, 30)
    a, b = interval(score(list(better)), "miou"), interval(score(list(base)), "miou")
    assert a.lo is not None
    assert b.hi is not None
    assert a.lo < b.hi
    found = paired_difference(rows(list(better)), rows(list(base)), "miou")
    assert found.different
    assert found.value == pytest.approx(float((better - base).mean()))
    assert found.n == 30


def test_only_shared_clips_are_paired() -> None:
    found = paired_difference(rows([0.5, 0.6, 0.9]), rows([0.4, 0.5]), "miou")
    assert found.n == 2
    assert found.value == pytest.approx(0.1)
    assert paired_difference(rows([0.5]), rows([0.4]), "miou").method == "none: one clip is shared"
    nothing = paired_difference(rows([0.5]), [UnitScore(clip="z", metrics={"miou": 1.0})], "miou")
    assert (nothing.value, nothing.method) == (None, "none: no clip is shared")


def test_the_order_of_rows_does_not_unpair_them() -> None:
    a, b = rows([0.5, 0.6, 0.9]), rows([0.4, 0.5, 0.8])
    assert paired_difference(a, b[::-1], "miou") == paired_difference(a, b, "miou")


def test_none_where_there_is_no_interval() -> None:
    one = interval(score([0.5, None]), "miou")
    assert (one.lo, one.hi, one.method, one.n, one.few) == (None, None, "none: one clip", 1, True)
    assert interval(score([None]), "miou").method == "none: nothing was computed"
    other = interval(score([0.1, 0.2, 0.3], mean=0.9), "miou")
    assert other.method == "none: the clips' rows do not make this number"
    assert other.lo is None


def test_silent_clips_are_left_out() -> None:
    values = [0.1, 0.3, 0.4, 0.8]
    with_silence = interval(score([*values[:2], None, *values[2:]]), "miou")
    assert with_silence == interval(score(values), "miou")
    assert with_silence.few
    assert not interval(score([0.1] * 10), "miou").few


def test_a_mean_of_batches_shifts_the_interval() -> None:
    values = np.linspace(0.2, 0.8, 20)
    plain, shifted = (
        interval(score(list(values)), "miou"),
        interval(score(list(values), 0.51), "miou"),
    )
    assert shifted.method == "clip-logit-t, shifted"
    assert plain.lo is not None
    assert shifted.lo == pytest.approx(plain.lo + 0.01)


counts = st.integers(1, 6).flatmap(
    lambda n: st.lists(
        st.lists(st.integers(0, 50), min_size=9, max_size=9), min_size=n, max_size=n
    )
)


@settings(max_examples=40, deadline=None)
@given(counts, st.integers(0, 2**32 - 1))
def test_counts_are_summed_before_the_metric(cells: list[list[int]], seed: int) -> None:
    tp, fp, fn = np.array(cells).reshape(len(cells), 3, 3).transpose(1, 0, 2)
    made = table(counted(tp, fp, fn), "miou", "counts")
    drawn = np.random.default_rng(seed).integers(0, len(cells), (5, len(cells)))
    for value, draw in zip(made.metric(drawn), drawn, strict=True):
        if (tp + fn)[draw].sum() == 0:
            assert np.isnan(value)
        else:
            assert value == pytest.approx(mean_iou(tp[draw], fp[draw], fn[draw]))


def test_foreground_leaves_out_the_background() -> None:
    tp, fp, fn = np.array([[90, 10]]), np.array([[0, 10]]), np.array([[10, 0]])
    clips = counted(tp, fp, fn)
    assert point(table(clips, "miou", "counts", background=0)) == pytest.approx(0.7)
    assert point(table(clips, "miou_fg", "counts", background=0)) == pytest.approx(0.5)
    assert point(table(clips, "miou_fg", "counts")) == pytest.approx(0.7)


def test_clips_may_hold_different_labels() -> None:
    one = UnitScore(clip="a", metrics={}, counts={"labels": [5], "tp": [1], "fp": [0], "fn": [1]})
    two = UnitScore(
        clip="b", metrics={}, counts={"labels": [2, 5], "tp": [3, 1], "fp": [0, 1], "fn": [0, 0]}
    )
    assert point(table([one, two], "miou", "counts")) == pytest.approx((1.0 + 0.5) / 2)
    empty = UnitScore(clip="c", metrics={}, note="one class")
    assert table([one, two, empty], "miou", "counts").clips == ("a", "b")


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=30))
def test_laws_of_intervals(values: list[float]) -> None:
    found = interval(score(values), "miou", n_resamples=200)
    again = interval(score(values), "miou", n_resamples=200)
    assert found == again
    assert found.lo is not None
    assert found.hi is not None
    assert 0 <= found.lo <= found.hi <= 1
    renamed = Score(
        metrics=score(values).metrics,
        clips=[UnitScore(clip=f"x{i}", metrics={"miou": v}) for i, v in enumerate(values)],
    )
    assert interval(renamed, "miou", n_resamples=200) == found
    same = paired_difference(rows(values), rows(values), "miou", n_resamples=200)
    assert same.value == 0
    assert not same.different


def test_draws_do_not_depend_on_the_size_of_the_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    made = MeanTable(("a", "b", "c"), np.array([0.1, 0.5, 0.9]))
    whole = replicates(made, 1000)
    monkeypatch.setattr("tvseg_bench.benchmark.resampling._CHUNK", 30)
    assert np.array_equal(replicates(made, 1000), whole)


def test_covariance_of_means_is_what_the_bootstrap_tends_to() -> None:
    rng = np.random.default_rng(1)
    values = rng.beta(2, 2, (3, 15))
    tables = [MeanTable(("x",) * 15, v) for v in values]
    drawn = np.cov(np.stack([replicates(t, 40_000) for t in tables])) * 15 / 14
    assert covariance([[t] for t in tables]) == pytest.approx(drawn, rel=0.05, abs=1e-4)


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
