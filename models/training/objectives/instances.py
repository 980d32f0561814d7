"""Image pre-training without labels or weights to start from: every image is a class of its own.

images -> two random views of each -> features, averaged over the patches -> head -> cross-entropy
of finding the other view of the same image among all views of the step

The loss sees images as a whole, never a patch: what single patches hold comes from that alone, as
in the models that time-tuning was made for. Where every image shows one thing, this tells things
apart by what stays the same between two views, their pattern, and not by place, size or, as far as
the views change it, colour.

Source: SimCLR (Chen et al., ICML 2020, arXiv 2002.05709).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.distributed import ProcessGroup
from torch.nn.functional import cross_entropy, normalize

from tvseg_bench.models.training.data import views
from tvseg_bench.models.training.losses.collectives import gathered, n_processes, process_group
from tvseg_bench.models.training.objectives.objective_types import ClipBatch, StepLoss


class InstanceConfig(BaseModel):
    """Every constant of the objective that moves the loss."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    view: int = Field(default=64, ge=16)
    """Side of the views in pixels."""
    zoom: tuple[float, float] = (0.75, 1.5)
    """Pixels of the image per pixel of a view, least and most."""
    hue: float = Field(default=0.25, ge=0, le=0.5)
    """Colours are turned by up to this part of the circle."""
    grey: float = Field(default=0.15, ge=0, le=1)
    """Share of views without colour."""
    tint: float = Field(default=0.3, ge=0, lt=1)
    """Every channel is multiplied by 1 ± this."""
    gain: float = Field(default=0.4, ge=0, lt=1)
    """Contrast is multiplied by 1 ± this."""
    hidden: int = Field(default=256, ge=1)
    """Channels of the head's hidden layer."""
    out: int = Field(default=64, ge=1)
    """Channels in which views are compared."""
    temperature: float = Field(default=0.1, gt=0)
    """Of the cross-entropy."""
    seed: int = 0
    """Of the views."""


STANDARD = InstanceConfig()
PRESETS: Mapping[str, InstanceConfig] = MappingProxyType({"standard": STANDARD})


def instance_loss(projections: Tensor, *, temperature: float) -> Tensor:
    """Return the mean cross-entropy of finding each view's partner among all others by cosine.

    Args:
        projections: [2 N, d]; row i and row N + i are views of one image.
        temperature: above 0.

    Example:
        >>> two = torch.eye(2).repeat(2, 1)  # both views of each of two images are the same
        >>> round(instance_loss(two, temperature=0.1).item(), 4)
        0.0001
    """
    cosines, partner = _compared(projections)
    return cross_entropy(cosines / temperature, partner)


def _compared(projections: Tensor) -> tuple[Tensor, Tensor]:
    """Return the cosines of all views [2 N, 2 N], -inf of a view with itself, and the partners."""
    n = len(projections) // 2
    directions = normalize(projections.to(torch.promote_types(projections.dtype, torch.float32)))
    cosines = directions @ directions.mT
    cosines.fill_diagonal_(-torch.inf)
    return cosines, torch.arange(2 * n, device=cosines.device).roll(n)


class InstanceHead(nn.Module):
    """Two linear layers, each followed by standardising every channel over the views of a step.

    Without it, the nearly equal vectors that an untrained network gives never part.
    """

    def __init__(self, dim: int, config: InstanceConfig) -> None:
        super().__init__()
        self.hidden = nn.Linear(dim, config.hidden)
        self.out = nn.Linear(config.hidden, config.out)

    def forward(self, pooled: Tensor) -> Tensor:
        """Map [2 N, D] to [2 N, d]."""
        return _standardised(self.out(_standardised(self.hidden(pooled)).relu()))


class InstanceObjective(nn.Module):
    """The objective: a head, and views that depend on the seed, the image and the step alone."""

    taken: Tensor

    def __init__(self, config: InstanceConfig, dim: int) -> None:
        super().__init__()
        self.config = config
        self.head = InstanceHead(dim, config)
        self.variation = views.ViewVariation(
            zoom=config.zoom, hue=config.hue, grey=config.grey, tint=config.tint, gain=config.gain
        )
        self.register_buffer("taken", torch.zeros((), dtype=torch.long))

    def forward(self, backbone: Any, batch: ClipBatch) -> StepLoss:
        """Return the loss over the frames of all processes, each an image of its own."""
        images = batch.images.flatten(0, 1)
        names = batch.frame_names()
        seen = torch.cat([self._view(images, names, view) for view in (0, 1)])
        pooled = backbone(seen).mean((1, 2))
        with torch.autocast(pooled.device.type, enabled=False):
            everyone = _with_others(pooled.float(), process_group())
            projected = self.head(everyone)
            value = instance_loss(projected, temperature=self.config.temperature)
        return StepLoss(value=value, stats={"found": _found(projected)})

    def after_step(self, backbone: Any, step: int, n_steps: int) -> None:
        """Count the step, on which the views depend."""
        self.taken.fill_(step + 1)

    def _view(self, images: Tensor, names: Sequence[str], view: int) -> Tensor:
        seed, step = self.config.seed, int(self.taken)
        _, pixels = views.drawn_view(
            images, names, self.config.view, self.variation, seed=seed, step=step, view=view
        )
        return pixels


def _standardised(x: Tensor) -> Tensor:
    """Give each channel of [N, C] mean 0 and variance 1."""
    variance, mean = torch.var_mean(x, dim=0, correction=0)
    return (x - mean) * (variance + 1e-5).rsqrt()


def _with_others(pooled: Tensor, group: ProcessGroup | None) -> Tensor:
    """Return the rows of all processes, all first views before all second ones.

    Gradients of the processes are averaged afterwards, and each has only that of its own rows: it
    is made as many times as large.
    """
    if group is None:
        return pooled
    n = n_processes(group)
    halves = []
    for own in pooled.chunk(2):
        rows = list(gathered(own, group).chunk(n))
        rows[torch.distributed.get_rank(group)] = own.detach() + n * (own - own.detach())
        halves.append(torch.cat(rows))
    return torch.cat(halves)


@torch.no_grad()
def _found(projected: Tensor) -> Tensor:
    """Return the share of views whose nearest other view is of the same image."""
    cosines, partner = _compared(projected)
    return (cosines.argmax(1) == partner).float().mean()
