"""From label maps to soft labels on the grid, and back."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.propagation.soft_labels import (
    Sampling,
    hard_labels,
    rescaled,
    soft_labels,
    upsampled,
)
from tvseg_bench.benchmark.types import VOID

quick = settings(deadline=None, max_examples=40)
SAMPLINGS: tuple[Sampling, ...] = ("area", "nearest", "nearest-exact", "nearest-pil")
SIDES = st.integers(1, 24)


@st.composite
def maps(draw: Any) -> np.ndarray:
    ids = st.sampled_from([0, 1, 2, VOID])
    return draw(arrays(np.uint8, (draw(SIDES), draw(SIDES)), elements=ids))


@quick
@given(maps(), st.sampled_from(SAMPLINGS), st.tuples(st.integers(1, 6), st.integers(1, 6)))
def test_a_patch_holds_shares_or_nothing(ids: np.ndarray, sampling: Any, grid: Any) -> None:
    soft = soft_labels(ids, 3, grid, sampling)
    assert soft.shape == (3, *grid)
    total = soft.sum(0)
    assert bool((torch.isclose(total, torch.ones(())) | (total == 0)).all())
    if VOID not in ids and (sampling != "area" or (np.array(ids.shape) >= grid).all()):
        assert bool((total > 0).all())


@quick
@given(maps(), st.sampled_from(SAMPLINGS))
def test_a_grid_as_fine_as_the_map_loses_nothing(ids: np.ndarray, sampling: Any) -> None:
    soft = soft_labels(ids, 3, ids.shape, sampling)
    for k in range(3):
        np.testing.assert_array_equal(soft[k], ids == k)


@quick
@given(maps(), st.sampled_from(SAMPLINGS), st.permutations(range(3)))
def test_permuted_ids_give_permuted_maps(ids: np.ndarray, sampling: Any, order: Any) -> None:
    renamed = np.append(order, [0] * (VOID - 3) + [VOID])[ids]
    soft, permuted = (soft_labels(m, 3, (3, 4), sampling) for m in (ids, renamed))
    assert torch.equal(permuted[list(order)], soft)


def test_shares_are_of_the_labelled_pixels() -> None:
    ids = np.array([[0, 1, 1, VOID], [1, 1, VOID, VOID]])
    soft = soft_labels(ids, 2, (1, 2), "area")
    assert soft.tolist() == [[[0.25, 0.0]], [[0.75, 1.0]]]


def test_a_side_that_does_not_divide_goes_by_pixel_centres() -> None:
    soft = soft_labels(np.array([[0, 0, 1, 1, 1, 1, 1]]), 2, (1, 2), "area")
    np.testing.assert_allclose(soft[:, 0], [[2 / 3, 0], [1 / 3, 1]], rtol=1e-6)


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [("nearest", [0, 4]), ("nearest-exact", [2, 6]), ("nearest-pil", [2, 6])],
)
def test_which_pixel_speaks_for_a_patch(sampling: Any, expected: list[int]) -> None:
    soft = soft_labels(np.arange(8)[None], 8, (1, 2), sampling)
    assert soft.argmax(0).tolist() == [expected]


@quick
@given(maps(), st.integers(1, 30), st.integers(1, 30))
def test_nearest_labels_come_from_the_nearest_patch(ids: np.ndarray, h: int, w: int) -> None:
    soft = soft_labels(np.where(ids == VOID, 0, ids), 3, ids.shape, "nearest")
    out = hard_labels(soft, (h, w), "nearest", "none").numpy()
    assert set(np.unique(out)) <= set(np.unique(np.where(ids == VOID, 0, ids)))


@pytest.mark.parametrize("upsampling", ["bilinear", "nearest"])
@pytest.mark.parametrize("rescale", ["none", "minmax-dino", "minmax-dinov3"])
def test_maps_that_are_clear_stay_as_they_are(upsampling: Any, rescale: Any) -> None:
    ids = torch.tensor([[0, 0, 1], [2, 2, 1]])
    soft = torch.nn.functional.one_hot(ids, 3).permute(2, 0, 1).double()
    assert torch.equal(hard_labels(soft, (2, 3), upsampling, rescale), ids)


def test_a_weak_object_wins_only_when_stretched() -> None:
    soft = torch.tensor([[[0.9, 0.8, 0.9]], [[0.1, 0.2, 0.1]]])
    assert hard_labels(soft, (1, 3), "nearest", "none").tolist() == [[0, 0, 0]]
    assert hard_labels(soft, (1, 3), "nearest", "minmax-dino").tolist() == [[0, 1, 0]]


def test_a_constant_map_wins_everywhere_in_dino_and_nowhere_in_dinov3() -> None:
    soft = torch.stack([torch.zeros(2, 2), torch.full((2, 2), 0.5)])
    assert hard_labels(soft, (2, 2), "nearest", "minmax-dino").tolist() == [[1, 1], [1, 1]]
    assert hard_labels(soft, (2, 2), "nearest", "minmax-dinov3").tolist() == [[0, 0], [0, 0]]


def test_unknown_words_and_shapes_are_named() -> None:
    soft: Any = torch.zeros(2, 2, 2)
    with pytest.raises(UsageError, match="known: area, nearest"):
        soft_labels(np.zeros((4, 4), int), 2, (2, 2), "mode")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"expected \[H, W\]"):
        soft_labels(np.zeros(4, int), 2, (2, 2), "area")
    with pytest.raises(UsageError, match="bilinear or nearest"):
        upsampled(soft, (4, 4), "cubic")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="known: none, minmax-dino"):
        rescaled(soft, "max")  # type: ignore[arg-type]
