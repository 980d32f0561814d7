"""Errors of depth against a loop over pixels."""

from math import nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.metrics.distances import depth_metrics, depth_sums

depths = st.floats(0.125, 20, width=16)
sizes = st.tuples(st.integers(1, 5), st.integers(1, 6))


def by_hand(estimate: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    squares, relative, right, n = 0.0, 0.0, 0, 0
    for d, t in zip(estimate.ravel().tolist(), truth.ravel().tolist(), strict=True):
        if t != t:
            continue
        n += 1
        squares += (d - t) ** 2
        relative += abs(d - t) / t
        right += max(d / t, t / d) < 1.25
    return {"rmse": (squares / n) ** 0.5, "abs_rel": relative / n, "delta_1": right / n}


@settings(max_examples=60)
@given(
    sizes.flatmap(
        lambda size: st.tuples(
            hnp.arrays(np.float32, size, elements=depths),
            hnp.arrays(np.float32, size, elements=st.one_of(depths, st.just(nan))),
        )
    )
)
def test_numbers_are_those_of_a_loop_over_pixels(maps: tuple[np.ndarray, np.ndarray]) -> None:
    estimate, truth = maps
    found = depth_metrics(depth_sums(estimate, truth))
    if np.isnan(truth).all():
        assert found == {"rmse": None, "abs_rel": None, "delta_1": None}
        return
    assert found == pytest.approx(by_hand(estimate, truth), rel=1e-5, abs=1e-7)


def test_a_ratio_of_exactly_the_limit_is_wrong() -> None:
    assert depth_sums([[5.0, 4.0, 4.9]], [[4.0, 5.0, 4.0]])[3] == 1


def test_parts_add_up() -> None:
    rng = np.random.default_rng(0)
    estimate, truth = rng.uniform(1, 9, (2, 4, 6))
    parts = [depth_sums(estimate[i : i + 2], truth[i : i + 2]) for i in (0, 2)]
    assert depth_metrics(np.sum(parts, axis=0)) == pytest.approx(
        depth_metrics(depth_sums(estimate, truth))
    )


def test_maps_of_two_sizes_are_refused() -> None:
    with pytest.raises(UsageError, match=r"the shape \(2, 2\), the true one \(2, 3\)"):
        depth_sums(np.ones((2, 2)), np.ones((2, 3)))
