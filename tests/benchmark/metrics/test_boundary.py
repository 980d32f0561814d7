import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.ndimage import binary_dilation

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.metrics.boundary import (
    FrameObjects,
    boundary_f,
    boundary_map,
    contour_f,
    tolerance_radius,
)

quick = settings(max_examples=60, deadline=None)


@st.composite
def pairs(draw: st.DrawFn, n: int = 2) -> list[np.ndarray]:
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=14))
    return [draw(hnp.arrays(bool, shape, elements=st.booleans())) for _ in range(n)]


def by_dilation(truth: np.ndarray, predicted: np.ndarray, radius: int) -> float:
    """The definition, word for word."""
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disk = x * x + y * y <= radius * radius
    a, b = boundary_map(truth), boundary_map(predicted)
    if not a.any() or not b.any():
        return float(not a.any() and not b.any())
    precision = (b & binary_dilation(a, disk)).sum() / b.sum()
    recall = (a & binary_dilation(b, disk)).sum() / a.sum()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@quick
@given(pairs(), st.integers(1, 6))
def test_counts_what_dilation_counts(masks: list[np.ndarray], radius: int) -> None:
    truth, predicted = masks
    expected = by_dilation(truth, predicted, radius)
    assert boundary_f(truth, predicted, tolerance=radius) == pytest.approx(expected, abs=1e-12)


@quick
@given(pairs(n=3))
def test_laws(masks: list[np.ndarray]) -> None:
    truth, predicted, void = masks
    assert boundary_f(truth, truth) == 1.0
    assert boundary_f(truth, predicted) == pytest.approx(boundary_f(predicted, truth), abs=1e-12)
    anything = np.where(void, ~predicted, predicted)
    assert boundary_f(truth, predicted, void) == boundary_f(truth, anything, void)


@st.composite
def frames(draw: st.DrawFn) -> np.ndarray:
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=14))
    return draw(hnp.arrays(np.int32, shape, elements=st.integers(-1, 4)))


@quick
@given(frames())
def test_objects_have_the_contours_of_their_masks(ids: np.ndarray) -> None:
    found = FrameObjects(ids, 3)
    assert len(found.contours) == 3
    for k, contour in enumerate(found.contours, start=1):
        assert contour.tolist() == np.flatnonzero(boundary_map(ids == k)).tolist()


@quick
@given(frames(), st.data(), st.integers(1, 6))
def test_objects_of_a_frame_score_as_single_masks(
    ids: np.ndarray, data: st.DataObject, radius: int
) -> None:
    other = data.draw(hnp.arrays(np.int32, ids.shape, elements=st.integers(-1, 4)))
    found = contour_f(FrameObjects(ids, 3), FrameObjects(other, 2), radius)
    assert found.shape == (2, 3)
    for p in range(2):
        for k in range(3):
            assert found[p, k] == boundary_f(ids == k + 1, other == p + 1, tolerance=radius)


def test_wide_frames_need_more_than_one_word_of_bits() -> None:
    rng = np.random.default_rng(0)
    truth, predicted = rng.random((2, 9, 300)) > 0.995
    for radius in (1, 8, 40, 70):
        expected = by_dilation(truth, predicted, radius)
        assert boundary_f(truth, predicted, tolerance=radius) == pytest.approx(expected, abs=1e-12)


def test_far_apart_is_zero_and_one_pixel_more_is_not() -> None:
    truth, predicted = np.zeros((2, 60, 60), bool)
    truth[5:10, 5:10], predicted[5:10, 20:25] = True, True
    assert boundary_f(truth, predicted, tolerance=9) == 0.0
    assert boundary_f(truth, predicted, tolerance=10) > 0.0
    assert boundary_f(truth, np.roll(truth, 1), tolerance=1) == 1.0


def test_no_contour_at_the_border() -> None:
    assert not boundary_map(np.ones((5, 7))).any()
    assert boundary_f(np.ones((5, 7)), np.zeros((5, 7))) == 1.0


def test_radius() -> None:
    assert tolerance_radius(0.05, (48, 64)) == 4
    assert tolerance_radius(0.008, (48, 64)) == math.ceil(0.64)
    for tolerance in (0, -1, 1.5):
        with pytest.raises(UsageError, match="expected a share of the diagonal below 1"):
            tolerance_radius(tolerance, (4, 4))


def test_shapes_must_fit() -> None:
    with pytest.raises(UsageError, match=r"shapes \(2, 2\) \(truth\), \(2, 3\) \(predicted\)"):
        boundary_f(np.zeros((2, 2)), np.zeros((2, 3)))
