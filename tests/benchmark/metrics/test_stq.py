import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.metrics.stq import STQ, SequenceTracks, stq, tracks
from tvseg_bench.benchmark.types import VOID

quick = settings(max_examples=40, deadline=None)
# classes: 0 stuff, 1 thing (instances 1, 2 and a crowd), void
THING = 1 << 8
clips = hnp.arrays(
    np.int64,
    (3, 3, 4),
    elements=st.sampled_from([0, THING, THING + 1, THING + 2, VOID << 8]),
)
predictions = hnp.arrays(np.int64, (3, 3, 4), elements=st.sampled_from([0, THING + 1, THING + 2]))


def compare(truth: np.ndarray, predicted: np.ndarray) -> SequenceTracks:
    return tracks(truth, predicted, things=[1], n_classes=2)


@quick
@given(predictions)
def test_perfect_is_one(truth: np.ndarray) -> None:
    if (truth > 0).any():
        assert stq([compare(truth, truth)]) == STQ(1.0, 1.0, 1.0)


@quick
@given(clips, predictions)
def test_counts_what_the_definition_counts(truth: np.ndarray, predicted: np.ndarray) -> None:
    crowd = truth == THING
    total, ids = 0.0, {THING + 1, THING + 2}
    tubes = [truth == i for i in ids if (truth == i).any()]
    for g in tubes:
        for p in ((predicted == i) & ~crowd for i in ids):
            if shared := (g & p).sum():
                total += shared * (shared / (g | p).sum()) / g.sum()
    found = compare(truth, predicted)
    assert found.n_tubes == len(tubes)
    assert found.association == pytest.approx(total, abs=1e-12)


@quick
@given(clips, predictions)
def test_renaming_instances_changes_nothing(truth: np.ndarray, predicted: np.ndarray) -> None:
    swapped = np.where(predicted > 0, 2 * THING + 3 - predicted, predicted)
    before, after = stq([compare(truth, predicted)]), stq([compare(truth, swapped)])
    assert before.aq == pytest.approx(after.aq, abs=1e-12)
    assert before.iou == after.iou


@quick
@given(clips, predictions)
def test_single_precision_differs_by_rounding(truth: np.ndarray, predicted: np.ndarray) -> None:
    single = tracks(truth, predicted, things=[1], n_classes=2, summation="float32-compat")
    assert single.association == pytest.approx(compare(truth, predicted).association, abs=1e-5)


def test_stuff_alone_has_no_quality() -> None:
    nothing = np.zeros((2, 2, 2), int)
    assert stq([compare(nothing, nothing)]) == STQ(0.0, 0.0, 1.0)
    assert stq([]) == STQ(0.0, 0.0, 0.0)


def test_bad_input() -> None:
    with pytest.raises(UsageError, match="unknown summation 'float'; "):
        tracks(np.zeros((1, 1, 1)), np.zeros((1, 1, 1)), [1], 2, summation="float")
    with pytest.raises(UsageError, match=r"expected one \[T, H, W\] for both"):
        compare(np.zeros((2, 2)), np.zeros((2, 2)))
