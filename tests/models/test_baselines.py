"""The untrained baselines: the same numbers everywhere, and their cards."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tvseg_bench.models.baselines import (
    INIT_STD,
    PIXELS,
    RANDOM,
    PixelFeatures,
    build_random,
    seed_weights,
)

sides = st.integers(1, 5)


def image_of(rows: int, cols: int, seed: int = 0) -> torch.Tensor:
    values = np.random.default_rng(seed).random((1, 3, rows * 16, cols * 16), dtype=np.float32)
    return torch.from_numpy(values)


@settings(max_examples=20, deadline=None)
@given(rows=sides, cols=sides, seed=st.integers(0, 99))
def test_pixels_are_mean_spread_and_place(rows: int, cols: int, seed: int) -> None:
    image = image_of(rows, cols, seed)
    features = PixelFeatures().extract(image)
    assert features.grid == (rows, cols)
    assert features.tokens.shape == (1, rows * cols, PIXELS.embed_dim)
    row, col = rows - 1, cols // 2
    patch = image[0, :, row * 16 : row * 16 + 16, col * 16 : col * 16 + 16].numpy()
    centre = [(row + 0.5) / max(rows, cols), (col + 0.5) / max(rows, cols)]
    expected = [*patch.mean(axis=(1, 2)), *patch.std(axis=(1, 2)), *centre]
    np.testing.assert_allclose(features.tokens[0, row * cols + col], expected, atol=1e-5)
    assert 0 <= features.tokens.min() <= features.tokens.max() <= 1


def test_pixels_know_nothing_of_the_order_within_a_patch() -> None:
    image = image_of(1, 1)
    shuffled = image.flatten(2)[..., torch.randperm(256)].reshape(image.shape)
    a, b = (PixelFeatures().extract(x).tokens for x in (image, shuffled))
    torch.testing.assert_close(a, b)


def test_pixels_of_half_precision_are_float32() -> None:
    assert PixelFeatures().extract(image_of(2, 2).bfloat16()).tokens.dtype == torch.float32


def test_random_weights_depend_on_seed_and_name_only(
    make_vit: Callable[..., torch.nn.Module],
) -> None:
    first, second, other = make_vit(seed=1), make_vit(seed=2), make_vit(seed=3)
    torch.manual_seed(7)
    seed_weights(first, seed=0)
    seed_weights(second, seed=0)
    seed_weights(other, seed=1)
    for name, value in first.named_parameters():
        assert torch.equal(value, second.get_parameter(name)), name
        if value.ndim > 1:
            assert not torch.equal(value, other.get_parameter(name)), name


def test_random_weights_are_a_cut_normal(make_vit: Callable[..., torch.nn.Module]) -> None:
    net = make_vit(embed_dim=96, num_heads=4)
    seed_weights(net, seed=0)
    values = net.get_parameter("blocks.0.mlp.fc1.weight")
    cut_std = INIT_STD * math.sqrt(1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / 0.954499736)
    assert values.abs().max() <= 2 * INIT_STD
    assert abs(values.mean()) < 3e-4
    assert float(values.std()) == pytest.approx(cut_std, rel=0.02)
    assert torch.equal(net.get_parameter("norm.weight"), torch.ones(96))
    assert not net.get_parameter("norm.bias").any()


def test_random_is_the_same_on_every_machine() -> None:
    model = build_random()
    assert model.card == RANDOM
    weight = model.net.get_parameter("blocks.11.attn.qkv.weight")
    expected = torch.tensor([0.0293642078, 0.0369593017, 0.0233997591, -0.00583845703])
    torch.testing.assert_close(weight.flatten()[:4], expected, rtol=1e-6, atol=0)
    with torch.no_grad():
        tokens = model.extract(torch.zeros(1, 3, 32, 48)).tokens
    assert tokens.shape == (1, 6, RANDOM.embed_dim)
    parameters = sum(p.numel() for p in model.parameters()) / 1e6
    assert round(parameters, 1) == RANDOM.params_m
