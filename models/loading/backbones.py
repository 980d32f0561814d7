"""Building a family's model: its network, filled from a file, wrapped as dense features."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from tvseg_bench.benchmark.types import FeatureModel
from tvseg_bench.models.loading.families import Backbone
from tvseg_bench.models.loading.naming import NAMINGS
from tvseg_bench.models.loading.weights import HEADS, find_weights, load_weights
from tvseg_bench.models.networks.dense import create_net, dense_model


def load_backbone(backbone: Backbone, weights: Path | None = None) -> FeatureModel:
    """Create the architecture, fill it from a file, and wrap it by what it is.

    Raises:
        ModelError: if there is no file, or it does not hold this backbone completely.
    """
    path = find_weights(backbone.card, weights, timm=backbone.timm)
    net = create(backbone)
    report = load_weights(
        net,
        path,
        prefer=backbone.prefer,
        ignore=(*HEADS, *backbone.ignore),
        naming=NAMINGS[backbone.naming],
        card=backbone.card,
    )
    card = replace(backbone.card, revision=report.revision)
    return dense_model(net, card, norm=_last_norm(net, backbone))


def create(backbone: Backbone) -> nn.Module:
    """Create a model's architecture in timm, untrained."""
    return create_net(backbone.arch, backbone.options)


def _last_norm(net: Any, backbone: Backbone) -> nn.Module | None:
    """Return the norm that timm's ConvNeXt keeps in its head."""
    if not backbone.arch.startswith("convnext"):
        return None
    norm: nn.Module = net.head.norm
    return norm
