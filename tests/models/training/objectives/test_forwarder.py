"""Laws of the Feature Forwarder over a batch; its values: conformance/timet_propagation."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tvseg_bench.models.training.objectives.forwarder import (
    ForwarderConfig,
    clip_features,
    forwarded,
    origins,
)

SIZES = st.tuples(
    *(st.integers(1, 3), st.integers(2, 4), st.integers(1, 5), st.integers(1, 5)),
    st.integers(0, 2**16),
)


def drawn(b: int, t: int, h: int, w: int, seed: int) -> tuple[Tensor, Tensor]:
    dice = torch.Generator().manual_seed(seed)
    features = torch.randn(b, t, h, w, 6, generator=dice)
    return features, torch.rand(b, h, w, 4, generator=dice).softmax(-1)


@given(SIZES, st.integers(0, 3), st.integers(1, 6))
@settings(deadline=None, max_examples=40)
def test_clips_together_are_clips_alone(
    size: tuple[int, int, int, int, int], radius: int, topk: int
) -> None:
    features, assigned = drawn(*size)
    rule = ForwarderConfig(radius=radius, topk=topk).rule()
    together = forwarded(features, assigned, rule)
    total = together.sum(-1)  # in double precision, of weights in single precision
    torch.testing.assert_close(total, torch.ones_like(total), rtol=0, atol=1e-6)
    for i in range(len(features)):
        alone = forwarded(features[i : i + 1], assigned[i : i + 1], rule)[0]
        torch.testing.assert_close(together[i], alone, rtol=0, atol=1e-6)


@given(SIZES)
@settings(deadline=None, max_examples=20)
def test_prototypes_have_no_order(size: tuple[int, int, int, int, int]) -> None:
    features, assigned = drawn(*size)
    rule, order = ForwarderConfig().rule(), torch.randperm(4)
    permuted = forwarded(features, assigned[..., order], rule)
    torch.testing.assert_close(permuted, forwarded(features, assigned, rule)[..., order])


@given(SIZES)
@settings(deadline=None, max_examples=20)
def test_origins_carry_what_the_forwarder_carries(size: tuple[int, int, int, int, int]) -> None:
    """Propagation is linear in what is given: origins applied to assignments are the result."""
    features, assigned = drawn(*size)
    rule = ForwarderConfig().rule()
    shares = origins(features, rule)
    torch.testing.assert_close(shares.sum(-1), torch.ones_like(shares[..., 0]))
    carried = shares.double() @ assigned.double().flatten(1, 2)
    expected = forwarded(features, assigned, rule).flatten(1, 2)
    torch.testing.assert_close(carried, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("t", [2, 3, 5])
def test_backbone_runs_once_over_every_frame(t: int, backbone: Any) -> None:
    images = torch.randn(2, t, 3, 8, 12)
    clips = clip_features(backbone, images)
    assert backbone.calls == [(2, True), (2 * (t - 1), False)]
    expected = backbone(images.flatten(0, 1)).view(2, t, 2, 3, 8)
    torch.testing.assert_close(clips.all, expected.detach())
    torch.testing.assert_close(clips.last, expected[:, -1])
    assert clips.last.requires_grad
    assert not clips.all.requires_grad
