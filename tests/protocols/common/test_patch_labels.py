"""Pixels of each label in the cells of a patch grid."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.metrics.references import patch_grid_oracle
from tvseg_bench.protocols.common.patch_labels import (
    drop_resize,
    label_positions,
    nearest_resize,
    patch_counts,
)

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
    cells = nearest_resize(where, truth.shape)
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


@settings(deadline=None, max_examples=40)
@given(TRUTHS, SIDES, SIDES)
def test_nearest_is_that_of_pil(truth: np.ndarray, height: int, width: int) -> None:
    """But for pixels whose centre falls on an edge, which PIL's floats put on either side."""
    picture = Image.fromarray(truth).resize((width, height), Image.Resampling.NEAREST)
    inside = np.ix_(off_edges(truth.shape[0], height), off_edges(truth.shape[1], width))
    ours = nearest_resize(truth, (height, width))
    np.testing.assert_array_equal(ours[inside], np.asarray(picture)[inside])


def off_edges(old: int, new: int) -> np.ndarray:
    return np.flatnonzero((2 * np.arange(new) + 1) * old % (2 * new))


@pytest.mark.parametrize("side", [56, 100, 112, 224])
def test_dropping_pixels_is_that_of_torch(side: int) -> None:
    truth = np.random.default_rng(0).integers(0, 256, (448, 448), np.uint8)
    dropped = torch.nn.functional.interpolate(
        torch.from_numpy(truth)[None, None], size=(side, side), mode="nearest"
    )
    np.testing.assert_array_equal(drop_resize(truth, side), dropped[0, 0].numpy())
