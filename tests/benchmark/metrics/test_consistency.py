import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.metrics.consistency import Consistency, consistency
from tvseg_bench.benchmark.metrics.contingency import contingency
from tvseg_bench.benchmark.metrics.matching import Match, match
from tvseg_bench.benchmark.types import VOID

quick = settings(max_examples=40, deadline=None)
SHAPE = (6, 3, 4)
LENGTHS = (1, 2, 4, 5, 9)
clips = hnp.arrays(np.uint8, SHAPE, elements=st.sampled_from([0, 1, 2, VOID]))
ids = hnp.arrays(np.int32, SHAPE, elements=st.integers(0, 3))
windows = st.sampled_from(["all", "vspw"])
void = st.sampled_from([VOID, None])


def matched(truth: np.ndarray, clusters: np.ndarray) -> Match:
    return match(contingency(truth, clusters), "hungarian-iou")


def by_definition(
    truth: np.ndarray, predicted: np.ndarray, length: int, windows: str, void: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the shares [windows] that keep their id, and that are right throughout."""
    shares = []
    for start in range(len(truth) - length + 1):
        g, p = truth[start : start + length], predicted[start : start + length]
        static = (g == g[0]).all(0) & (g[0] != void if void is not None else True)
        total = static.sum() or np.nan
        agreeing = (p == p[0]).all(0), (p == g).all(0)
        shares.append([(static & those).sum() / total for those in agreeing])
    counted = shares if windows == "all" else shares[:-1]
    stable, correct = np.array(counted, np.float64).reshape(-1, 2).T
    return stable, correct


def scored(truth: np.ndarray, clusters: np.ndarray, **options: object) -> dict[int, Consistency]:
    return consistency(truth, clusters, matched(truth, clusters), LENGTHS, **options)


@quick
@given(clips, ids, windows, void)
def test_shares_are_those_of_the_published_metric(
    truth: np.ndarray, clusters: np.ndarray, windows: str, void: int | None
) -> None:
    named = matched(truth, clusters).apply(clusters)
    for length, found in scored(truth, clusters, windows=windows, void=void).items():
        stable, _ = by_definition(truth, clusters, length, windows, void)
        _, correct = by_definition(truth, named, length, windows, void)
        np.testing.assert_allclose(found.stable, stable, rtol=0, atol=1e-12)
        np.testing.assert_allclose(found.correct, correct, rtol=0, atol=1e-12)


@quick
@given(clips, ids)
def test_iou_counts_what_the_definition_counts(truth: np.ndarray, clusters: np.ndarray) -> None:
    named = matched(truth, clusters).apply(clusters)
    for length, found in scored(truth, clusters).items():
        hit, union = np.zeros(3), np.zeros(3)
        present = np.zeros(3, bool)
        for start in range(len(truth) - length + 1):
            g, p = truth[start : start + length], named[start : start + length]
            static = (g == g[0]).all(0) & (g[0] != VOID)
            for label in range(3):
                true = static & (g[0] == label)
                given_to = static & (p == label).all(0)
                hit[label] += (true & given_to).sum()
                union[label] += (true | given_to).sum()
                present[label] |= true.any()
        if present.sum() < 2:
            assert found.iou is None
        else:
            assert found.iou == pytest.approx((hit[present] / union[present]).mean(), abs=1e-12)


@quick
@given(clips)
def test_a_constant_map_is_stable_and_never_good(truth: np.ndarray) -> None:
    for found in scored(truth, np.zeros(SHAPE, int)).values():
        assert np.isin(found.stable[~np.isnan(found.stable)], 1.0).all()
        assert found.iou is None or found.iou <= 0.5


@quick
@given(clips, ids, ids)
def test_void_pixels_change_nothing(
    truth: np.ndarray, clusters: np.ndarray, other: np.ndarray
) -> None:
    found = matched(truth, clusters)
    changed = np.where(truth == VOID, other, clusters)
    for length, before in consistency(truth, clusters, found, LENGTHS).items():
        after = consistency(truth, changed, found, LENGTHS)[length]
        np.testing.assert_array_equal(before.stable, after.stable)
        np.testing.assert_array_equal(before.correct, after.correct)
        assert before.iou == after.iou


@quick
@given(clips)
def test_truth_is_perfect(truth: np.ndarray) -> None:
    static = np.broadcast_to(truth[0], SHAPE)
    for found in scored(static, static).values():
        assert found.iou in (None, 1.0)
        shares = np.concatenate([found.stable, found.correct])
        assert np.isin(shares[~np.isnan(shares)], 1.0).all()


def test_bad_input() -> None:
    clip = np.zeros(SHAPE, int)
    with pytest.raises(UsageError, match="unknown windows 'some'"):
        scored(clip, clip, windows="some")
    with pytest.raises(UsageError, match="each has 1 to 254"):
        consistency(clip, clip, matched(clip, clip), [2, 255])
