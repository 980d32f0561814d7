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
from functools import partial
from types import MappingProxyType
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.models.training.losses.collectives import gathered, process_group
from tvseg_bench.models.training.losses.feature_queue import FeatureQueue, drawn_rows
from tvseg_bench.models.training.losses.sinkhorn import sinkhorn
from tvseg_bench.models.training.losses.temporal_loss import temporal_loss, usage
from tvseg_bench.models.training.objectives import heads
from tvseg_bench.models.training.objectives.foreground_patches import foreground_masks
from tvseg_bench.models.training.objectives.forwarder import (
    ForwarderConfig,
    Tuned,
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

    start: Literal["random", "features"] = "random"
    """Head and prototypes at first. random: drawn, as published. features: the head's bias makes
    the projections of the first step's patches 0 on average, and the prototypes are their k-means
    centres; so the first targets say already what the features hold."""

    epsilon: float = Field(default=0.05, gt=0)
    """Weight of the entropy in Sinkhorn's assignment."""
    iterations: int = Field(default=10, ge=0)
    """Of Sinkhorn."""
    assigned: Literal["first-frames", "all-frames"] = "first-frames"
    """What shares one Sinkhorn assignment: the first frames of all clips of the step (TimeT), or
    all their frames, of which the first ones are then used (TimeT_clean)."""
    temperature: float = Field(default=0.1, gt=0)
    """Of the cross-entropy."""
    targets: Literal["hard", "soft"] = "hard"
    """What arrives at the last frame. hard: of each patch the largest share, as published. soft:
    all shares."""
    carrying: Literal["forwarder", "in-place", "one-frame"] = "forwarder"
    """How targets get to the last frame. forwarder: along the clip, TimeT. in-place: those of the
    first frame stay where they are. one-frame: the last frame is assigned itself, without time.
    The last two are there to be compared with."""

    teacher: Literal["none", "ema"] = "ema"
    """Who assigns the first frames. none: the student. ema: an exponential mean of the tuned part
    of the backbone, of head and prototypes."""
    carried_by: Literal["student", "teacher"] = "student"
    """Whose features the Feature Forwarder compares. student: those of this step, as published.
    teacher: those of the teacher, who also sees the last frames then."""
    ema_orientation: Orientation = "corrected"
    """published: the momentum weighs the student, as released. corrected: it weighs the
    teacher."""
    ema_momentum: float = Field(default=0.995, ge=0, le=1)
    """At the first step; goes to `ema_final` as a cosine. 1 at both = the teacher stays what the
    student was before the first step."""
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

    started: Tensor

    def __init__(self, config: TimeTConfig, dim: int) -> None:
        super().__init__()
        self.config = config
        self.head = heads.projection_head(dim, config.hidden, config.out)
        self.prototypes = heads.Prototypes(config.prototypes, config.out)
        self.teacher = Teacher(config.ema_orientation) if config.teacher == "ema" else None
        self.queue = FeatureQueue(config.queue, config.out) if config.queue else None
        self.rule = config.rule()
        if config.carried_by == "teacher" and self.teacher is None:
            raise UsageError(
                "objective.carried_by=teacher needs a teacher; add objective.teacher=ema"
            )
        self.register_buffer("started", torch.tensor(config.start == "random"))

    def forward(self, backbone: Any, batch: ClipBatch) -> StepLoss:
        """Return the loss of a step.

        Raises:
            UsageError: Clips of fewer than 2 frames.
        """
        if self.config.normalise == "before-step":
            self.prototypes.normalise()
        seen_by: Tuned | None = None
        if self.teacher is not None and self.config.carried_by == "teacher":
            seen_by = partial(self.teacher.tuned, backbone)
        clips = clip_features(backbone, batch.images, seen_by)
        if not self.started:
            self._start(clips.all[:, 0].flatten(0, 2))
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
            source: [B, T', h, w, d] projections to be assigned, those of first frames first (of
                the last where `carrying` is one-frame); T' is 1 or T. No gradient flows.
            projected: [B, h, w, d] projections of the last frames; with gradient.
            mask: [B, h, w] 1 where a patch of the last frames is foreground, else 0; the
                projections of `source` are masked already.
        """
        assigned = self.assign(source)
        if self.config.carrying == "forwarder":
            assigned = forwarded(features, assigned, self.rule)
        target = assigned.argmax(-1)
        wanted = target
        if self.config.targets == "soft":
            wanted = assigned / assigned.sum(-1, keepdim=True)
        if mask is not None:
            projected = projected * mask[..., None]
        scores = self.prototypes(projected)
        value = temporal_loss(scores, wanted, temperature=self.config.temperature, weight=mask)
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
        if self.config.carrying == "one-frame":
            frames = slice(-1, None)
        features = clips.all[:, frames]
        if self.teacher is None:
            source: Tensor = self.head(features)
        else:
            if self.config.carried_by == "student":
                state = clips.state[:, frames].flatten(0, 1)
                features = self.teacher.tuned(backbone, state, clips.grid).view(features.shape)
            source = self.teacher.run("head", self.head, features)
        return source if masks is None else source * masks[:, frames, ..., None]

    @torch.no_grad()
    def _start(self, features: Tensor) -> None:
        """Fit head and prototypes to features [N, D] of this process and all others."""
        features = gathered(features, process_group())
        last: Any = self.head[-1]
        last.bias -= self.head(features).mean(0)
        self.prototypes.start_at(self.head(features))
        self.started.fill_(True)

    def _masks(self, backbone: Any, clips: TunedClipFeatures) -> Tensor | None:
        if self.config.foreground == "none":
            return None
        return foreground_masks(backbone, clips.state, clips.grid, self.config.foreground_mass)
