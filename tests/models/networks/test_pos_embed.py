"""Laws of the two interpolation families."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from timm.layers import resample_abs_pos_embed

from tvseg_bench.benchmark.errors import ModelError
from tvseg_bench.models.networks.pos_embed import FAMILIES, interpolate_pos_embed

NATIVE = (7, 7)
grids = st.tuples(st.integers(1, 20), st.integers(1, 20))
families = st.sampled_from(FAMILIES)


def table(prefix: int = 1, seed: int = 0) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(1, prefix + 49, 5, generator=draw)


@settings(max_examples=40, deadline=None)
@given(grid=grids, family=families, prefix=st.integers(0, 3))
def test_shape_and_prefix(grid: tuple[int, int], family: str, prefix: int) -> None:
    full = table(prefix)
    out = interpolate_pos_embed(full, grid, native=NATIVE, prefix=prefix, family=family)
    assert out.shape == (1, prefix + grid[0] * grid[1], 5)
    assert torch.equal(out[:, :prefix], full[:, :prefix])


@settings(max_examples=30, deadline=None)
@given(grid=grids, family=families)
def test_a_constant_stays(grid: tuple[int, int], family: str) -> None:
    out = interpolate_pos_embed(
        torch.full((1, 50, 2), 3.0), grid, native=NATIVE, prefix=1, family=family
    )
    torch.testing.assert_close(out, torch.full_like(out, 3.0))


@settings(max_examples=30, deadline=None)
@given(grid=grids, family=families)
def test_rows_and_columns_change_places(grid: tuple[int, int], family: str) -> None:
    patches = table(prefix=0)
    flipped = patches.reshape(1, 7, 7, 5).transpose(1, 2).reshape(1, 49, 5)
    tall = interpolate_pos_embed(patches, grid, native=NATIVE, prefix=0, family=family)
    wide = interpolate_pos_embed(flipped, grid[::-1], native=NATIVE, prefix=0, family=family)
    torch.testing.assert_close(
        tall.reshape(*grid, 5).transpose(0, 1), wide.reshape(*grid[::-1], 5), rtol=1e-4, atol=1e-5
    )


@settings(max_examples=30, deadline=None)
@given(grid=grids)
def test_timm_is_timms_own(grid: tuple[int, int]) -> None:
    ours = interpolate_pos_embed(table(), grid, native=NATIVE, prefix=1, family="timm")
    theirs = resample_abs_pos_embed(table(), list(grid), num_prefix_tokens=1)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("family", FAMILIES)
def test_native_grid_is_untouched(family: str) -> None:
    full = table()
    assert interpolate_pos_embed(full, NATIVE, native=NATIVE, prefix=1, family=family) is full


def test_families_differ_elsewhere() -> None:
    dino, timm = (
        interpolate_pos_embed(table(), (4, 9), native=NATIVE, prefix=1, family=f) for f in FAMILIES
    )
    assert (dino - timm).abs().max() > 0.01


def test_refuses() -> None:
    with pytest.raises(ModelError, match=r"unknown .* family 'rope'; expected 'dino' or 'timm'"):
        interpolate_pos_embed(table(), (2, 2), native=NATIVE, prefix=1, family="rope")
    with pytest.raises(ModelError, match=r"has 50 entries, expected 5 \+ 7 x 7"):
        interpolate_pos_embed(table(), (2, 2), native=NATIVE, prefix=5, family="dino")
