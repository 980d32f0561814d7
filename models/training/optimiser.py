"""AdamW as TimeT uses it: two learning rates, weight decay on matrices only, both on schedules."""

from __future__ import annotations

import torch
from torch import nn

from tvseg_bench.models.training.recipes import Recipe
from tvseg_bench.models.training.schedules import value_at


def make_optimiser(
    backbone: nn.Module, objective: nn.Module, recipe: Recipe
) -> torch.optim.Optimizer:
    """Return the optimiser of all that requires a gradient; `set_rates` gives it its values.

    Source: SMSD75/Timetuning time_tuning.py:379-430.
    """
    head = [p for p in objective.parameters() if p.requires_grad]
    body = [p for p in backbone.parameters() if p.requires_grad]
    groups = []
    for role, parameters in (("head", head), ("backbone", body)):
        for decays in (True, False):
            members = [p for p in parameters if (p.ndim > 1) == decays]
            if members:
                groups.append({"params": members, "role": role, "decays": decays})
    return torch.optim.AdamW(groups, lr=recipe.head_rate, weight_decay=0.0)


def set_rates(optimiser: torch.optim.Optimizer, recipe: Recipe, step: int, n_steps: int) -> None:
    """Set learning rates and weight decay for a step."""
    decay = value_at(step, n_steps, recipe.weight_decay, recipe.weight_decay_end)
    for group in optimiser.param_groups:
        base = recipe.head_rate if group["role"] == "head" else recipe.backbone_rate
        group["lr"] = value_at(
            step,
            n_steps,
            base,
            0.0,
            name=recipe.rate_schedule,
            warmup=int(recipe.warmup * n_steps),
        )
        group["weight_decay"] = decay if group["decays"] else 0.0
