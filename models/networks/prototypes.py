"""TimeT's projection head and prototypes: a segmentation by the nearest prototype."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, normalize

from tvseg_bench.benchmark.errors import ModelError
from tvseg_bench.benchmark.types import ModelCard
from tvseg_bench.models.networks.dense import DenseViT


class PrototypeHead(nn.Module):
    """Linear layers with GELU between them, as `head.{0,2,4,…}`, and prototypes [K, d].

    Args:
        layers: (weight [out, in], bias [out]) of each, none for features as they are.
        prototypes: [K, d], d being the width of the last layer.
    """

    def __init__(self, layers: list[tuple[Tensor, Tensor]], prototypes: Tensor) -> None:
        super().__init__()
        modules: list[nn.Module] = []
        for weight, bias in layers:
            layer = nn.Linear(weight.shape[1], weight.shape[0])
            layer.load_state_dict({"weight": weight, "bias": bias})
            modules += [layer, nn.GELU()]
        self.head = nn.Sequential(*modules[:-1])
        self.prototypes = nn.Parameter(prototypes.clone())

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens [B, N, D] to cosines with the prototypes [B, N, K]."""
        projected = normalize(self.head(tokens), dim=-1)
        return projected @ normalize(self.prototypes, dim=-1).T


class PrototypeSegmenter(DenseViT):
    """The backbone's dense features, and ids of the nearest prototype as a segmentation."""

    def __init__(self, net: Any, card: ModelCard, head: PrototypeHead) -> None:
        super().__init__(net, card)
        self.head = head

    def segment(self, images: Tensor) -> Tensor:
        """Map images [B, 3, H, W] to ids [B, H, W]; cosines are enlarged, not ids."""
        features = self.extract(images)
        cosines = self.head(features.tokens).transpose(1, 2)
        maps = cosines.reshape(*cosines.shape[:2], *features.grid)
        height, width = images.shape[-2:]
        large = interpolate(maps, (height, width), mode="bilinear", align_corners=False)
        return large.argmax(dim=1)


def find_head(
    tensors: Mapping[str, Tensor], backbone: str, dim: int, path: Path
) -> PrototypeHead | None:
    """Return a backbone's head and prototypes among all tensors, None without prototypes.

    Args:
        backbone: prefix of the backbone, `feature_extractor.backbone.`.

    Raises:
        ModelError: if layers and prototypes do not fit together.
    """
    module, _, _ = backbone.rstrip(".").rpartition(".")  # feature_extractor
    owner, _, name = module.rpartition(".")
    owner = f"{owner}." if owner else ""
    prototypes = tensors.get(f"{owner}{'teacher_' if name == 'teacher' else ''}prototypes")
    if not module or prototypes is None:
        return None
    layers = _layers(tensors, f"{module}.head.")
    widths = [dim, *(weight.shape[0] for weight, _ in layers)]
    fits = all(w.ndim == 2 and w.shape[1] == n for (w, _), n in zip(layers, widths, strict=False))
    if not fits or prototypes.ndim != 2 or prototypes.shape[1] != widths[-1]:
        raise ModelError(
            f"{path} holds a head of the widths {widths} and prototypes "
            f"{list(prototypes.shape)}, which do not fit together"
        )
    if not torch.isfinite(prototypes).all():
        raise ModelError(f"{path}: the prototypes hold NaN or infinity; fetch it again")
    return PrototypeHead(layers, prototypes)


def _layers(tensors: Mapping[str, Tensor], prefix: str) -> list[tuple[Tensor, Tensor]]:
    numbers = sorted(
        int(part)
        for name in tensors
        if name.startswith(prefix) and name.endswith(".weight")
        for part in [name[len(prefix) : -len(".weight")]]
        if part.isdecimal() and f"{prefix}{part}.bias" in tensors
    )
    return [(tensors[f"{prefix}{n}.weight"], tensors[f"{prefix}{n}.bias"]) for n in numbers]
