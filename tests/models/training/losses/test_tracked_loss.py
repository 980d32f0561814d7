"""Laws of the loss over tracked points; its values: tests/conformance/test_mosic_loss.py."""

from typing import Any

import pytest
import torch

from tvseg_bench.models.training.losses.tracked_loss import tracked_loss


@pytest.mark.parametrize("counted", ["all", "visible"])
@pytest.mark.parametrize("targets", ["hard", "soft"])
@pytest.mark.parametrize("symmetric", [False, True])
def test_gradient(symmetric: bool, targets: Any, counted: Any) -> None:
    t = 3 if symmetric else 1
    scores = torch.randn(2, t, 2, 4, dtype=torch.float64, requires_grad=True)
    assigned = torch.randn(2, 3, 2, 4, dtype=torch.float64).softmax(-1)
    visible = torch.rand(2, 3, 2) < 0.7
    assert torch.autograd.gradcheck(
        lambda s: tracked_loss(
            s, assigned, visible, symmetric=symmetric, targets=targets, counted=counted
        ),
        scores,
    )


def test_soft_targets_of_one_prototype_are_hard() -> None:
    scores, visible = torch.randn(1, 2, 5, 3), torch.ones(1, 2, 5, dtype=torch.bool)
    assigned = torch.eye(3)[torch.randint(3, (1, 2, 5))]
    hard, soft = (
        tracked_loss(scores, assigned, visible, targets=kind, symmetric=True)
        for kind in ("hard", "soft")
    )
    torch.testing.assert_close(hard, soft)


def test_all_hidden_costs_nothing() -> None:
    scores, hidden = torch.randn(1, 1, 4, 3), torch.zeros(1, 2, 4, dtype=torch.bool)
    for counted in ("all", "visible"):
        loss = tracked_loss(scores, scores.expand(-1, 2, -1, -1), hidden, counted=counted)
        assert loss.item() == 0
