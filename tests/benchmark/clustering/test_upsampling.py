from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tvseg_bench.benchmark.clustering.upsampling import Axis, cell_tables, grid

laws = settings(deadline=None, max_examples=60)
lengths = st.integers(1, 40)


@laws
@given(n=st.integers(1, 15), size=lengths)
def test_axis_is_that_of_torch(n, size):
    eye = torch.eye(n, dtype=torch.float64)[None]
    expected = torch.nn.functional.interpolate(eye, size=size, mode="linear")[0].T
    np.testing.assert_allclose(Axis(n, size).matrix, expected, atol=1e-12)


@laws
@given(h=st.integers(1, 8), w=st.integers(1, 8), height=lengths, width=lengths)
def test_cells_hold_every_pixel_once_with_its_weights(h, w, height, width):
    table = cell_tables((h, w), (height, width), np.dtype(np.float64))
    shape = grid((h, w), (height, width))
    f = np.random.default_rng(0).normal(size=(h, w))
    expected = shape.y.matrix @ f @ shape.x.matrix.T
    seen = np.full((height, width), np.nan)
    for corners, pattern, (y, x, rows, cols) in zip(
        table.corners, table.pattern, table.extent, strict=True
    ):
        a, b, c, d = f.ravel()[corners]
        span = slice(table.first[pattern], table.first[pattern + 1])
        tx, ty, txy = table.tx[span], table.ty[span], table.txy[span]
        values = a + (b - a) * tx + (c - a) * ty + (d - b - c + a) * txy
        assert np.isnan(seen[y : y + rows, x : x + cols]).all()
        seen[y : y + rows, x : x + cols] = values.reshape(rows, cols)
        moments = [len(tx), tx.sum(), ty.sum(), txy.sum()]
        np.testing.assert_allclose(table.moments[pattern], moments, atol=1e-9)
    np.testing.assert_allclose(seen, expected, atol=1e-12)


@laws
@given(h=st.integers(1, 6), w=st.integers(1, 6), height=lengths, width=lengths)
def test_norm_and_block_means_are_those_of_the_pixels(explicit, h, w, height, width):
    shape = grid((h, w), (height, width))
    f = np.random.default_rng(1).normal(size=(2, h, w, 3))
    pixels = explicit.pixels(f, (height, width)).reshape(2, height, width, 3)
    assert shape.squared_norm(f) == pytest.approx((pixels**2).sum(), rel=1e-10)
    assert shape.owned.sum() == height * width
    means = shape.block_means(f)
    for r, c in zip(*np.nonzero(shape.owned), strict=True):
        block = pixels[:, shape.y.owner == r][:, :, shape.x.owner == c]
        np.testing.assert_allclose(means[:, r, c], block.mean((1, 2)), atol=1e-10)


def test_an_integer_factor_needs_nine_patterns_at_most():
    table = cell_tables((14, 25), (56, 100), np.dtype(np.float32))
    assert len(table.first) - 1 <= 9
    assert len(table.pattern) == 14 * 25
