import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.metrics.vpq import ClassQuality, mean_quality, tube_quality

quick = settings(max_examples=40, deadline=None)
CLASSES = {1: 7, 2: 7, 3: 9}
clips = hnp.arrays(np.int32, (4, 3, 4), elements=st.integers(0, 3))


@quick
@given(clips, st.integers(1, 4))
def test_perfect_is_one(clip: np.ndarray, length: int) -> None:
    quality = mean_quality(tube_quality(clip, clip, CLASSES, CLASSES, length), [7, 9])
    assert (quality.pq, quality.sq, quality.rq) == ((1, 1, 1) if clip.any() else (None,) * 3)


@quick
@given(clips, clips, st.integers(1, 4), st.sets(st.integers(1, 3), max_size=2))
def test_counts_what_the_definition_counts(
    truth: np.ndarray, predicted: np.ndarray, length: int, crowd: set[int]
) -> None:
    expected = {7: ClassQuality(), 9: ClassQuality()}
    for start in range(5 - length):
        window = slice(start, start + length)
        for kind, sums in brute_force(truth[window], predicted[window], crowd).items():
            expected[kind] += sums
    found = tube_quality(truth, predicted, CLASSES, CLASSES, length, crowd)
    for kind, sums in expected.items():
        ours = found[kind]
        assert (ours.tp, ours.fp, ours.fn) == (sums.tp, sums.fp, sums.fn)
        assert ours.iou == pytest.approx(sums.iou, abs=1e-12)


def brute_force(truth: np.ndarray, predicted: np.ndarray, crowd: set[int]) -> dict:
    sums = {kind: ClassQuality() for kind in (7, 9)}
    matched: set[int] = set()
    for g in set(np.unique(truth).tolist()) - {0} - crowd:
        a, hit = truth == g, False
        for p in (p for p in (1, 2, 3) if CLASSES[p] == CLASSES[g]):
            b = predicted == p
            iou = (a & b).sum() / (a | (b & (truth != 0))).sum()
            if iou > 0.5:
                hit = True
                matched.add(p)
                sums[CLASSES[g]] += ClassQuality(iou, 1, 0, 0)
        sums[CLASSES[g]] += ClassQuality(0, 0, 0, int(not hit))
    for p in set(np.unique(predicted).tolist()) - {0} - matched:
        b = predicted == p
        excused = [0, *(c for c in crowd if CLASSES[c] == CLASSES[p])]
        if np.isin(truth[b], excused).mean() <= 0.5:
            sums[CLASSES[p]] += ClassQuality(0, 0, 1, 0)
    return sums


def test_means_skip_classes_without_tubes() -> None:
    quality = {1: ClassQuality(0.8, 1, 1, 0), 2: ClassQuality(), 3: ClassQuality(0, 0, 0, 4)}
    assert mean_quality(quality, [1, 2]).n == 1
    assert mean_quality(quality, [1, 2, 3]).pq == pytest.approx(0.8 / 1.5 / 2)
    assert mean_quality(quality, [2]).pq is None


def test_bad_input() -> None:
    clip = np.ones((2, 2, 2), int)
    with pytest.raises(UsageError, match="true segment 1 has no class"):
        tube_quality(clip, clip, {}, {1: 7}, 1)
    with pytest.raises(UsageError, match="predicted segment 1 has no class"):
        tube_quality(clip, clip, {1: 7}, {}, 1)
    with pytest.raises(UsageError, match="a window 3 frames"):
        tube_quality(clip, clip, {1: 7}, {1: 7}, 3)
