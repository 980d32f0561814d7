import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.metrics.boundary import FrameObjects, boundary_f
from tvseg_bench.benchmark.metrics.davis_jf import (
    object_scores,
    region_j,
    semi_supervised,
    statistics,
    unsupervised,
)
from tvseg_bench.benchmark.types import VOID

quick = settings(max_examples=40, deadline=None)
clips = hnp.arrays(np.uint8, (3, 8, 9), elements=st.integers(0, 3))


@quick
@given(clips)
def test_perfect_is_one(clip: np.ndarray) -> None:
    for scored in (semi_supervised(clip, clip, 3), unsupervised(clip, clip, 3)):
        assert scored.j.shape == (3, 3)
        assert (scored.j == 1).all()
        assert (scored.f == 1).all()


@quick
@given(clips, clips, st.permutations([1, 2, 3]))
def test_renaming_proposals_changes_no_mean(
    truth: np.ndarray, predicted: np.ndarray, names: list[int]
) -> None:
    renamed = np.array([0, *names])[predicted]
    before, after = unsupervised(truth, predicted, 3), unsupervised(truth, renamed, 3)
    total = (before.j + before.f).mean()
    assert total == pytest.approx((after.j + after.f).mean(), abs=1e-12)


@quick
@given(clips, clips, hnp.arrays(bool, (3, 8, 9), elements=st.booleans()))
def test_void_pixels_change_nothing(
    truth: np.ndarray, predicted: np.ndarray, void: np.ndarray
) -> None:
    masked = np.where(void, VOID, truth)
    changed = np.where(void, 3 - predicted, predicted)
    before, after = unsupervised(masked, predicted, 3), unsupervised(masked, changed, 3)
    np.testing.assert_array_equal(before.j, after.j)
    np.testing.assert_array_equal(before.f, after.f)


@quick
@given(clips, clips)
def test_rows_are_the_single_masks(truth: np.ndarray, predicted: np.ndarray) -> None:
    scored = semi_supervised(truth, predicted, 3)
    for k in (1, 2, 3):
        for t in range(3):
            a, b = truth[t] == k, predicted[t] == k
            assert scored.j[k - 1, t] == region_j(a, b)
            assert scored.f[k - 1, t] == boundary_f(a, b)


def test_missing_ids_are_empty_and_extra_ids_are_refused() -> None:
    truth, predicted = np.ones((2, 4, 4), np.uint8), np.zeros((2, 4, 4), np.uint8)
    assert semi_supervised(truth, predicted).j.tolist() == [[0.0, 0.0]]
    assert unsupervised(truth, predicted).j.tolist() == [[0.0, 0.0]]
    with pytest.raises(UsageError, match="object 2 is predicted but there are 1 objects"):
        semi_supervised(truth, truth * 2)
    with pytest.raises(UsageError, match="21 proposals are more than the 20"):
        unsupervised(truth, truth * 21)


def test_frames_of_one_size() -> None:
    small, large = (FrameObjects(np.zeros(shape, int), 1) for shape in ((2, 2), (2, 3)))
    with pytest.raises(UsageError, match=r"shapes \(2, 2\) \(truth\) and \(2, 3\) \(predicted\)"):
        object_scores(small, large, radius=1)


def test_statistics_of_a_failing_track() -> None:
    s = statistics([1.0] * 6 + [0.0] * 2 + [np.nan])
    assert s.mean == pytest.approx(0.75)
    assert s.recall == pytest.approx(6 / 9)
    assert s.decay == 1.0
    assert np.isnan(statistics(np.ones(256), bins="uint8-compat").decay)
    assert statistics(np.ones(256)).decay == 0.0


def test_bad_input() -> None:
    with pytest.raises(UsageError, match="unknown bins 'uint8'; did you mean 'int'"):
        statistics([1.0], bins="uint8")
    with pytest.raises(UsageError, match=r"the values \[T\] of one object; got \(0,\)"):
        statistics([])
    with pytest.raises(UsageError, match=r"expected one \[T, H, W\] for both"):
        unsupervised(np.zeros((2, 2)), np.zeros((2, 2)))
