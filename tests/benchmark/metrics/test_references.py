import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.metrics.contingency import contingency
from tvseg_bench.benchmark.metrics.iou import accuracy, class_counts, mean_iou
from tvseg_bench.benchmark.metrics.matching import match
from tvseg_bench.benchmark.metrics.references import (
    constant_map,
    constant_table,
    oracle_table,
    patch_grid_oracle,
)
from tvseg_bench.benchmark.types import VOID

quick = settings(max_examples=60, deadline=None)
truths = hnp.arrays(
    np.uint8,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=13),
    elements=st.sampled_from([0, 1, 2, VOID]),
)
grids = st.tuples(st.integers(1, 15), st.integers(1, 15))


def cell_of(y: int, pixels: int, cells: int) -> int:
    """The cell that holds the pixel's centre, in floating point."""
    return int((y + 0.5) * cells / pixels + 1e-9)


@quick
@given(truths, grids)
def test_every_cell_takes_the_majority(truth: np.ndarray, grid: tuple[int, int]) -> None:
    oracle = patch_grid_oracle(truth, grid)
    rows = np.array([cell_of(y, truth.shape[0], grid[0]) for y in range(truth.shape[0])])
    cols = np.array([cell_of(x, truth.shape[1], grid[1]) for x in range(truth.shape[1])])
    for r in set(rows.tolist()):
        for c in set(cols.tolist()):
            inside = np.ix_(rows == r, cols == c)
            kept = truth[inside][truth[inside] != VOID]
            expected = np.bincount(kept).argmax() if kept.size else VOID
            assert (oracle[inside] == expected).all()


@quick
@given(truths, grids)
def test_the_constant_map_never_has_more_pixels_right(
    truth: np.ndarray, grid: tuple[int, int]
) -> None:
    pooled = contingency(truth, patch_grid_oracle(truth, grid))
    constant = contingency(truth, constant_map(truth))
    best = accuracy(class_counts(pooled, match(pooled, "identity"))) or 0.0
    assert best >= (accuracy(class_counts(constant, match(constant, "majority-iou"))) or 0.0)


@given(truths)
@quick
def test_a_grid_as_fine_as_the_frame_is_perfect(truth: np.ndarray) -> None:
    np.testing.assert_array_equal(patch_grid_oracle(truth, truth.shape), truth)


@given(truths)
@quick
def test_constant_table_is_that_of_the_constant_map(truth: np.ndarray) -> None:
    direct = contingency(truth, constant_map(truth))
    derived = constant_table(contingency(truth, np.arange(truth.size).reshape(truth.shape)))
    assert derived.labels.tolist() == direct.labels.tolist()
    assert derived.table.sum() == direct.table.sum()
    assert mean_iou(class_counts(derived, match(derived, "hungarian-iou"))) == mean_iou(
        class_counts(direct, match(direct, "hungarian-iou"))
    )


def test_constant_map_scores_the_largest_class() -> None:
    truth = np.array([[0, 0, 0, 1], [2, VOID, VOID, 0]])
    c = contingency(truth, constant_map(truth))
    assert match(c, "hungarian-iou").assigned.tolist() == [0]
    assert mean_iou(class_counts(c, match(c, "hungarian-iou"))) == pytest.approx(4 / 6 / 3)


def test_another_void_label() -> None:
    assert patch_grid_oracle([[9, 9, 1]], (1, 1), void=9).tolist() == [[1, 1, 1]]


@pytest.mark.parametrize(
    ("shape", "grid", "sentence"),
    [((2, 2, 2), (1, 1), "expected one frame"), ((2, 2), (0, 3), "0 x 3; it needs at least one")],
)
def test_bad_input(shape: tuple[int, ...], grid: tuple[int, int], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        patch_grid_oracle(np.zeros(shape, np.uint8), grid)


@quick
@given(truths, grids)
def test_the_oracles_table_is_that_of_its_map(truth: np.ndarray, grid: tuple[int, int]) -> None:
    pooled = patch_grid_oracle(truth, grid)
    for void, counted in ((VOID, "labels"), (None, "all")):
        direct = oracle_table(truth, grid, counted=counted)
        through = contingency(truth, pooled, void=void)
        assert direct.labels.tolist() == through.labels.tolist()
        assert direct.clusters.tolist() == through.clusters.tolist()
        assert (direct.table == through.table).all()
