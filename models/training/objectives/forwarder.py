"""The Feature Forwarder: assignments of first frames are propagated to the last ones.

It is `benchmark/propagation`, which the protocol `propagation` uses too, over all clips of a step
at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.propagation.propagate import PropagationRule, propagate
from tvseg_bench.benchmark.propagation.window import Window
from tvseg_bench.models.training.objectives.objective_types import TrainableBackbone


class ForwarderConfig(BaseModel):
    """The constants of the Feature Forwarder, as TimeT uses them."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    n_context: int = Field(default=7, ge=0)
    """Frames before the current one that give their assignments, beside the first."""
    radius: int = Field(default=6, ge=0)
    """Patches around a patch, within which the Feature Forwarder looks."""
    window: Window = "square"
    """Shape of what lies within the radius; none = the whole frame."""
    topk: int = Field(default=5, ge=1)
    """Patches that give their assignments to a patch, over all those frames together."""
    affinity_temperature: float = Field(default=0.1, gt=0)
    """Of the Feature Forwarder: similarities divided by it are the exponents of the weights."""

    def rule(self) -> PropagationRule:
        """Return which patches give to which."""
        return PropagationRule(
            temperature=self.affinity_temperature,
            topk=self.topk,
            window=self.window,
            radius=self.radius,
            n_context=self.n_context,
        )


@dataclass(frozen=True)
class TunedClipFeatures:
    """Features of clips of which only the last frames carry a gradient."""

    state: Tensor
    """[B, T, ...] before the first tuned block; without gradient."""
    all: Tensor
    """[B, T, h, w, D]; without gradient."""
    last: Tensor
    """[B, h, w, D] of the last frames; with gradient."""
    grid: tuple[int, int]
    """(h, w)."""


Tuned = Callable[[Tensor, tuple[int, int]], Tensor]
"""What `TrainableBackbone.tuned` does."""


def clip_features(
    backbone: TrainableBackbone, images: Tensor, teacher: Tuned | None = None
) -> TunedClipFeatures:
    """Run a backbone over clips, each block once over each frame.

    Args:
        images: [B, T, 3, H, W].
        teacher: who makes `all`, last frames included; None = the backbone itself.

    Raises:
        UsageError: Clips of fewer than 2 frames.
    """
    b, t, _, height, width = images.shape
    if t < 2:
        raise UsageError(
            f"clips of {t} frame have no last frame beside the first; "
            "choose 2 frames per clip or more"
        )
    grid = backbone.grid(height, width)
    with torch.no_grad():
        state: Tensor = backbone.frozen(images.flatten(0, 1))
        state = state.view(b, t, *state.shape[1:])
    # with gradient first: autocast may keep the weights that it cast, and older releases of torch
    # keep them without gradient where there was none
    last: Tensor = backbone.tuned(state[:, -1], grid)
    if teacher is not None:
        seen = teacher(state.flatten(0, 1), grid)
        return TunedClipFeatures(state, seen.view(b, t, *seen.shape[1:]), last, grid)
    with torch.no_grad():
        earlier: Tensor = backbone.tuned(state[:, :-1].flatten(0, 1), grid)
    shape = (b, t - 1, *last.shape[1:])
    every = torch.cat([earlier.view(shape), last.detach()[:, None].to(earlier.dtype)], dim=1)
    return TunedClipFeatures(state, every, last, grid)


@torch.no_grad()
def forwarded(features: Tensor, assigned: Tensor, rule: PropagationRule) -> Tensor:
    """Carry the assignments of the first frames to the last ones.

    Args:
        features: [B, T, h, w, D] of the backbone, not projected; T is 2 or more.
        assigned: [B, h, w, K] of frame 0.

    Returns:
        [B, h, w, K] of frame T - 1, in double precision, as published: hard targets come from it,
        and near ties would fall otherwise.

    Source: SMSD75/Timetuning mask_propagation.py (FeatureForwarder).

    Example:
        >>> still = torch.eye(4).view(1, 1, 2, 2, 4).expand(1, 3, 2, 2, 4)
        >>> assigned = torch.rand(1, 2, 2, 3)
        >>> last = forwarded(still, assigned, PropagationRule(topk=1))
        >>> torch.allclose(last, assigned.double())
        True
    """
    first = assigned.permute(0, 3, 1, 2).double()
    with torch.autocast(features.device.type, enabled=False):
        last = propagate(features, first, rule)[:, -1]
    return last.permute(0, 2, 3, 1)


@torch.no_grad()
def origins(features: Tensor, rule: PropagationRule) -> Tensor:
    """Return where the patches of the last frames came from.

    Args:
        features: [B, T, h, w, D] of the backbone; T is 2 or more.

    Returns:
        [B, h · w, h · w] for each patch of frame T - 1 its shares in those of frame 0; they sum
        to 1.

    Example:
        >>> still = torch.eye(4).view(1, 1, 2, 2, 4).expand(1, 3, 2, 2, 4)
        >>> torch.equal(origins(still, PropagationRule(topk=1))[0], torch.eye(4))
        True
    """
    b, _, h, w, _ = features.shape
    own = torch.eye(h * w, device=features.device).view(1, h * w, h, w).expand(b, -1, -1, -1)
    with torch.autocast(features.device.type, enabled=False):
        return propagate(features, own, rule)[:, -1].flatten(2).mT
