"""The contrastive objective: its loss, and what it is computed from."""

import math
from typing import Any

import pytest
import torch

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.models.training.objectives.contrast import (
    ContrastConfig,
    ContrastObjective,
    contrastive_loss,
)
from tvseg_bench.models.training.objectives.objective_types import ClipBatch

VARIANTS: list[dict[str, Any]] = [
    {},
    {"teacher": "none"},
    {"negatives": "clip"},
    {"window": "none", "topk": 1},
]


def batch(t: int = 3) -> ClipBatch:
    images = torch.randn(2, t, 3, 16, 24, generator=torch.Generator().manual_seed(1))
    return ClipBatch(images=images, names=["a", "b"], frames=[tuple(range(t))] * 2)


def objective(**changes: Any) -> ContrastObjective:
    torch.manual_seed(3)
    return ContrastObjective(ContrastConfig(**{"hidden": (12,), "out": 6, **changes}), 8)


@pytest.mark.parametrize("changes", VARIANTS)
def test_loss_falls_and_reaches_every_parameter(changes: dict[str, Any], backbone: Any) -> None:
    subject = objective(**changes)
    tuned = {**dict(subject.named_parameters()), "block": backbone.block.weight}
    optimiser = torch.optim.SGD(tuned.values(), lr=0.1)
    losses = []
    for step in range(25):
        optimiser.zero_grad()
        result = subject(backbone, batch())
        result.value.backward()
        assert all(p.grad is not None and bool(p.grad.any()) for p in tuned.values())
        optimiser.step()
        subject.after_step(backbone, step, 25)
        losses.append(result.value.item())
    assert sum(losses[-3:]) < sum(losses[:3])


def test_moving_image_is_recognised(backbone: Any) -> None:
    """Patches that move together come from where they were; the head learns to match them."""
    wide = torch.randn(1, 3, 16, 40, generator=torch.Generator().manual_seed(5))
    images = torch.stack([wide[..., i : i + 24] for i in (0, 4, 8)], 1)
    clips = ClipBatch(images=images, names=["a"], frames=[(0, 1, 2)])
    subject = objective(teacher="none", topk=1, temperature=0.05)
    optimiser = torch.optim.Adam([p for _, p in subject.named_parameters()], lr=0.01)
    agreements = []
    for _ in range(60):
        optimiser.zero_grad()
        result = subject(backbone, clips)
        result.value.backward()
        optimiser.step()
        agreements.append(result.stats["agreement"].item())
    # a third of the last frame was not in the first
    assert agreements[-1] >= 0.6


def test_only_last_frames_pass_with_a_gradient(backbone: Any) -> None:
    objective()(backbone, batch())
    assert backbone.calls == [(2, True), (4, False), (2, False)]


def test_loss_of_equals_is_the_entropy_of_a_guess() -> None:
    same = torch.ones(2, 5, 3)
    shares = torch.full((2, 5, 5), 0.2)
    assert contrastive_loss(same, same, shares).item() == pytest.approx(math.log(5))
    everyone = contrastive_loss(same, same, shares, negatives="batch")
    assert everyone.item() == pytest.approx(math.log(10))


def test_permuted_patches_have_the_same_loss() -> None:
    queries, keys = torch.randn(2, 4, 3), torch.randn(2, 5, 3)
    shares = torch.rand(2, 4, 5).softmax(-1)
    order, other = torch.randperm(4), torch.randperm(5)
    permuted = contrastive_loss(queries[:, order], keys[:, other], shares[:, order][..., other])
    torch.testing.assert_close(permuted, contrastive_loss(queries, keys, shares))


@pytest.mark.parametrize("negatives", ["clip", "batch"])
def test_gradient(negatives: Any) -> None:
    keys = torch.randn(2, 4, 3, dtype=torch.float64)
    shares = torch.rand(2, 3, 4, dtype=torch.float64).softmax(-1)
    queries = torch.randn(2, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda q: contrastive_loss(q, keys, shares, negatives=negatives), queries
    )


def test_one_frame_is_refused(backbone: Any) -> None:
    with pytest.raises(UsageError, match=r"clips of 1 frame .* choose 2 frames per clip"):
        objective()(backbone, batch(t=1))
