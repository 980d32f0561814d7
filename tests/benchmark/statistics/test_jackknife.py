"""The jackknife against its definitions, computed the slow way."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from tvseg_bench.benchmark.statistics.clip_tables import CountTable, MeanTable
from tvseg_bench.benchmark.statistics.jackknife import (
    degrees_of_freedom,
    deviations,
    shares,
    skewness,
)


def named(n: int) -> tuple[str, ...]:
    return tuple(f"c{i}" for i in range(n))


def mean_iou(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray) -> float:
    """The mean IoU of counts [n, C] summed over clips, a class at a time."""
    sums = zip(tp.sum(0), fp.sum(0), fn.sum(0), strict=True)
    ious = [t / (t + p + n) for t, p, n in sums if t + n > 0]
    return float(np.mean(ious)) if ious else float("nan")


cells = st.integers(2, 7).flatmap(
    lambda n: st.lists(
        st.lists(st.sampled_from([0, 0, 1, 7, 30, 10**9]), min_size=9, max_size=9),
        min_size=n,
        max_size=n,
    )
)


@settings(max_examples=80, deadline=None)
@given(cells)
def test_a_clip_left_out_is_as_if_it_had_never_been(drawn: list[list[int]]) -> None:
    counts = np.array(drawn, np.float64).reshape(-1, 3, 3).transpose(1, 0, 2)
    n = counts.shape[1]
    rows = CountTable(named(n), counts)
    assert rows.value() == pytest.approx(mean_iou(*counts), nan_ok=True)
    slowly = [mean_iou(*np.delete(counts, i, axis=1)) for i in range(n)]
    assert rows.without_each() == pytest.approx(np.array(slowly), nan_ok=True)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_of_means_the_error_is_that_of_textbooks(values: list[float]) -> None:
    scores = np.array(values)
    rows = MeanTable(named(len(scores)), scores)
    slowly = [np.delete(scores, i).mean() for i in range(len(scores))]
    assert rows.without_each() == pytest.approx(np.array(slowly))
    variance = (deviations([rows]) ** 2).sum()
    assert variance == pytest.approx(scores.var(ddof=1) / len(scores), abs=1e-15)


@settings(max_examples=50, deadline=None)
@given(cells)
def test_twice_the_clips_halve_the_variance(drawn: list[list[int]]) -> None:
    """Up to what one clip weighs: the jackknife is no function of pixels but of clips."""
    counts = np.array(drawn, np.float64).reshape(-1, 3, 3).transpose(1, 0, 2) + 1
    n = counts.shape[1]
    many = [CountTable(named(n * k), np.tile(counts, (1, k, 1))) for k in (200, 400)]
    once, twice = ((deviations([rows]) ** 2).sum() for rows in many)
    assert twice == pytest.approx(once / 2, rel=0.02, abs=1e-15)


def test_seeds_are_averaged_before_the_error_is_made() -> None:
    """What one seed's luck with a clip gives and another's takes is no spread of clips."""
    base, luck = np.linspace(0.2, 0.8, 6), np.array([0.1, -0.1, 0.05, -0.05, 0.2, -0.2])
    pair = [MeanTable(named(6), base + luck), MeanTable(named(6), base - luck)]
    assert deviations(pair) == pytest.approx(deviations([MeanTable(named(6), base)]))


def test_the_share_of_a_clip_is_that_of_its_pixels_class_by_class() -> None:
    tp = np.array([[10.0, 0, 0], [30.0, 2, 0]])
    fp, fn = np.array([[0.0, 0, 5], [0.0, 1, 5]]), np.array([[0.0, 0, 0], [0.0, 1, 0]])
    rows = CountTable(named(2), np.stack([tp, fp, fn]))  # class 2 is held by no clip
    assert shares([rows]) == pytest.approx([(10 / 40 + 0) / 2, (30 / 40 + 1) / 2])
    assert shares([MeanTable(named(4), np.zeros(4))]) == pytest.approx([0.25] * 4)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=20))
def test_clips_of_equal_weight_leave_all_degrees_but_one(steps: list[float]) -> None:
    moved = np.array(steps)
    weights = np.full(len(moved), 1 / len(moved))
    assert degrees_of_freedom(moved, weights) == len(moved) - 1


weighted = st.integers(3, 12).flatmap(
    lambda n: st.tuples(
        st.lists(st.floats(1e-3, 1), min_size=n, max_size=n),
        st.lists(st.floats(-1, 1), min_size=n, max_size=n),
    )
)


@given(weighted)
def test_degrees_of_freedom_lie_between_one_and_all(
    drawn: tuple[list[float], list[float]],
) -> None:
    weights, moved = (np.array(values) for values in drawn)
    found = degrees_of_freedom(moved, weights / weights.sum())
    assert 1 <= found <= len(moved) - 1


@given(weighted)
@example(([0.5, 0.25, 0.25], [0.0, 0.0, 6e-96]))
@example(([0.5, 0.25, 0.25], [0.0, 5e-324, -5e-324]))
def test_degrees_of_freedom_are_satterthwaites(
    drawn: tuple[list[float], list[float]],
) -> None:
    """Against the matrix itself: the jackknife's variance of a weighted mean is e' B e."""
    weights, moved = (np.array(values) for values in drawn)
    weights = weights / weights.sum()
    n = len(weights)
    if np.ptp(weights) < 1e-9 or not moved.any():
        return
    # residuals of a weighted mean, scaled by what leaving clip i out moves it
    scale = np.diag(weights / (1 - weights)) @ (np.eye(n) - np.outer(np.ones(n), weights))
    form = scale.T @ scale
    by_weights = np.trace(form) ** 2 / np.trace(form @ form)
    squares = (moved / np.abs(moved).max()) ** 2  # else the squares of tiny steps vanish
    least = 1 / n + 2 / (n - 1)
    by_moves = 2 / (max((squares**2).sum() / squares.sum() ** 2, least) - 1 / n)
    both = 2 / (1 / by_weights + 1 / by_moves)
    assert degrees_of_freedom(moved, weights) == pytest.approx(min(max(both, 1), n - 1), rel=1e-4)


def test_one_large_clip_leaves_few_degrees_of_freedom() -> None:
    moved = np.array([0.5, *[0.01, -0.01] * 10])
    weights = np.array([0.6, *[0.02] * 20])
    assert degrees_of_freedom(moved, weights) < 1.5
    even = np.array([0.01, -0.01] * 10)
    nearly = np.linspace(0.9, 1.1, 20) / 20
    assert 17 < degrees_of_freedom(even, nearly) <= 19


@given(st.lists(st.floats(0, 1), min_size=3, max_size=20))
def test_skewness_of_a_mean_is_that_of_its_clips(values: list[float]) -> None:
    scores = np.array(values)
    if np.ptp(scores) < 1e-3:
        return
    n = len(scores)
    moved = deviations([MeanTable(named(n), scores)])
    assert skewness(moved) == pytest.approx(stats.skew(scores) / np.sqrt(n), abs=1e-9)
    assert skewness(np.zeros(n)) == 0
    assert abs(skewness(moved)) < 1
    assert skewness(moved * 2.0**-400) == skewness(moved)
