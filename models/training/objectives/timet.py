"""The objective of TimeT: clusters of the first frame, propagated, are the targets of the last.

clips -> features -> (first frames) head, prototypes, Sinkhorn -> Feature Forwarder -> targets
                  -> (last frames) head, prototypes -> cross-entropy

Only the last frames carry a gradient, so all others pass through the tuned blocks without one, and
the head sees no frame between the first and the last.

Source: arXiv 2308.11796; SMSD75/Timetuning time_tuning.py; SMSD75/TimeT_clean
exp_time_tuning_v2.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from tvseg_bench.models.training.losses.collectives import process_group
from tvseg_bench.models.training.losses.feature_queue import FeatureQueue, drawn_rows
from tvseg_bench.models.training.losses.sinkhorn import sinkhorn
from tvseg_bench.models.training.losses.temporal_loss import temporal_loss, usage
from tvseg_bench.models.training.objectives import heads
from tvseg_bench.models.training.objectives.foreground_patches import foreground_masks
from tvseg_bench.models.training.objectives.forwarder import (
    ForwarderConfig,
    TunedClipFeatures,
    clip_features,
    forwarded,
)
from tvseg_bench.models.training.objectives.objective_types import ClipBatch, StepLoss
from tvseg_bench.models.training.objectives.teacher import Orientation, Teacher
from tvseg_bench.models.training.schedules import value_at


class TimeTConfig(ForwarderConfig):
    """Every constant of the objective that moves the loss."""

    prototypes: int = Field(default=200, ge=2)
    """K, clusters over all first frames of a step."""
    hidden: tuple[int, ...] = heads.PUBLISHED_HIDDEN
    """Channels of the head's hidden layers."""
    out: int = Field(default=heads.PUBLISHED_OUT, ge=1)
    """Channels of a projection."""
    normalise: Literal["after-step", "before-step"] = "after-step"
    """When prototypes are brought back to length 1. after-step: TimeT. before-step: TimeT_clean,
    whose last step leaves them as the optimiser did."""

    epsilon: float = Field(default=0.05, gt=0)
    """Weight of the entropy in Sinkhorn's assignment."""
    iterations: int = Field(default=10, ge=0)
    """Of Sinkhorn."""
    assigned: Literal["first-frames", "all-frames"] = "first-frames"
    """What shares one Sinkhorn assignment: the first frames of all clips of the step (TimeT), or
    all their frames, of which the first ones are then used (TimeT_clean)."""
    temperature: float = Field(default=0.1, gt=0)
    """Of the cross-entropy."""

    teacher: Literal["none", "ema"] = "ema"
    """Who assigns the first frames. none: the student. ema: an exponential mean of the tuned part
    of the backbone, of head and prototypes."""
    ema_orientation: Orientation = "corrected"
    """published: the momentum weighs the student, as released. corrected: it weighs the
    teacher."""
    ema_momentum: float = Field(default=0.995, ge=0, le=1)
    """At the first step; rises to `ema_final` as a cosine."""
    ema_final: float = Field(default=1.0, ge=0, le=1)
    """Momentum at the end of the run."""

    queue: int = Field(default=0, ge=0)
    """Projections of earlier steps that are assigned too, per process; 0 = none. Published, but
    off: 16384 over the number of processes."""
    queue_per_clip: int = Field(default=10, ge=1)
    """Random projections of first frames that enter the queue per clip and step."""

    foreground: Literal["none", "attention"] = "none"
    """attention: projections and costs of patches outside the class token's attention are 0;
    the mask of a frame is the one of the `foreground` protocol."""
    foreground_mass: float = Field(default=0.65, gt=0, le=1)
    """Share of the attention that the foreground holds."""


TIMET = TimeTConfig(ema_orientation="published")
"""The published release with the constants that take effect. Its code has a teacher by default,
which is off according to its README; as its momentum weighs the student, that is nearly so."""
TIMET_CLEAN = TimeTConfig(
    assigned="all-frames", n_context=6, normalise="before-step", teacher="none"
)
"""TimeT_clean."""
STANDARD = TimeTConfig()
"""Ours: TimeT's, with a teacher that follows the right way round."""
PRESETS: Mapping[str, TimeTConfig] = MappingProxyType(
    {"timet": TIMET, "timet-clean": TIMET_CLEAN, "standard": STANDARD}
)


class TimeTObjective(nn.Module):
    """Head, prototypes, and what may stand beside them: a teacher, a queue."""

    def __init__(self, config: TimeTConfig, dim: int) -> None:
        super().__init__()
        self.config = config
        self.head = heads.projection_head(dim, config.hidden, config.out)
        self.prototypes = heads.Prototypes(config.prototypes, config.out)
        self.teacher = Teacher(config.ema_orientation) if config.teacher == "ema" else None
        self.queue = FeatureQueue(config.queue, config.out) if config.queue else None
        self.rule = config.rule()

    def forward(self, backbone: Any, batch: ClipBatch) -> StepLoss:
        """Return the loss of a step.

        Raises:
            UsageError: Clips of fewer than 2 frames.
        """
        if self.config.normalise == "before-step":
            self.prototypes.normalise()
        clips = clip_features(backbone, batch.images)
        projected = self.head(clips.last)  # with gradient first, as in `clip_features`
        masks = self._masks(backbone, clips)
        source = self._sources(backbone, clips, masks)
        own = None if masks is None else masks[:, -1]
        return self.loss(clips.all, source, projected, own)

    def loss(
        self, features: Tensor, source: Tensor, projected: Tensor, mask: Tensor | None = None
    ) -> StepLoss:
        """Return the loss of clips whose features and projections are known.

        Args:
            features: [B, T, h, w, D] of the backbone, for the Feature Forwarder.
            source: [B, T', h, w, d] projections to be assigned, those of first frames first; T'
                is 1 or T. No gradient flows.
            projected: [B, h, w, d] projections of the last frames; with gradient.
            mask: [B, h, w] 1 where a patch of the last frames is foreground, else 0; the
                projections of `source` are masked already.
        """
        target = forwarded(features, self.assign(source), self.rule).argmax(-1)
        if mask is not None:
            projected = projected * mask[..., None]
        scores = self.prototypes(projected)
        value = temporal_loss(scores, target, temperature=self.config.temperature, weight=mask)
        agreement = (scores.detach().argmax(-1) == target).float().mean()
        stats = usage(target, self.config.prototypes, process_group())
        return StepLoss(value=value, stats={**stats, "agreement": agreement})

    @torch.no_grad()
    def assign(self, source: Tensor) -> Tensor:
        """Return the assignments [B, h, w, K] of first frames; `source` as in `loss`.

        Random rows of the first frames enter the queue, if there is one, and those in it are
        assigned too once it is full.
        """
        prototypes: Tensor = self.prototypes.weight
        if self.teacher is not None:
            prototypes = self.teacher.copies("prototypes", self.prototypes)["weight"]
        rows = source.flatten(0, 3)
        if self.queue is not None:
            first = source[:, 0].flatten(0, 2)
            self.queue.push(drawn_rows(first, self.config.queue_per_clip * len(source)))
            if self.queue.full:
                rows = torch.cat([rows, self.queue.rows.to(rows.dtype)])
        plan = sinkhorn(
            heads.cosine_scores(rows, prototypes),
            epsilon=self.config.epsilon,
            iterations=self.config.iterations,
            group=process_group(),
        )
        return plan[: source[..., 0].numel()].view(*source.shape[:-1], -1)[:, 0]

    @torch.no_grad()
    def after_step(self, backbone: Any, step: int, n_steps: int) -> None:
        """Normalise the prototypes and let the teacher follow."""
        if self.config.normalise == "after-step":
            self.prototypes.normalise()
        if self.teacher is not None:
            momentum = value_at(step, n_steps, self.config.ema_momentum, self.config.ema_final)
            students = {"backbone": backbone, "head": self.head, "prototypes": self.prototypes}
            self.teacher.follow(students, momentum)
            normalised = self.teacher.copies("prototypes", self.prototypes)["weight"]
            normalised.div_(normalised.norm(dim=1, keepdim=True).clamp_min(1e-12))

    @torch.no_grad()
    def _sources(self, backbone: Any, clips: TunedClipFeatures, masks: Tensor | None) -> Tensor:
        """Return the projections that are assigned, [B, T', h, w, d]."""
        frames = slice(0, 1 if self.config.assigned == "first-frames" else None)
        features = clips.all[:, frames]
        if self.teacher is None:
            source: Tensor = self.head(features)
        else:
            seen = self.teacher.tuned(backbone, clips.state[:, frames].flatten(0, 1), clips.grid)
            source = self.teacher.run("head", self.head, seen.view(features.shape))
        return source if masks is None else source * masks[:, frames, ..., None]

    def _masks(self, backbone: Any, clips: TunedClipFeatures) -> Tensor | None:
        if self.config.foreground == "none":
            return None
        return foreground_masks(backbone, clips.state, clips.grid, self.config.foreground_mass)
