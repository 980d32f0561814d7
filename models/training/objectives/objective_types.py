"""Interfaces between the parts of the trainer.

clips -> `ClipBatch` -> `Objective` (asks the `TrainableBackbone`) -> `StepLoss` -> step.

The loop knows neither clustering nor video: it draws batches, calls the objective, steps the
optimiser and saves what a resumed run needs. An objective knows neither files nor schedules. So a
contrastive or masked loss, or points from a tracker, come in without a change of the loop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class ClipBatch:
    """Frames of a step, resized, augmented and normalised."""

    images: Tensor
    """[B, T, 3, H, W]; still images are clips of one frame."""
    names: Sequence[str]
    """B names of clips, for messages."""
    frames: Sequence[tuple[int, ...]]
    """B tuples of T frame indices."""
    tracks: Tensor | None = None
    """[B, T, P, 2] positions (x, y) of P points in pixels of `images`, from a tracker."""
    visible: Tensor | None = None
    """[B, T, P] whether a tracked point can be seen."""
    repeatable: bool = False
    """Whether the same frame always comes as the same pixels (no random augmentation), so that
    the output of frozen blocks may be cached."""

    def frame_names(self) -> list[str]:
        """Return a name of every frame, `CLIP/INDEX`, clip after clip."""
        clips = zip(self.names, self.frames, strict=True)
        return [f"{name}/{frame}" for name, frames in clips for frame in frames]

    def to(self, device: torch.device) -> ClipBatch:
        """Return the batch with its tensors on a device."""
        if device.type == "cpu":
            return self
        images = self.images.to(device, non_blocking=True)
        tracks = None if self.tracks is None else self.tracks.to(device, non_blocking=True)
        visible = None if self.visible is None else self.visible.to(device, non_blocking=True)
        return replace(self, images=images, tracks=tracks, visible=visible)


@dataclass(frozen=True, kw_only=True)
class StepLoss:
    """The loss of a step, and numbers for the log."""

    value: Tensor
    """Scalar that carries the gradient."""
    stats: Mapping[str, Tensor] = field(default_factory=dict)
    """Scalars without gradient for the log, such as `entropy` (of cluster usage, 0..1) and
    `empty` (prototypes without any sample)."""


class TrainableBackbone(Protocol):
    """An image model of which a part is tuned (an nn.Module).

    `forward(images)` is `tuned(frozen(images))`. What `frozen` returns is a tensor whose first
    axis is the image, so it may be split, joined, cached and passed in again.
    """

    dim: int
    """D, the channels of a feature."""

    def frozen(self, images: Tensor) -> Tensor:
        """Map images [N, 3, H, W] to the state before the first tuned block; without gradient."""

    def tuned(self, state: Tensor, grid: tuple[int, int]) -> Tensor:
        """Map such states to features [N, h, w, D] on the grid (h, w)."""

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Return (h, w) for images of this size."""


class Objective(Protocol):
    """A loss over clips (an nn.Module, whose parameters the optimiser steps).

    Its `state_dict` holds everything of its own that a resumed run needs: heads, prototypes, a
    teacher, a queue.
    """

    def forward(self, backbone: Any, batch: ClipBatch) -> StepLoss:
        """Return the loss of a step; only what should carry a gradient is computed with one."""

    def after_step(self, backbone: Any, step: int, n_steps: int) -> None:
        """Called after step `step` (from 0) of `n_steps`: normalise prototypes, move a teacher."""
