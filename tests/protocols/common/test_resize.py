"""Nearest-neighbour resizing is that of Pillow and torch."""

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from tvseg_bench.protocols.common.resize import nearest_index, resize_nearest

SIDES = st.integers(1, 12)
TRUTHS = st.tuples(SIDES, SIDES).flatmap(
    lambda shape: arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 2, 7, 255]))
)


@settings(deadline=None, max_examples=40)
@given(TRUTHS, SIDES, SIDES)
def test_nearest_is_that_of_pil(truth: np.ndarray, height: int, width: int) -> None:
    """But for pixels whose centre falls on an edge, which PIL's floats put on either side."""
    picture = Image.fromarray(truth).resize((width, height), Image.Resampling.NEAREST)
    inside = np.ix_(off_edges(truth.shape[0], height), off_edges(truth.shape[1], width))
    ours = resize_nearest(truth, (height, width))
    np.testing.assert_array_equal(ours[inside], np.asarray(picture)[inside])


def off_edges(old: int, new: int) -> np.ndarray:
    return np.flatnonzero((2 * np.arange(new) + 1) * old % (2 * new))


@pytest.mark.parametrize("side", [56, 100, 112, 224])
def test_dropping_pixels_is_that_of_torch(side: int) -> None:
    truth = np.random.default_rng(0).integers(0, 256, (448, 448), np.uint8)
    dropped = torch.nn.functional.interpolate(
        torch.from_numpy(truth)[None, None], size=(side, side), mode="nearest"
    )
    np.testing.assert_array_equal(
        resize_nearest(truth, (side, side), "upper-left"), dropped[0, 0].numpy()
    )


@pytest.mark.parametrize(
    ("convention", "mode"), [("upper-left", "nearest"), ("centre", "nearest-exact")]
)
@pytest.mark.parametrize(("old", "new"), [*permutations([1, 4, 7, 28, 100], 2), (28, 28)])
def test_nearest_is_torchs(old: int, new: int, convention: str, mode: str) -> None:
    line = torch.arange(old, dtype=torch.float32)[None, None]
    expected = torch.nn.functional.interpolate(line, size=new, mode=mode)[0, 0]
    assert nearest_index(old, new, convention).tolist() == expected.int().tolist()  # type: ignore[arg-type]
