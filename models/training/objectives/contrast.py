"""A dense objective without clusters: a patch has to find the patch it came from.

clips -> features -> Feature Forwarder -> where each patch of the last frame was in the first
                  -> (first frames, teacher) head -> keys
                  -> (last frames) head -> queries -> cross-entropy over all keys

The correspondences come from the backbone's features, before the head. A patch is contrasted with
all others, so there is nothing to balance and no prototype that could go unused.

Sources: InfoNCE (arXiv 1807.03748) with soft positives; the Feature Forwarder of TimeT (arXiv
2308.11796).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.distributed import ProcessGroup
from torch.nn.functional import normalize

from tvseg_bench.models.training.losses.collectives import gathered, process_group
from tvseg_bench.models.training.objectives.forwarder import (
    ForwarderConfig,
    TunedClipFeatures,
    clip_features,
    origins,
)
from tvseg_bench.models.training.objectives.heads import projection_head
from tvseg_bench.models.training.objectives.objective_types import ClipBatch, StepLoss
from tvseg_bench.models.training.objectives.teacher import Teacher

Negatives = Literal["clip", "batch"]
"""Which patches a patch is contrasted with. clip: all of its own first frame. batch: those of all
clips of the step, on every process."""


class ContrastConfig(ForwarderConfig):
    """Every constant of the objective that moves the loss."""

    hidden: tuple[int, ...] = (1024,)
    """Channels of the head's hidden layers."""
    out: int = Field(default=128, ge=1)
    """Channels of a projection."""
    temperature: float = Field(default=0.1, gt=0)
    """Of the cross-entropy."""
    negatives: Negatives = "batch"
    """Which patches a patch is contrasted with."""
    teacher: Literal["ema", "none"] = "ema"
    """Who makes the keys. none: the student."""
    ema_momentum: float = Field(default=0.99, ge=0, le=1)
    """Share of itself that the teacher keeps in a step, constant."""


PRESETS: Mapping[str, ContrastConfig] = MappingProxyType({"standard": ContrastConfig()})


def contrastive_loss(
    queries: Tensor,
    keys: Tensor,
    positives: Tensor,
    *,
    temperature: float = 0.1,
    negatives: Negatives = "clip",
    group: ProcessGroup | None = None,
) -> Tensor:
    """Return the cross-entropy of queries' similarities to keys with their positives.

    With the cosines s of a query and its shares p in the keys, it costs
    -Σ_i p_i log softmax(s / τ)_i.

    Args:
        queries: [B, N, d] with gradient.
        keys: [B, M, d]; no gradient flows.
        positives: [B, N, M] shares, which sum to 1 over M.
        temperature: τ, above 0.
        group: processes whose clips are of the same step, B on each.

    Example:
        >>> same = torch.eye(2)[None]
        >>> round(contrastive_loss(same, same, same, temperature=1.0).item(), 4)
        0.3133
    """
    with torch.autocast(queries.device.type, enabled=False):
        exact = torch.promote_types(queries.dtype, torch.float32)
        queries = normalize(queries.to(exact), dim=-1)
        keys = normalize(keys.detach().to(exact), dim=-1)
        own = queries @ keys.mT / temperature
        everyone = own
        if negatives == "batch":
            all_keys = gathered(keys, group)
            everyone = queries @ all_keys.flatten(0, 1).T / temperature
        norm = everyone.logsumexp(-1)
        return (norm - (positives.to(own.dtype) * own).sum(-1)).mean()


class ContrastObjective(nn.Module):
    """A head and its teacher."""

    def __init__(self, config: ContrastConfig, dim: int) -> None:
        super().__init__()
        self.config = config
        self.head = projection_head(dim, config.hidden, config.out)
        self.teacher = Teacher("corrected") if config.teacher == "ema" else None
        self.rule = config.rule()

    def forward(self, backbone: Any, batch: ClipBatch) -> StepLoss:
        """Return the loss of a step.

        Raises:
            UsageError: Clips of fewer than 2 frames.
        """
        clips = clip_features(backbone, batch.images)
        queries = self.head(clips.last).flatten(1, 2)  # with gradient first, as in `clip_features`
        keys = self._keys(backbone, clips).flatten(1, 2)
        positives = origins(clips.all, self.rule)
        value = contrastive_loss(
            queries,
            keys,
            positives,
            temperature=self.config.temperature,
            negatives=self.config.negatives,
            group=process_group(),
        )
        return StepLoss(value=value, stats={"agreement": _agreement(queries, keys, positives)})

    def after_step(self, backbone: Any, step: int, n_steps: int) -> None:
        """Let the teacher follow."""
        if self.teacher is not None:
            students = {"backbone": backbone, "head": self.head}
            self.teacher.follow(students, self.config.ema_momentum)

    @torch.no_grad()
    def _keys(self, backbone: Any, clips: TunedClipFeatures) -> Tensor:
        """Return the projections [B, h, w, d] of the first frames."""
        if self.teacher is None:
            own: Tensor = self.head(clips.all[:, 0])
            return own
        seen = self.teacher.tuned(backbone, clips.state[:, 0], clips.grid)
        keys: Tensor = self.teacher.run("head", self.head, seen)
        return keys


@torch.no_grad()
def _agreement(queries: Tensor, keys: Tensor, positives: Tensor) -> Tensor:
    """Return the share of patches whose nearest key of the clip is their likeliest origin."""
    nearest = (queries @ normalize(keys, dim=-1).to(queries.dtype).mT).argmax(-1)
    return (nearest == positives.argmax(-1)).float().mean()
