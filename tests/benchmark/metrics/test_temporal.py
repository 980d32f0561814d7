import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.metrics.temporal import video_consistency, warp_labels
from tvseg_bench.benchmark.types import VOID

quick = settings(max_examples=60, deadline=None)
SHAPE = (5, 3, 4)
clips = hnp.arrays(np.uint8, SHAPE, elements=st.sampled_from([0, 1, VOID]))
predictions = hnp.arrays(np.int32, SHAPE, elements=st.integers(0, 2))
lengths = st.integers(1, 6)


@quick
@given(clips, predictions, lengths)
def test_counts_what_the_definition_counts(
    truth: np.ndarray, predicted: np.ndarray, length: int
) -> None:
    expected = []
    for start in range(len(truth) - length + 1):
        g, p = truth[start : start + length], predicted[start : start + length]
        static = (g == g[0]).all(0) & (g[0] != VOID)
        stable, correct = (p == p[0]).all(0), (p == g).all(0)
        total = static.sum() or np.nan
        expected.append([(static & kept).sum() / total for kept in (stable, correct)])
    columns = np.array(expected).reshape(-1, 2).T
    for agreement, column in zip(("stable", "correct"), columns, strict=True):
        ours = video_consistency(truth, predicted, length, agreement=agreement)
        np.testing.assert_allclose(ours, column, rtol=0, atol=1e-12)


@quick
@given(clips, predictions, lengths, st.permutations([4, 7, 9]))
def test_renaming_clusters_keeps_stability(
    truth: np.ndarray, predicted: np.ndarray, length: int, names: list[int]
) -> None:
    before = video_consistency(truth, predicted, length)
    after = video_consistency(truth, np.array(names)[predicted], length)
    np.testing.assert_array_equal(before, after)


@quick
@given(clips, predictions, lengths, predictions)
def test_void_pixels_change_nothing(
    truth: np.ndarray, predicted: np.ndarray, length: int, other: np.ndarray
) -> None:
    changed = np.where(truth == VOID, other, predicted)
    before = video_consistency(truth, predicted, length)
    np.testing.assert_array_equal(before, video_consistency(truth, changed, length))


@given(clips, lengths)
@quick
def test_a_static_clip_is_perfectly_consistent(truth: np.ndarray, length: int) -> None:
    static = np.broadcast_to(truth[0], truth.shape)
    for agreement in ("stable", "correct"):
        shares = video_consistency(static, static, length, agreement=agreement)
        assert np.isin(shares[~np.isnan(shares)], 1.0).all()


def test_windows() -> None:
    clip = np.zeros(SHAPE, int)
    assert len(video_consistency(clip, clip, 3)) == 3
    assert len(video_consistency(clip, clip, 3, windows="vspw")) == 2
    assert len(video_consistency(clip, clip, 9, windows="vspw")) == 0


@quick
@given(hnp.arrays(np.uint8, (4, 6), elements=st.integers(0, 9)), st.data())
def test_whole_pixels_are_fetched(labels: np.ndarray, data: st.DataObject) -> None:
    dx, dy = data.draw(st.integers(-6, 6)), data.draw(st.integers(-6, 6))
    flow = np.broadcast_to(np.array([dx, dy], np.float32), (4, 6, 2))
    warped = warp_labels(labels, flow)
    for y in range(4):
        for x in range(6):
            inside = 0 <= y + dy < 4 and 0 <= x + dx < 6
            assert warped[y, x] == (labels[y + dy, x + dx] if inside else VOID)


def test_no_flow_points_nowhere() -> None:
    flow = np.full((1, 2, 2), np.nan)
    assert warp_labels([[3, 4]], flow).tolist() == [[VOID, VOID]]


def test_published_sampling_loses_a_column_of_a_static_picture() -> None:
    labels, flow = np.full((24, 32), 7), np.zeros((24, 32, 2))
    assert (warp_labels(labels, flow) == 7).all()
    assert (warp_labels(labels, flow, sampling="vspw", outside=0) == 0).any()


def test_bad_input() -> None:
    clip = np.zeros(SHAPE, int)
    with pytest.raises(UsageError, match="and a window 0 frames"):
        video_consistency(clip, clip, 0)
    with pytest.raises(UsageError, match="unknown agreement 'stabel'; did you mean 'stable'"):
        video_consistency(clip, clip, 2, agreement="stabel")
    with pytest.raises(UsageError, match="unknown windows 'some'"):
        video_consistency(clip, clip, 2, windows="some")
    with pytest.raises(UsageError, match=r"expected \[H, W\] and \[H, W, 2\]"):
        warp_labels(clip[0], np.zeros((2, 3, 4)))
    with pytest.raises(UsageError, match="unknown sampling 'corners'"):
        warp_labels(clip[0], np.zeros((3, 4, 2)), sampling="corners")
