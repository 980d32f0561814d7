"""End-point errors against torch's own interpolation and loops over pixels."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.metrics.distances import (
    endpoint_metrics,
    endpoint_sums,
    grid_mean,
    within_thresholds,
)

many = settings(max_examples=40, deadline=None)
numbers = st.floats(-60, 60, width=32)
sizes = st.tuples(st.integers(1, 5), st.integers(1, 6))


def flows(size: Any, unknown: bool = False) -> st.SearchStrategy[np.ndarray]:
    values = st.one_of(numbers, st.just(np.float32(np.nan))) if unknown else numbers
    return hnp.arrays(np.float32, (*size, 2), elements=values)


@many
@given(sizes.flatmap(flows), st.tuples(st.integers(1, 9), st.integers(1, 9)), st.data())
def test_errors_are_those_of_the_interpolated_flow(
    given_flow: np.ndarray, size: tuple[int, int], data: st.DataObject
) -> None:
    truth = data.draw(flows(size, unknown=True))
    low = torch.from_numpy(given_flow).permute(2, 0, 1)[None]
    dense = torch.nn.functional.interpolate(low, size, mode="bilinear", align_corners=False)
    errors = np.linalg.norm(dense[0].permute(1, 2, 0).numpy() - truth, axis=-1)
    known = ~np.isnan(truth).any(axis=-1)
    found = endpoint_metrics(endpoint_sums(given_flow, truth))
    if not known.any():
        assert set(found.values()) == {None}
        return
    assert found["epe"] == pytest.approx(errors[known].mean(), rel=1e-4, abs=1e-4)
    for limit in (1, 3, 5):
        near = np.abs(errors[known] - limit) < 1e-3  # which side of it is a matter of rounding
        share = found[f"within_{limit}"]
        assert share is not None
        assert abs(share - (errors[known] <= limit).mean()) <= near.mean() + 1e-12
    length = np.linalg.norm(truth, axis=-1)
    for name, low_end, high_end in (
        ("moving", 1, np.inf),
        ("s10_40", 10, 40),
        ("s40", 40, np.inf),
    ):
        part = known & (length >= low_end) & (length < high_end)
        if np.abs(length[known] - low_end).min() < 1e-3:
            continue
        if high_end < np.inf and np.abs(length[known] - high_end).min() < 1e-3:
            continue
        value = found[f"epe_{name}"]
        if part.any():
            assert value == pytest.approx(errors[part].mean(), rel=1e-4, abs=1e-4)
        else:
            assert value is None


@many
@given(sizes.flatmap(lambda size: flows(size, unknown=True)), sizes)
def test_cells_hold_the_mean_of_their_pixels(truth: np.ndarray, grid: tuple[int, int]) -> None:
    rows = (2 * np.arange(truth.shape[0]) + 1) * grid[0] // (2 * truth.shape[0])
    cols = (2 * np.arange(truth.shape[1]) + 1) * grid[1] // (2 * truth.shape[1])
    found = grid_mean(truth, grid)
    assert found.shape == (*grid, 2)
    assert np.isfinite(found).all()
    for r in set(rows.tolist()):
        for c in set(cols.tolist()):
            inside = truth[rows == r][:, cols == c].reshape(-1, 2)
            inside = inside[~np.isnan(inside).any(axis=1)]
            if len(inside):
                assert found[r, c] == pytest.approx(inside.mean(axis=0), rel=1e-4, abs=1e-4)


def test_what_is_unknown_everywhere_says_nothing() -> None:
    truth = np.full((4, 4, 2), np.nan)
    assert (grid_mean(truth, (2, 2)) == 0).all()
    assert endpoint_metrics(endpoint_sums(np.zeros((1, 1, 2)), truth))["epe"] is None
    assert within_thresholds([np.nan], {"a": 1.0}) == {"a": None}


def test_a_cell_without_a_known_pixel_takes_its_neighbour_s() -> None:
    truth = np.full((4, 6, 2), np.nan)
    truth[:, :2] = 7
    truth[:, 4:] = 1
    assert grid_mean(truth, (1, 6))[0, :, 0].tolist() == [7, 7, 7, 1, 1, 1]


@pytest.mark.parametrize("shape", [(3, 3), (3, 3, 1), (0, 3, 2)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match=r"true flow has the shape .*; expected \[H, W, 2\]"):
        endpoint_sums(np.zeros((1, 1, 2)), np.zeros(shape))
