from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.metrics.contingency import Contingency, contingency
from tvseg_bench.benchmark.metrics.iou import class_counts
from tvseg_bench.benchmark.metrics.matching import (
    UNMATCHED,
    Match,
    iou_matrix,
    match,
    precision_matrix,
)

quick = settings(max_examples=60, deadline=None)
ONE_TO_ONE = ("hungarian-iou", "hungarian-count")
MAJORITY = ("majority-precision", "majority-iou")


@st.composite
def tables(draw: st.DrawFn, square: bool = False) -> Contingency:
    rows = draw(st.integers(1, 5))
    columns = rows if square else draw(st.integers(1, 6))
    pixels = draw(hnp.arrays(np.int64, (rows, columns), elements=st.integers(0, 9)))
    return Contingency(np.arange(rows) * 3, np.arange(columns), pixels)


def best_sum(scores: np.ndarray) -> float:
    """The largest sum over all one-to-one assignments, by trying each."""
    short, long = sorted(scores.shape)
    wide = scores if scores.shape[0] == short else scores.T
    return max(wide[np.arange(short), list(p)].sum() for p in permutations(range(long), short))


def sum_under(scores: np.ndarray, c: Contingency, m: Match) -> float:
    given_away = m.assigned != UNMATCHED
    rows = np.searchsorted(c.labels, m.assigned[given_away])
    return scores[rows, np.flatnonzero(given_away)].sum()


@quick
@given(tables())
def test_one_to_one_is_the_best_of_all(c: Contingency) -> None:
    for matching, scores in (("hungarian-iou", iou_matrix(c)), ("hungarian-count", c.table)):
        m = match(c, matching)
        used = m.assigned[m.assigned != UNMATCHED].tolist()
        assert len(used) == len(set(used)) == min(c.table.shape)
        assert sum_under(scores, c, m) == pytest.approx(best_sum(scores))


@quick
@given(tables())
def test_left_over_clusters(c: Contingency) -> None:
    for matching in ONE_TO_ONE:
        void = match(c, matching, unmatched="void").assigned
        background = match(c, matching, unmatched="background", background=99).assigned
        np.testing.assert_array_equal(np.where(void == UNMATCHED, 99, void), background)


@quick
@given(tables())
def test_majorities_take_the_smallest_of_the_best(c: Contingency) -> None:
    for matching, scores in zip(MAJORITY, (precision_matrix(c), iou_matrix(c)), strict=True):
        for column, label in enumerate(match(c, matching).assigned):
            best = scores[:, column].max()
            assert label == c.labels[np.flatnonzero(scores[:, column] == best)[0]]


@quick
@given(tables(square=True))
def test_identity_never_beats_hungarian_in_summed_iou(c: Contingency) -> None:
    own = Contingency(c.clusters, c.clusters, c.table)
    identity, hungarian = (
        np.nan_to_num(class_counts(own, match(own, matching)).iou).sum()
        for matching in ("identity", "hungarian-iou")
    )
    assert identity <= hungarian + 1e-12


def test_candidates_restrict_but_every_pixel_counts() -> None:
    c = Contingency(np.array([0, 1, 255]), np.arange(2), np.array([[1, 2], [1, 0], [8, 8]]))
    assert match(c, "majority-precision").assigned.tolist() == [255, 255]
    m = match(c, "majority-iou", candidates=[0, 1])
    assert m.assigned.tolist() == [1, 0]
    assert class_counts(c, m).fp.tolist() == [8, 9, 0]


def test_empty_table_matches_nothing() -> None:
    empty = contingency(np.full(3, 255), np.arange(3))
    for matching in (*ONE_TO_ONE, *MAJORITY, "identity"):
        assert match(empty, matching).assigned.size == 0
    assert Match(empty.clusters, empty.clusters).apply([4]).tolist() == [UNMATCHED]


def test_apply_gives_labels_and_refuses_to_guess() -> None:
    m = Match(np.array([1, 8]), np.array([4, UNMATCHED]))
    assert m.apply(np.array([[8, 1], [0, 300]])).tolist() == [[-1, 4], [-1, -1]]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"matching": "hungarian"}, "unknown matching 'hungarian'; did you mean 'hungarian-"),
        ({"matching": "identity", "unmatched": "zero"}, "unknown unmatched 'zero'; known: "),
        ({"matching": "majority-iou", "candidates": [0, 7]}, "candidate label 7 is not a row"),
    ],
)
def test_bad_names(options: dict, sentence: str) -> None:
    c = Contingency(np.arange(2), np.arange(2), np.eye(2, dtype=np.int64))
    with pytest.raises(UsageError, match=sentence):
        match(c, **options)


def test_negative_labels_are_refused() -> None:
    with pytest.raises(UsageError, match="label -1 is negative"):
        match(contingency([-1, 0], [0, 0]), "hungarian-iou")


def test_ids_of_any_type_may_be_unmatched() -> None:
    """From numpy 2.5 on a negative number does not fit in beside unsigned ids by itself."""
    ids = np.array([0, 1], np.uint8)
    assert Match(ids, ids).apply(np.array([[1, 7]], np.uint8)).tolist() == [[1, UNMATCHED]]
