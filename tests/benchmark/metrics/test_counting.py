"""Spans of equal pixels and whole words give what single pixels give."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.metrics.consistency import consistency
from tvseg_bench.benchmark.metrics.contingency import contingency, merge, stacked
from tvseg_bench.benchmark.metrics.counting import present
from tvseg_bench.benchmark.metrics.matching import match

quick = settings(max_examples=60, deadline=None)
spans = st.lists(st.tuples(st.integers(1, 21), st.sampled_from([0, 1, 7, 255])), min_size=1)


def line(parts: list[tuple[int, int]]) -> np.ndarray:
    return np.concatenate([np.full(length, value, np.uint8) for length, value in parts])


@quick
@given(spans, spans, st.integers(0, 7))
def test_bytes_are_counted_like_wide_integers(
    first: list[tuple[int, int]], second: list[tuple[int, int]], skip: int
) -> None:
    n = min(len(line(first)), len(line(second)))
    a, b = line(first)[skip:n], line(second)[skip:n]
    narrow, wide = contingency(a, b), contingency(a.astype(np.int64), b.astype(np.int32))
    assert narrow.labels.tolist() == wide.labels.tolist()
    assert narrow.clusters.tolist() == wide.clusters.tolist()
    assert narrow.table.tolist() == wide.table.tolist()


@quick
@given(spans, st.integers(0, 7))
def test_present_values(parts: list[tuple[int, int]], skip: int) -> None:
    values = line(parts)[skip:]
    assert np.flatnonzero(present(values)).tolist() == np.unique(values).tolist()


def smooth(rng: np.random.Generator, frames: int, ids: int) -> np.ndarray:
    """Return maps [T, 9, 37] of some rectangles that stay for some frames."""
    maps = np.zeros((frames, 9, 37), np.uint8)
    for _ in range(20):
        t, y, x = (rng.integers(0, n) for n in maps.shape)
        length, height, width = rng.integers(1, [9, 6, 30])
        maps[t : t + length, y : y + height, x : x + width] = rng.integers(0, ids)
    return maps


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("matching", ["hungarian-iou", "majority-precision"])
def test_runs_of_bytes_are_those_of_any_other_type(seed: int, matching: str) -> None:
    rng = np.random.default_rng(seed)
    truth, clusters = smooth(rng, 11, 3), smooth(rng, 11, 4)
    truth[truth == 2] = 255
    found = match(contingency(truth, clusters), matching)
    ids = 1000 * np.arange(4)[clusters]  # more than a byte holds
    wide = match(contingency(truth, ids), matching)
    bytes_ = consistency(truth, clusters, found, [2, 5])
    numbers = consistency(truth.astype(np.int32), ids, wide, [2, 5])
    for length, one in bytes_.items():
        np.testing.assert_array_equal(one.stable, numbers[length].stable)
        np.testing.assert_array_equal(one.correct, numbers[length].correct)
        assert one.iou == numbers[length].iou


def test_more_ids_than_a_byte_holds() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, (3, 20, 30))
    ids = np.broadcast_to(np.arange(600).reshape(20, 30), truth.shape)
    found = consistency(truth, ids, match(contingency(truth, ids), "majority-iou"), [2])[2]
    assert found.stable.tolist() == [1.0, 1.0]


def test_maps_of_different_shapes_are_refused() -> None:
    truth, ids = np.zeros((2, 3, 4), np.uint8), np.zeros((2, 3, 5), np.uint8)
    found = match(contingency(truth, truth), "identity")
    with pytest.raises(UsageError, match="differ in shape"):
        consistency(truth, ids, found, [2])


def test_stacked_tables_add_up_to_the_merged_one() -> None:
    rng = np.random.default_rng(0)
    tables = [contingency(*rng.integers(0, 9, (2, 12))) for _ in range(4)]
    labels, clusters, counts = stacked(tables)
    whole = merge(tables)
    assert labels.tolist() == whole.labels.tolist()
    assert clusters.tolist() == whole.clusters.tolist()
    assert counts.sum(axis=0).tolist() == whole.table.tolist()
    rows, columns = tables[2].labels, tables[2].clusters
    assert tables[2].select(labels, clusters).table.tolist() == counts[2].tolist()
    assert (rows.size, columns.size) <= (labels.size, clusters.size)
