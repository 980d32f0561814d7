"""instances: views of the same image find each other, and nothing of a patch is asked for."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import normalize

from tvseg_bench.models.training.objectives.instances import (
    InstanceConfig,
    InstanceObjective,
    instance_loss,
)
from tvseg_bench.tests.models.training.objectives.test_selfdistil import Conv, batch

TINY = InstanceConfig(view=32, hidden=32, out=16)


def train(steps: int) -> tuple[Conv, InstanceObjective, list[float], list[float]]:
    torch.manual_seed(0)
    backbone, objective = Conv(), InstanceObjective(TINY, 16)
    optimiser = torch.optim.AdamW([*backbone.parameters(), *objective.parameters()], lr=3e-3)
    losses, found = [], []
    for step in range(steps):
        out = objective(backbone, batch())
        optimiser.zero_grad()
        out.value.backward()
        optimiser.step()
        objective.after_step(backbone, step, steps)
        losses.append(out.value.item())
        found.append(out.stats["found"].item())
    return backbone, objective, losses, found


def test_views_of_an_image_find_each_other_after_some_steps() -> None:
    _, _, losses, found = train(60)
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])
    assert sum(found[-10:]) > sum(found[:10])


def test_the_loss_is_that_of_a_direct_loop() -> None:
    rows = torch.randn(8, 5, generator=torch.Generator().manual_seed(3))
    unit = normalize(rows)
    total = 0.0
    for i in range(8):
        others = [j for j in range(8) if j != i]
        weights = [math.exp(float(unit[i] @ unit[j]) / 0.2) for j in others]
        total -= math.log(weights[others.index((i + 4) % 8)] / sum(weights))
    assert instance_loss(rows, temperature=0.2).item() == pytest.approx(total / 8, rel=1e-5)


def test_views_depend_on_seed_image_and_step_alone() -> None:
    torch.manual_seed(0)
    backbone, objective = Conv(), InstanceObjective(TINY, 16)
    first = objective(backbone, batch()).value
    torch.manual_seed(5)
    assert objective(backbone, batch()).value == first
    objective.after_step(backbone, 0, 10)
    assert objective(backbone, batch()).value != first


def test_the_order_of_the_patches_does_not_matter() -> None:
    """An image is the mean of its patches: a backbone that shuffles them has the same loss."""
    torch.manual_seed(0)
    backbone, objective = Conv(), InstanceObjective(TINY, 16)

    class Shuffled(Conv):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return super().forward(images).flip(1, 2)

    shuffled = Shuffled()
    shuffled.load_state_dict(backbone.state_dict())
    torch.testing.assert_close(
        objective(shuffled, batch()).value, objective(backbone, batch()).value
    )
