"""Laws of the temporal loss; its values: tests/conformance/test_timet_loss.py."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tvseg_bench.models.training.losses.temporal_loss import temporal_loss, usage


def test_gradient() -> None:
    scores = torch.randn(2, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    target, weight = torch.randint(4, (2, 2, 3)), torch.rand(2, 2, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda s: temporal_loss(s, target, weight=weight), scores)


@given(st.integers(2, 6), st.integers(1, 30), st.integers(0, 2**16))
def test_usage_is_within_its_bounds(k: int, n: int, seed: int) -> None:
    target = torch.randint(k, (n,), generator=torch.Generator().manual_seed(seed))
    stats = usage(target, k)
    used = len(set(target.tolist()))
    assert stats["empty"].item() == k - used
    assert -1e-6 <= stats["entropy"].item() <= 1 + 1e-6
    assert (stats["entropy"].item() > 1e-6) == (used > 1)


def test_all_alike_is_1() -> None:
    assert usage(torch.arange(12).view(3, 4) % 6, 6)["entropy"].item() == pytest.approx(1)


def test_weight_of_1_changes_nothing() -> None:
    scores, target = torch.randn(2, 3, 3, 5), torch.randint(5, (2, 3, 3))
    ones = torch.ones(2, 3, 3)
    assert torch.equal(temporal_loss(scores, target), temporal_loss(scores, target, weight=ones))
