"""Image pre-training without labels or weights to start from: a small DINO with patch losses.

A student sees views of an image with a part of their patches hidden; a teacher, its moving
average, sees all patches. The student predicts what the teacher assigns to prototypes: for the
complete image (DINO: Caron et al., ICCV 2021), at the patches that were hidden from it (iBOT:
Zhou et al., ICLR 2022), and at the same places in the other view. The teacher's assignments are
balanced over the batch by Sinkhorn-Knopp, as in DINOv2, which prevents collapse.

It works with any backbone of the trainer: the feature of an image is pooled by one learned query,
and a patch is hidden by making it the mean colour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any
from zlib import crc32

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

from tvseg_bench.models.training.data import views
from tvseg_bench.models.training.losses.collectives import process_group
from tvseg_bench.models.training.losses.sinkhorn import sinkhorn
from tvseg_bench.models.training.losses.temporal_loss import usage
from tvseg_bench.models.training.objectives.heads import cosine_scores
from tvseg_bench.models.training.objectives.objective_types import ClipBatch, StepLoss
from tvseg_bench.models.training.objectives.teacher import Teacher
from tvseg_bench.models.training.schedules import value_at


class SelfDistilConfig(BaseModel):
    """Every constant of the objective that moves the loss."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    view: int = Field(default=112, ge=16)
    """Side of the two views of the student and the teacher, in pixels."""
    local_view: int = Field(default=48, ge=16)
    """Side of the small views, which only the student sees."""
    n_local: int = Field(default=0, ge=0)
    """Small views of each image."""
    prototypes: int = Field(default=256, ge=2)
    """Of complete images, and as many of patches."""
    hidden: int = Field(default=512, ge=1)
    """Channels of the head's hidden layers."""
    bottleneck: int = Field(default=128, ge=1)
    """Channels of what is compared with the prototypes."""
    student_temperature: float = Field(default=0.1, gt=0)
    """Of the cross-entropy."""
    teacher_temperature: float = Field(default=0.05, gt=0)
    """Weight of the entropy in Sinkhorn's assignment of the teacher's scores."""
    sinkhorn_iterations: int = Field(default=3, ge=1)
    """Of Sinkhorn."""
    hidden_share: float = Field(default=0.35, ge=0, lt=1)
    """Share of the student's patches that are hidden."""
    momentum: float = Field(default=0.99, ge=0, le=1)
    """Of the teacher at the first step; rises to 1 by a cosine."""
    image_weight: float = Field(default=1.0, ge=0)
    """Of the loss of complete images."""
    hidden_weight: float = Field(default=1.0, ge=0)
    """Of the loss at hidden patches."""
    place_weight: float = Field(default=1.0, ge=0)
    """Of the loss at the same places in the other view."""
    zoom: tuple[float, float] = (0.75, 1.33)
    """Pixels of the image per pixel of a view, least and most."""
    grey: float = Field(default=0.1, ge=0, le=1)
    """Share of views without colour."""
    seed: int = 0
    """Of the views."""


class DistillationHead(nn.Module):
    """From features to scores over prototypes; a learned query pools the patches of an image."""

    def __init__(self, dim: int, config: SelfDistilConfig) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.zeros(dim))
        self.mlp = nn.Sequential(
            nn.Linear(dim, config.hidden),
            nn.GELU(),
            nn.Linear(config.hidden, config.hidden),
            nn.GELU(),
            nn.Linear(config.hidden, config.bottleneck),
        )
        self.prototypes = nn.Parameter(torch.empty(2, config.prototypes, config.bottleneck))
        nn.init.normal_(self.prototypes)
        for layer in self.mlp:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=layer.in_features**-0.5)
                nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Map features [N, h, w, D] to `image` and `patches`."""
        return self.image(features), self.patches(features)

    def patches(self, features: Tensor) -> Tensor:
        """Map features [..., D] to cosines [..., K]."""
        return self._scores(features, 1)

    def image(self, features: Tensor) -> Tensor:
        """Map features [N, h, w, D] to cosines [N, K] of the pooled feature."""
        flat = features.flatten(1, 2)
        weight = (flat @ self.query * flat.shape[-1] ** -0.5).softmax(dim=1)
        return self._scores(torch.einsum("np,npd->nd", weight, flat), 0)

    def _scores(self, features: Tensor, which: int) -> Tensor:
        return cosine_scores(
            self.mlp(features), functional.normalize(self.prototypes[which], dim=1)
        )


class SelfDistil(nn.Module):
    """The objective: a head of the student, and a teacher that follows backbone and head."""

    taken: Tensor

    def __init__(self, config: SelfDistilConfig, dim: int) -> None:
        super().__init__()
        self.config = config
        self.head = DistillationHead(dim, config)
        self.teacher = Teacher("corrected")
        self.variation = views.ViewVariation(zoom=config.zoom, grey=config.grey)
        self.register_buffer("taken", torch.zeros((), dtype=torch.long))

    def forward(self, backbone: Any, batch: ClipBatch) -> StepLoss:
        """Return the loss over the frames of the batch, each an image of its own."""
        images = batch.images.flatten(0, 1)
        names = batch.frame_names()
        both = [self._view(images, names, view, self.config.view) for view in (0, 1)]
        maps = [placement for placement, _ in both]
        unmasked = torch.cat([pixels for _, pixels in both])
        targets, at_patches = self._targets(backbone, unmasked)
        hidden = self._hidden(names, at_patches.shape[1:3]).to(unmasked.device)
        seen = backbone(hide(unmasked, hidden))
        parts = {
            "image": self._image(backbone, seen, targets, images, names),
            "hidden": self._at_hidden(seen, at_patches, hidden),
            "place": self._at_places(seen, at_patches, maps),
        }
        config = self.config
        value = (
            config.image_weight * parts["image"]
            + config.hidden_weight * parts["hidden"]
            + config.place_weight * parts["place"]
        )
        stats = {name: part.detach() for name, part in parts.items()}
        used = usage(at_patches.argmax(-1), config.prototypes, process_group())
        return StepLoss(value=value, stats={**stats, **used})

    @torch.no_grad()
    def after_step(self, backbone: Any, step: int, n_steps: int) -> None:
        """Let the teacher follow: m · teacher + (1 - m) · student, m rising to 1 by a cosine.

        After the last step the backbone becomes the teacher, which is what DINO is known by.
        """
        self.taken.fill_(step + 1)
        momentum = value_at(step, n_steps, self.config.momentum, 1.0)
        self.teacher.follow({"backbone": backbone, "head": self.head}, momentum)
        if step + 1 == n_steps:
            copies = self.teacher.copies("backbone", backbone)
            for name, parameter in backbone.named_parameters():
                if name in copies:
                    parameter.copy_(copies[name])

    # ------------------------------------------------------------------------- views

    def _view(
        self, images: Tensor, names: Sequence[str], view: int, side: int
    ) -> tuple[Tensor, Tensor]:
        """Return where view number `view` of each image looks, and its pixels."""
        seed, step = self.config.seed, int(self.taken)
        return views.drawn_view(
            images, names, side, self.variation, seed=seed, step=step, view=view
        )

    def _hidden(self, names: Sequence[str], grid: Sequence[int]) -> Tensor:
        """Return [2 N, h, w] which patches the student does not see, the same number in each."""
        n = grid[0] * grid[1]
        order = []
        for view in (0, 1):
            for name in names:
                generator = torch.Generator().manual_seed(
                    crc32(f"{self.config.seed}/{int(self.taken)}/{view}/{name}/hidden".encode())
                )
                order.append(torch.randperm(n, generator=generator))
        hidden = torch.stack(order) < round(self.config.hidden_share * n)
        return hidden.view(len(hidden), *grid)

    # ------------------------------------------------------------------------ losses

    @torch.no_grad()
    def _targets(self, backbone: Any, unmasked: Tensor) -> tuple[Tensor, Tensor]:
        """Return the teacher's assignments of the views [2 N, K] and patches [2 N, h, w, K]."""
        grid = backbone.grid(*unmasked.shape[-2:])
        features = self.teacher.tuned(backbone, backbone.frozen(unmasked), grid)
        image, patches = self.teacher.run("head", self.head, features)
        return self._balance(image), self._balance(patches.flatten(0, 2)).view_as(patches)

    def _balance(self, scores: Tensor) -> Tensor:
        return sinkhorn(
            scores,
            epsilon=self.config.teacher_temperature,
            iterations=self.config.sinkhorn_iterations,
            group=process_group(),
        )

    def _image(
        self,
        backbone: Any,
        seen: Tensor,
        targets: Tensor,
        images: Tensor,
        names: Sequence[str],
    ) -> Tensor:
        """Each view against the teacher's other view, small views against both."""
        n = len(images)
        loss = self._cross_entropy(self.head.image(seen), targets.roll(n, 0)).mean()
        if not self.config.n_local:
            return loss
        small = [
            self._view(images, names, 2 + v, self.config.local_view)[1]
            for v in range(self.config.n_local)
        ]
        scores = self.head.image(backbone(torch.cat(small)))
        both = (targets[:n] + targets[n:]) / 2
        return loss + self._cross_entropy(scores, both.repeat(self.config.n_local, 1)).mean()

    def _at_hidden(self, seen: Tensor, targets: Tensor, hidden: Tensor) -> Tensor:
        return self._cross_entropy(self.head.patches(seen[hidden]), targets[hidden]).mean()

    def _at_places(self, seen: Tensor, targets: Tensor, maps: Sequence[Tensor]) -> Tensor:
        """Each patch against the teacher's assignment at its place in the other view."""
        grid, n = seen.shape[1], len(maps[0])
        losses = []
        for view, (here, there) in enumerate((maps, maps[::-1])):
            points, inside = views.correspond(here, there, grid)
            other = targets[n * (1 - view) : n * (2 - view)].permute(0, 3, 1, 2)
            wanted = functional.grid_sample(
                other, points.to(other), padding_mode="border", align_corners=False
            ).permute(0, 2, 3, 1)
            scores = self.head.patches(seen[n * view : n * (view + 1)])
            inside = inside.to(scores.device)
            losses.append(self._cross_entropy(scores[inside], wanted[inside]))
        return torch.cat(losses).mean() if sum(map(len, losses)) else seen.sum() * 0

    def _cross_entropy(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Map scores and targets [..., K] to [...]."""
        return -(targets * (scores / self.config.student_temperature).log_softmax(-1)).sum(-1)


def hide(images: Tensor, hidden: Tensor) -> Tensor:
    """Return images [N, 3, H, W] whose hidden patches [N, h, w] are the mean colour, 0."""
    height, width = images.shape[-2:]
    rows = height // hidden.shape[1]
    cols = width // hidden.shape[2]
    mask = hidden.repeat_interleave(rows, 1).repeat_interleave(cols, 2)
    return images * ~mask[:, None]


STANDARD = SelfDistilConfig()
PRESETS: Mapping[str, SelfDistilConfig] = MappingProxyType({"standard": STANDARD})
