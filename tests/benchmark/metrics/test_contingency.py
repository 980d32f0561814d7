from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.metrics.contingency import Contingency, contingency, merge
from tvseg_bench.benchmark.types import VOID

Maps = tuple[np.ndarray, np.ndarray]
quick = settings(max_examples=60, deadline=None)
INTEGERS = (np.uint8, np.int16, np.uint16, np.int32, np.int64)


@st.composite
def maps(draw: st.DrawFn) -> Maps:
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=8))
    dtypes = st.sampled_from(INTEGERS)
    truth = draw(hnp.arrays(draw(dtypes), shape, elements=st.sampled_from([0, 1, 7, VOID])))
    return truth, draw(hnp.arrays(draw(dtypes), shape, elements=st.sampled_from([0, 1, 3, 90])))


def cells(table: Contingency) -> dict[tuple[int, int], int]:
    entries = np.ndenumerate(table.table)
    return {(int(table.labels[r]), int(table.clusters[c])): int(n) for (r, c), n in entries if n}


def counted(truth: np.ndarray, predicted: np.ndarray) -> Counter[tuple[int, int]]:
    pairs = zip(truth.ravel().tolist(), predicted.ravel().tolist(), strict=True)
    return Counter(pair for pair in pairs if pair[0] != VOID)


@quick
@given(maps())
def test_counts_what_a_loop_counts(pair: Maps) -> None:
    table = contingency(*pair)
    assert cells(table) == counted(*pair)
    assert (np.diff(table.labels) > 0).all()
    assert (np.diff(table.clusters) > 0).all()
    assert table.table.any(axis=0).all()
    assert table.table.any(axis=1).all()


@quick
@given(maps(), st.integers(1, 2**40), st.sampled_from([0, -(2**40), 2**50]))
def test_ids_may_be_anything(pair: Maps, factor: int, offset: int) -> None:
    truth, predicted = pair
    moved = predicted.astype(np.int64) * factor + offset
    expected = {(t, p * factor + offset): n for (t, p), n in counted(truth, predicted).items()}
    assert cells(contingency(truth, moved)) == expected


def test_unsigned_ids_and_ids_that_are_too_large() -> None:
    ids = np.array([2**62, 2**62 + 1, 2**62], np.uint64)
    assert cells(contingency(np.array([0, 1, 1]), ids)) == {
        (0, 2**62): 1,
        (1, 2**62): 1,
        (1, 2**62 + 1): 1,
    }
    with pytest.raises(UsageError, match=rf"predicted holds {2**63}; ids go up to {2**63 - 1}"):
        contingency(np.array([0]), np.array([2**63], np.uint64))


@pytest.mark.parametrize("spread", [1, 40_000, 10**9])
def test_more_pixels_than_a_chunk(spread: int) -> None:
    rng = np.random.default_rng(0)
    truth = rng.choice(np.array([0, 2, VOID]), 200_001)
    predicted = rng.integers(0, 50, truth.size) * spread
    assert cells(contingency(truth, predicted)) == counted(truth, predicted)


@quick
@given(maps(), st.data())
def test_void_pixels_change_nothing(pair: Maps, data: st.DataObject) -> None:
    truth, predicted = pair
    other = data.draw(hnp.arrays(np.int64, truth.shape, elements=st.integers(-5, 10**6)))
    changed = np.where(truth == VOID, other, predicted)
    before, after = contingency(truth, predicted), contingency(truth, changed)
    assert cells(before) == cells(after)
    assert before.clusters.tolist() == after.clusters.tolist()


@quick
@given(maps(), st.integers(1, 6))
def test_merging_parts_gives_the_whole(pair: Maps, parts: int) -> None:
    pieces = zip(*(np.array_split(a.ravel(), parts) for a in pair), strict=True)
    merged, whole = merge(contingency(*piece) for piece in pieces), contingency(*pair)
    assert merged.labels.tolist() == whole.labels.tolist()
    assert merged.clusters.tolist() == whole.clusters.tolist()
    assert merged.table.tolist() == whole.table.tolist()


def test_rows_and_columns_as_given() -> None:
    truth, predicted = np.array([1, 1, VOID]), np.array([2, 4, 9])
    table = contingency(truth, predicted, labels=[3, 1, 0], clusters=range(5))
    assert table.labels.tolist() == [0, 1, 3]
    assert table.clusters.tolist() == [0, 1, 2, 3, 4]
    assert table.table.tolist() == [[0] * 5, [0, 0, 1, 0, 1], [0] * 5]


def test_no_void_counts_every_pixel() -> None:
    table = contingency(np.array([0, VOID]), np.array([1, 1]), void=None)
    assert table.labels.tolist() == [0, VOID]


def test_nothing_but_void_is_an_empty_table() -> None:
    for truth in (np.full((2, 2), VOID), np.zeros((0, 4), np.uint8)):
        table = contingency(truth, np.zeros(truth.shape, np.uint8))
        assert table.table.shape == (0, 0)
    assert merge([]).table.shape == (0, 0)


def test_select_drops_and_adds() -> None:
    table = Contingency(np.array([-1, 0, 2]), np.array([1, 5]), np.arange(6).reshape(3, 2))
    chosen = table.select(labels=[2, 0, 9], clusters=[0, 5])
    assert chosen.labels.tolist() == [0, 2, 9]
    assert chosen.table.tolist() == [[0, 3], [0, 5], [0, 0]]


def test_foreground_masks_are_labels() -> None:
    mask = np.array([True, False, True])
    assert contingency(mask, mask).table.tolist() == [[1, 0], [0, 2]]


@pytest.mark.parametrize(
    ("truth", "predicted", "options", "sentence"),
    [
        ([0, 1], [[0, 1]], {}, r"truth has the shape \(2,\) and predicted \(1, 2\)"),
        ([0.0, 1.0], [0, 1], {}, "truth holds float64; label maps must hold integers"),
        ([0, 1], [0.5, 1.0], {}, "predicted holds float64"),
        ([0, 5], [0, 1], {"labels": [0, 1]}, "label 5 occurs but is none of the 2"),
        ([0, 5], [0, 9], {"clusters": [0, 1]}, "cluster 9 occurs but is none of the 2"),
    ],
)
def test_bad_input(truth: list, predicted: list, options: dict, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        contingency(np.array(truth), np.array(predicted), **options)
