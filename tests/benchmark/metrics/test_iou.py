from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.metrics.contingency import contingency
from tvseg_bench.benchmark.metrics.iou import (
    AbsentClass,
    ClassCounts,
    accuracy,
    class_counts,
    mean_iou,
    merge_counts,
)
from tvseg_bench.benchmark.metrics.matching import Match, Matching, match
from tvseg_bench.benchmark.types import VOID

Maps = tuple[np.ndarray, np.ndarray]
quick = settings(max_examples=60, deadline=None)
MATCHINGS = get_args(Matching)
LEARNED = tuple(m for m in MATCHINGS if m != "identity")
MAJORITIES = ("majority-precision", "majority-iou")


@st.composite
def frames(draw: st.DrawFn, void: bool = True) -> Maps:
    shape = (draw(st.integers(1, 4)), draw(st.integers(1, 12)))
    values = [0, 1, 4, VOID] if void else [0, 1, 4]
    truth = draw(hnp.arrays(np.uint8, shape, elements=st.sampled_from(values)))
    return truth, draw(hnp.arrays(np.int32, shape, elements=st.integers(0, 4)))


def score(truth: np.ndarray, predicted: np.ndarray, matching: Matching) -> float | None:
    c = contingency(truth, predicted)
    return mean_iou(class_counts(c, match(c, matching)))


@quick
@given(frames(), st.permutations([2, 3, 5, 7, 500]), st.sampled_from(MAJORITIES))
def test_renaming_clusters_changes_nothing(
    pair: Maps, names: list[int], matching: Matching
) -> None:
    truth, predicted = pair
    assert score(truth, predicted, matching) == score(truth, np.array(names)[predicted], matching)


@quick
@given(frames(), st.permutations([2, 3, 5, 7, 500]))
def test_renaming_clusters_keeps_the_matched_iou(pair: Maps, names: list[int]) -> None:
    # under ties another cluster may be left over, but the sum of the matched IoUs is the optimum
    truth, predicted = pair
    renamed = np.array(names)[predicted]
    assert score(truth, predicted, "hungarian-iou") == pytest.approx(
        score(truth, renamed, "hungarian-iou")
    )


@quick
@given(frames(), st.data(), st.sampled_from(MATCHINGS))
def test_void_pixels_change_nothing(pair: Maps, data: st.DataObject, matching: Matching) -> None:
    truth, predicted = pair
    other = data.draw(hnp.arrays(np.int32, truth.shape, elements=st.integers(0, 40)))
    changed = np.where(truth == VOID, other, predicted)
    assert score(truth, predicted, matching) == score(truth, changed, matching)


@quick
@given(frames(), st.permutations(range(5)), st.sampled_from(LEARNED))
def test_perfect_is_one(pair: Maps, names: list[int], matching: Matching) -> None:
    truth = pair[0]
    perfect = np.array(names)[np.minimum(truth, 3)]
    assert score(truth, perfect, matching) == (1.0 if (truth != VOID).any() else None)


@quick
@given(frames(), st.integers(1, 4))
def test_counts_of_parts_add_up(pair: Maps, parts: int) -> None:
    whole = contingency(*pair)
    m = match(whole, "majority-iou")
    pieces = [
        contingency(t, p) for t, p in zip(*(np.array_split(a, parts) for a in pair), strict=True)
    ]
    merged = merge_counts(
        class_counts(piece, Match(m.clusters, m.assigned)).select(whole.labels.tolist())
        for piece in pieces
    )
    assert merged.labels.tolist() == whole.labels.tolist()
    counts = class_counts(whole, m)
    assert merged.tp.tolist() == counts.tp.tolist()
    assert merged.fn.tolist() == counts.fn.tolist()


@quick
@given(frames(), st.sampled_from(MATCHINGS))
def test_conventions_are_ordered(pair: Maps, matching: Matching) -> None:
    c = contingency(*pair, labels=[0, 1, 4, 9], clusters=range(5))
    counts = class_counts(c, match(c, matching))
    skip, unpredicted, zero = (mean_iou(counts, how) for how in get_args(AbsentClass))
    assert zero is not None
    assert zero <= (unpredicted if unpredicted is not None else zero)
    assert (unpredicted or 0) <= (skip if skip is not None else 1)


def test_void_leftovers_are_misses_and_no_false_alarms() -> None:
    c = contingency([0, 0, 1, 1], [0, 1, 2, 2])
    wrong = class_counts(c, match(c, "hungarian-iou", unmatched="void"))
    published = class_counts(c, match(c, "hungarian-iou", unmatched="background"))
    assert (wrong.tp.tolist(), wrong.fp.tolist(), wrong.fn.tolist()) == ([1, 2], [0, 0], [1, 0])
    assert mean_iou(wrong) == 0.75
    assert mean_iou(published) == 1.0


def test_background_that_is_not_there_is_a_miss_only() -> None:
    c = contingency([3, 3, 3], [0, 1, 1])
    counts = class_counts(c, match(c, "hungarian-iou", unmatched="background"))
    assert counts.labels.tolist() == [3]
    assert (counts.tp[0], counts.fp[0], counts.fn[0]) == (2, 0, 1)


def test_absent_class_three_ways() -> None:
    # label 1 is predicted but not there, label 2 is neither
    counts = ClassCounts(np.arange(3), *np.array([[2, 0, 0], [0, 1, 0], [2, 0, 0]]))
    assert mean_iou(counts, "skip") == 0.5
    assert mean_iou(counts, "skip-unpredicted") == 0.25
    assert mean_iou(counts, "zero") == pytest.approx(0.5 / 3)
    assert mean_iou(counts, "zero", classes=range(5)) == pytest.approx(0.1)
    assert mean_iou(counts, "skip", classes=[0, 9]) == 0.5


def test_nothing_left_is_none_and_not_zero() -> None:
    counts = class_counts(c := contingency([0, 0], [1, 1]), match(c, "hungarian-iou"))
    assert mean_iou(counts, exclude=[0]) is None
    assert mean_iou(merge_counts([])) is None
    assert accuracy(merge_counts([])) is None


def test_unknown_convention() -> None:
    with pytest.raises(UsageError, match="unknown absent_class 'nan'"):
        mean_iou(merge_counts([]), "nan")


def test_a_match_of_another_table_is_refused() -> None:
    c = contingency([0, 1], [0, 1])
    with pytest.raises(UsageError, match="made for another table"):
        class_counts(c, Match(np.array([0]), np.array([0])))
