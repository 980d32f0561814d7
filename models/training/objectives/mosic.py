"""The objective of MoSiC: a tracked point keeps its cluster.

clips -> tracks -> (teacher, every frame) features at points, head, prototypes, Sinkhorn -> targets
                -> (student, frame 0) features at points, head, prototypes -> cross-entropy

Only frame 0 passes with a gradient, unless the loss is symmetric.

Source: arXiv 2506.08694; SMSD75/MoSiC experiments/exp_mosic_multigpu.py, exp_mosic.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.models.training.losses.collectives import process_group
from tvseg_bench.models.training.losses.sinkhorn import sinkhorn
from tvseg_bench.models.training.losses.temporal_loss import usage
from tvseg_bench.models.training.losses.tracked_loss import Counted, Targets, tracked_loss
from tvseg_bench.models.training.objectives import heads
from tvseg_bench.models.training.objectives.objective_types import ClipBatch, StepLoss
from tvseg_bench.models.training.objectives.teacher import Teacher
from tvseg_bench.models.training.tracking.points import LatentGrid, Outside, Sampling, features_at
from tvseg_bench.models.training.tracking.trackers import TRACKERS, Tracker, grid_queries


class MoSiCConfig(BaseModel):
    """Every constant of the objective that moves the loss."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    prototypes: int = Field(default=100, ge=2)
    """K, clusters over all points and frames of a step."""
    hidden: tuple[int, ...] = heads.PUBLISHED_HIDDEN
    """Channels of the head's hidden layers."""
    out: int = Field(default=heads.PUBLISHED_OUT, ge=1)
    """Channels of a projection."""
    epsilon: float = Field(default=0.05, gt=0)
    """Weight of the entropy in Sinkhorn's assignment."""
    iterations: int = Field(default=10, ge=0)
    """Of Sinkhorn."""
    temperature: float = Field(default=0.1, gt=0)
    """Of the cross-entropy."""

    tracker: Literal["lucas-kanade", "given"] = "lucas-kanade"
    """Who follows the points where the batch brings no tracks. given: the batch has to."""
    points: int = Field(default=16, ge=1)
    """Side of the grid of points on frame 0; only where the batch brings no tracks."""
    track_order: Literal["xy", "published"] = "xy"
    """What the two numbers of a track are. published: x is taken for the row and y for the column
    where the sampling is not `latent`, as in the release, which so reads features at transposed
    places."""
    sampling: Sampling = "nearest"
    """How features are read at points."""
    latent_grid: LatentGrid = "centres"
    """Where a pixel lies on the map; only for `latent`."""
    outside: Outside = "border"
    """Of the map; only for `latent`."""

    targets: Targets = "hard"
    """What an assignment asks for."""
    loss: Literal["first-to-all", "symmetric"] = "first-to-all"
    """first-to-all: frame 0 predicts the assignments of every frame. symmetric: and every frame
    that of frame 0."""
    counted: Counted = "all"
    """What the mean is taken over."""
    teacher: Literal["ema", "none"] = "ema"
    """Who assigns. none: the student."""
    ema_momentum: float = Field(default=0.99, ge=0, le=1)
    """Share of itself that the teacher keeps in a step, constant."""


MOSIC = MoSiCConfig(tracker="given", track_order="published")
"""The published release, whose tracker is a network of its own."""
STANDARD = MoSiCConfig()
"""Ours: points are read where they are, and followed without the weights of another network."""
PRESETS: Mapping[str, MoSiCConfig] = MappingProxyType({"mosic": MOSIC, "standard": STANDARD})


class MoSiCObjective(nn.Module):
    """Head, prototypes and their teacher.

    Args:
        tracker: follows the points where the batch brings no tracks; None = the config's.
    """

    def __init__(self, config: MoSiCConfig, dim: int, tracker: Tracker | None = None) -> None:
        super().__init__()
        self.config = config
        self.head = heads.projection_head(dim, config.hidden, config.out)
        self.prototypes = heads.Prototypes(config.prototypes, config.out)
        self.teacher = Teacher("corrected") if config.teacher == "ema" else None
        self.tracker = tracker
        if tracker is None and config.tracker != "given":
            self.tracker = TRACKERS[config.tracker]()

    def forward(self, backbone: Any, batch: ClipBatch) -> StepLoss:
        """Return the loss of a step.

        Raises:
            UsageError: There are no tracks and no tracker.
        """
        b, t, _, height, width = batch.images.shape
        self._normalise()
        tracks, visible = self._tracks(batch)
        grid = backbone.grid(height, width)
        state = backbone.frozen(batch.images.flatten(0, 1)).unflatten(0, (b, t))
        carrying = t if self.config.loss == "symmetric" else 1
        own = backbone.tuned(state[:, :carrying].flatten(0, 1), grid)
        own = own.view(b, carrying, *own.shape[1:])
        assigning = self._assigning(backbone, state, own.detach(), grid)
        return self.loss(own, assigning, tracks, visible, (height, width))

    def loss(
        self,
        own: Tensor,
        assigning: Tensor,
        tracks: Tensor,
        visible: Tensor,
        size: tuple[int, int],
    ) -> StepLoss:
        """Return the loss of clips whose features are known.

        Args:
            own: [B, T', h, w, D] the student's features; T' is T where the loss is symmetric,
                else 1 is enough.
            assigning: [B, T, h, w, D] the features that are assigned; without gradient.
            tracks: [B, T, P, 2] in pixels.
            visible: [B, T, P].
        """
        read = self.head(self._read(own, tracks[:, : own.shape[1]], size))
        with torch.no_grad():
            assigned = self._assign(self._read(assigning, tracks, size))
        value = tracked_loss(
            self.prototypes(read),
            assigned,
            visible,
            temperature=self.config.temperature,
            targets=self.config.targets,
            symmetric=self.config.loss == "symmetric",
            counted=self.config.counted,
            group=process_group(),
        )
        stats = usage(assigned.argmax(-1), self.config.prototypes, process_group())
        return StepLoss(value=value, stats={**stats, "visible": visible.float().mean()})

    def after_step(self, backbone: Any, step: int, n_steps: int) -> None:
        """Let the teacher follow."""
        if self.teacher is not None:
            students = {"backbone": backbone, "head": self.head, "prototypes": self.prototypes}
            self.teacher.follow(students, self.config.ema_momentum)

    @torch.no_grad()
    def _normalise(self) -> None:
        """Bring the prototypes back to length 1, the teacher's too: a step begins so."""
        self.prototypes.normalise()
        if self.teacher is not None:
            weight = self.teacher.copies("prototypes", self.prototypes)["weight"]
            weight.copy_(nn.functional.normalize(weight, dim=1))

    @torch.no_grad()
    def _tracks(self, batch: ClipBatch) -> tuple[Tensor, Tensor]:
        if batch.tracks is not None:
            seen = torch.ones_like(batch.tracks[..., 0], dtype=torch.bool)
            return batch.tracks, seen if batch.visible is None else batch.visible
        if self.tracker is None:
            raise UsageError(
                "tracker=given, but the clips come without tracks; "
                "choose tracker=lucas-kanade or fill ClipBatch.tracks"
            )
        size = (batch.images.shape[-2], batch.images.shape[-1])
        queries = grid_queries(len(batch.images), self.config.points, size, batch.images.device)
        return self.tracker.track(batch.images, queries)

    @torch.no_grad()
    def _assigning(
        self, backbone: Any, state: Tensor, own: Tensor, grid: tuple[int, int]
    ) -> Tensor:
        """Return the features [B, T, h, w, D] that are assigned; the student's own are reused."""
        b, t = state.shape[:2]
        if self.teacher is not None:
            seen = self.teacher.tuned(backbone, state.flatten(0, 1), grid)
            return seen.view(b, t, *seen.shape[1:])
        done = own.shape[1]
        if done == t:
            return own
        rest: Tensor = backbone.tuned(state[:, done:].flatten(0, 1), grid)
        rest = rest.view(b, t - done, *rest.shape[1:])
        return torch.cat([own.to(rest.dtype), rest], dim=1)

    def _read(self, features: Tensor, tracks: Tensor, size: tuple[int, int]) -> Tensor:
        """Return features [B, T, h, w, D] at points: [B, T, P, D]."""
        config = self.config
        if config.track_order == "published" and config.sampling != "latent":
            tracks = tracks.flip(-1)
        read = features_at(
            features.flatten(0, 1),
            tracks.flatten(0, 1),
            size,
            sampling=config.sampling,
            latent_grid=config.latent_grid,
            outside=config.outside,
        )
        return read.view(*features.shape[:2], *read.shape[1:])

    def _assign(self, read: Tensor) -> Tensor:
        """Return the assignments [B, T, P, K] of features at points."""
        if self.teacher is None:
            scores = self.prototypes(self.head(read))
        else:
            prototypes = self.teacher.copies("prototypes", self.prototypes)["weight"]
            scores = heads.cosine_scores(self.teacher.run("head", self.head, read), prototypes)
        plan = sinkhorn(
            scores.flatten(0, -2),
            epsilon=self.config.epsilon,
            iterations=self.config.iterations,
            group=process_group(),
        )
        return plan.view(scores.shape)
