from collections.abc import Sequence

import numpy as np
import pytest
from clip_scores import as_table, clips_of_classes, counted, rows, score
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tvseg_bench.benchmark.statistics.clip_tables import ClipTable, MeanTable
from tvseg_bench.benchmark.statistics.comparison import (
    Pairs,
    compare_pairs,
    holm,
    minimum_detectable_difference,
    paired_difference,
    significantly_different,
)
from tvseg_bench.benchmark.statistics.intervals import interval
from tvseg_bench.benchmark.statistics.jackknife import degrees_of_freedom, deviations, shares
from tvseg_bench.benchmark.types import UnitScore


def false_alarms(pairs: Sequence[Pairs]) -> tuple[float, float]:
    """How often any two of equal models are called different: by Holm, and by p alone."""
    holms = [bool(significantly_different(found.p).any()) for found in pairs]
    return float(np.mean(holms)), float(np.mean([bool((f.p < 0.05).any()) for f in pairs]))


def compared(tables: Sequence[ClipTable]) -> Pairs:
    return compare_pairs(np.array([t.value() for t in tables]), [[t] for t in tables])


def test_equal_models_are_called_different_no_more_often_than_stated() -> None:
    rng, found = np.random.default_rng(5), []
    for _ in range(2000):
        hard = rng.beta(1, 3, 20)
        pair = [MeanTable(("x",) * 20, hard + rng.exponential(0.05, 20)) for _ in range(2)]
        found.append(compared(pair))
    assert false_alarms(found)[0] <= 0.06


def test_among_many_equal_models_no_pair_is_called_different() -> None:
    """Holm: the chance of any false alarm in a whole table is what is stated for one pair."""
    rng, found = np.random.default_rng(9), []
    for _ in range(1000):
        hard = rng.normal(0, 1, 20)
        scores = 1 / (1 + np.exp(-(hard + rng.normal(0, 0.4, (8, 20)))))
        found.append(compared([MeanTable(("x",) * 20, own) for own in scores]))
    by_holm, alone = false_alarms(found)
    assert by_holm <= 0.06
    assert alone > 0.3  # what no correction would do


@pytest.mark.parametrize("models", [2, 6])
def test_equal_models_of_summed_counts_are_called_equal(models: int) -> None:
    rng, found = np.random.default_rng(10), []
    for _ in range(1000):
        drawn = clips_of_classes(rng, 20, 8, 0.4, 0.7, models)
        found.append(compared([as_table(counts) for counts in drawn]))
    assert false_alarms(found)[0] <= 0.065


def test_a_table_of_pairs_is_that_of_each_pair() -> None:
    drawn = clips_of_classes(np.random.default_rng(11), 12, 4, 0.7, 0.6, models=3)
    pairs = compared([as_table(counts) for counts in drawn])
    assert np.array_equal(pairs.p, pairs.p.T)
    for i in range(3):
        for j in range(i):
            a, b = (counted(*drawn[k].astype(np.int64)) for k in (i, j))
            one = paired_difference(a, b, "miou", resample="counts")
            assert one.method == "paired-clip-jackknife-t"
            assert one.value is not None
            assert one.lo is not None
            assert one.different == (pairs.p[i, j] < 0.05)
            tables = [as_table(drawn[k]) for k in (i, j)]
            moved = deviations([tables[0]]) - deviations([tables[1]])
            df = degrees_of_freedom(moved, shares(tables))
            half = one.value - one.lo
            assert half == pytest.approx(stats.t.ppf(0.975, df) * pairs.errors[i, j])
            p = 2 * stats.t.sf(abs(one.value) / pairs.errors[i, j], df)
            assert pairs.p[i, j] == pytest.approx(p)


def test_nothing_is_called_different_where_nothing_can_be_said() -> None:
    counts = np.array([[[5.0], [0.0]], [[1.0], [4.0]], [[2.0], [0.0]]])
    better = counts + np.array([[[100.0], [0.0]], [[0.0], [0.0]], [[0.0], [0.0]]])
    pairs = compared([as_table(counts), as_table(better)])
    assert pairs.p.tolist() == [[1, 1], [1, 1]]
    assert np.isnan(pairs.errors[0, 1])


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


def test_the_smallest_difference_is_seen_four_times_out_of_five() -> None:
    rng = np.random.default_rng(6)
    gap, seen = minimum_detectable_difference(0.05, 30), 0
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
