"""Laws of the assignment; its values are those of tests/conformance/test_sinkhorn.py."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.models.training.losses.sinkhorn import sinkhorn

SIZES = st.tuples(st.integers(1, 12), st.integers(1, 9), st.integers(0, 2**16))


def cosines(b: int, k: int, seed: int, *lead: int) -> Tensor:
    return torch.rand(*lead, b, k, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@given(SIZES)
@settings(deadline=None, max_examples=40)
def test_every_sample_gives_1_and_every_prototype_gets_the_same(
    size: tuple[int, int, int],
) -> None:
    b, k, seed = size
    plan = sinkhorn(cosines(b, k, seed).double(), epsilon=0.5, iterations=200)
    torch.testing.assert_close(plan.sum(-1), torch.ones(b).double())
    torch.testing.assert_close(plan.sum(-2), torch.full((k,), b / k).double())


@given(SIZES, st.integers(0, 5))
@settings(deadline=None, max_examples=40)
def test_order_means_nothing(size: tuple[int, int, int], iterations: int) -> None:
    b, k, seed = size
    scores = cosines(b, k, seed)
    rows, columns = torch.randperm(b), torch.randperm(k)
    permuted = sinkhorn(scores[rows][:, columns], iterations=iterations)
    plan = sinkhorn(scores, iterations=iterations)[rows][:, columns]
    torch.testing.assert_close(permuted, plan, rtol=1e-4, atol=1e-5)


@given(SIZES)
@settings(deadline=None, max_examples=20)
def test_what_all_scores_share_means_nothing(size: tuple[int, int, int]) -> None:
    scores = cosines(*size).double()
    torch.testing.assert_close(sinkhorn(scores), sinkhorn(scores + 0.75))


def test_problems_side_by_side_are_solved_apart() -> None:
    scores = cosines(7, 4, 0, 2, 3)
    together = sinkhorn(scores)
    for i in range(2):
        for j in range(3):
            torch.testing.assert_close(together[i, j], sinkhorn(scores[i, j]))


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e2, 1e4, 1e30])
@pytest.mark.parametrize("iterations", [0, 1, 10])
def test_no_score_is_too_large(scale: float, iterations: int) -> None:
    plan = sinkhorn(cosines(32, 12, 1) * scale, epsilon=0.01, iterations=iterations)
    assert bool(plan.isfinite().all())
    torch.testing.assert_close(plan.sum(-1), torch.ones(32))


def test_same_in_all_precisions() -> None:
    scores = cosines(16, 5, 2).bfloat16()
    assert sinkhorn(scores).dtype == torch.float32
    exact = sinkhorn(scores.double())
    torch.testing.assert_close(sinkhorn(scores).double(), exact, rtol=0, atol=1e-6)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(sinkhorn(scores.float()), sinkhorn(scores))


def test_no_gradient_and_nothing_overwritten() -> None:
    scores = cosines(4, 3, 0).requires_grad_()
    before = scores.detach().clone()
    assert not sinkhorn(scores).requires_grad
    assert torch.equal(scores.detach(), before)


@pytest.mark.parametrize(
    ("scores", "changes", "sentence"),
    [
        (torch.zeros(0, 3), {}, r"the scores are \[0, 3\] of torch.float32; expected"),
        (torch.zeros(3), {}, r"expected fractions \[..., samples, prototypes\]"),
        (torch.zeros(2, 3).long(), {}, r"of torch.int64; expected fractions"),
        (torch.zeros(2, 3), {"epsilon": 0.0}, r"epsilon=0.0 has to be above 0"),
        (torch.zeros(2, 3), {"iterations": -1}, r"iterations=-1 0 or more"),
    ],
)
def test_what_means_nothing_is_refused(
    scores: Tensor, changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        sinkhorn(scores, **changes)
