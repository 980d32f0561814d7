"""Pixels of each label in the cells of a patch grid."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.metrics.references import patch_grid_oracle
from tvseg_bench.protocols.common.patch_labels import (
    label_positions,
    patch_counts,
)
from tvseg_bench.protocols.common.resize import resize_nearest

SIDES = st.integers(1, 12)
TRUTHS = st.tuples(SIDES, SIDES).flatmap(
    lambda shape: arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 2, 7, 255]))
)


@settings(deadline=None, max_examples=60)
@given(TRUTHS, st.integers(1, 5), st.integers(1, 5))
def test_every_pixel_is_in_one_patch(truth: np.ndarray, rows: int, cols: int) -> None:
    held, pixels = patch_counts(truth, (rows, cols), [0, 1, 2, 7])
    assert pixels.sum() == truth.size
    assert (held.sum(axis=-1) <= pixels).all()
    np.testing.assert_array_equal(
        held.sum(axis=(0, 1)), [(truth == label).sum() for label in (0, 1, 2, 7)]
    )


@settings(deadline=None, max_examples=60)
@given(TRUTHS, st.integers(1, 5), st.integers(1, 5))
def test_the_majority_of_the_counts_is_the_oracle(truth: np.ndarray, rows: int, cols: int) -> None:
    labels = np.array([0, 1, 2, 7])
    held, _ = patch_counts(truth, (rows, cols), labels)
    majority = np.where(held.any(-1), labels[held.argmax(-1)], 255)
    oracle = patch_grid_oracle(truth, (rows, cols))
    where = np.arange(rows * cols).reshape(rows, cols)
    cells = resize_nearest(where, truth.shape)
    np.testing.assert_array_equal(majority.ravel()[cells], oracle)


def test_labels_that_are_not_asked_for_count_for_none() -> None:
    assert label_positions([[-1, 4, 300]], [4]).tolist() == [[1, 0, 1]]
    assert label_positions([[3, 255]], []).tolist() == [[0, 0]]


@pytest.mark.parametrize(("shape", "grid"), [((4, 4, 1), (2, 2)), ((4, 4), (0, 2))])
def test_what_is_no_frame_or_no_grid_is_refused(
    shape: tuple[int, ...], grid: tuple[int, int]
) -> None:
    with pytest.raises(UsageError, match=r"expected one frame|at least one cell"):
        patch_counts(np.zeros(shape, np.uint8), grid, [0])
