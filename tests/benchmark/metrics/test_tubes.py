import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tvseg_bench.benchmark.metrics.contingency import contingency
from tvseg_bench.benchmark.metrics.matching import Match, match
from tvseg_bench.benchmark.metrics.stq import stq, tracks
from tvseg_bench.benchmark.metrics.tubes import (
    association_quality,
    class_table,
    matched_table,
    tube_iou,
)
from tvseg_bench.benchmark.types import VOID

quick = settings(max_examples=60, deadline=None)
clips = hnp.arrays(np.int64, (3, 3, 4), elements=st.sampled_from([0, 1, 2, 3, VOID]))
predictions = hnp.arrays(np.int64, (3, 3, 4), elements=st.integers(0, 3))
THINGS = [1, 2, 3]


@quick
@given(clips, predictions)
def test_association_is_that_of_stq(truth: np.ndarray, predicted: np.ndarray) -> None:
    found = association_quality(contingency(truth, predicted), THINGS)
    known = np.isin(truth, THINGS).any()
    code = [np.where(np.isin(x, THINGS), 256 + x, 0) for x in (truth, predicted)]
    code = [np.where(truth == VOID, VOID << 8, code[0]), np.where(truth == VOID, 0, code[1])]
    expected = stq([tracks(*code, things=[1], n_classes=2)]).aq
    assert found == (pytest.approx(expected, abs=1e-12) if known else None)


@quick
@given(clips, predictions)
def test_tube_iou_counts_what_the_definition_counts(
    truth: np.ndarray, predicted: np.ndarray
) -> None:
    table = contingency(truth, predicted)
    found = match(table, "hungarian-iou")
    named = np.where(truth == VOID, -2, found.apply(predicted))
    ious = [
        ((truth == g) & (named == g)).sum() / ((truth == g) | (named == g)).sum()
        for g in THINGS
        if (truth == g).any()
    ]
    ours = tube_iou(matched_table(table, found), THINGS)
    assert ours == (pytest.approx(np.mean(ious), abs=1e-12) if ious else None)


@quick
@given(clips, predictions, st.permutations(THINGS))
def test_the_names_of_predicted_tubes_do_not_matter(
    truth: np.ndarray, predicted: np.ndarray, names: list[int]
) -> None:
    renamed = np.array([0, *names])[predicted]
    before, after = (
        association_quality(contingency(truth, ids), THINGS) for ids in (predicted, renamed)
    )
    assert before == (None if after is None else pytest.approx(after, abs=1e-12))


@quick
@given(clips, predictions)
def test_classes_hold_the_pixels_of_their_objects(
    truth: np.ndarray, predicted: np.ndarray
) -> None:
    class_of = {0: 0, 1: 1, 2: 1, 3: 2}
    lookup = np.array([0, 1, 1, 2])
    kept = truth != VOID
    expected = contingency(lookup[truth[kept]], lookup[predicted[kept]])
    found = class_table(contingency(truth, predicted), class_of)
    assert found.labels.tolist() == expected.labels.tolist()
    assert found.table.tolist() == expected.table.tolist()


def test_perfect_and_nothing() -> None:
    clip = np.array([[0, 1, 2]])
    table = matched_table(contingency(clip, clip + 4), Match(np.array([4, 5, 6]), np.arange(3)))
    assert tube_iou(table, THINGS) == association_quality(table, THINGS) == 1.0
    assert tube_iou(table, []) is association_quality(table, []) is None
