"""How a family describes each of its models, and how that becomes a registry entry.

A family is one file of this folder with its cards, its architectures and `register`; the folder
is searched for it, so that a new family touches no other file. Importing loads no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from tvseg_bench.benchmark.registry import ModelEntry, Registry
from tvseg_bench.benchmark.types import FeatureModel, ModelCard

TOKENS = "Dense features: patch tokens of the last block after the final norm."
"""What most cards' notes begin with."""


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """One model of a family: its card, its architecture, and how its file is to be read."""

    card: ModelCard
    arch: str
    """The architecture's name in timm (or in the family's own network)."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What differs from timm's architecture of that name."""
    naming: str = "timm"
    """How the official file names its tensors: a key of `naming.NAMINGS`."""
    prefer: tuple[str, ...] = ()
    """Beginnings of the prefix to choose by, in this order, where a file holds several complete
    backbones (student and teacher)."""
    ignore: tuple[str, ...] = ()
    """Patterns of names that may stand beside the backbone, besides `weights.HEADS`."""
    timm: str | None = None
    """The same weights under their name in timm, whose caches are then looked at too."""


Build = Callable[..., FeatureModel]
"""`build(backbone, weights=Path | None)`."""


def build_backbone(backbone: Backbone, weights: Path | None = None) -> FeatureModel:
    """Build a model from its file (`--weights FILE`, its place in TVSEG_HOME, or a cache).

    Raises:
        ModelError: if there is no file, or it does not hold this backbone completely.
    """
    from tvseg_bench.models.loading.naming import NAMINGS
    from tvseg_bench.models.loading.weights import HEADS, find_weights, load_weights
    from tvseg_bench.models.networks.dense import create_net, dense_model

    path = find_weights(backbone.card, weights, timm=backbone.timm)
    net: Any = create_net(backbone.arch, backbone.options)
    report = load_weights(
        net,
        path,
        prefer=backbone.prefer,
        ignore=(*HEADS, *backbone.ignore),
        naming=NAMINGS[backbone.naming],
        card=backbone.card,
    )
    norm = net.head.norm if backbone.arch.startswith("convnext") else None  # timm has it there
    return dense_model(net, replace(backbone.card, revision=report.revision), norm=norm)


def family(
    backbones: Iterable[Backbone], build: Build = build_backbone
) -> Callable[[Registry[ModelEntry]], None]:
    """Return the function `register(models)` that adds every model of a family to a registry."""

    def register(models: Registry[ModelEntry]) -> None:
        for backbone in backbones:
            entry = ModelEntry(
                card=backbone.card,
                build=partial(build, backbone),
                takes_weights=True,
                needs_weights=True,
                timm=backbone.timm,
            )
            models.register(backbone.card.name, entry)

    return register
