"""DINO: Caron et al., Emerging Properties in Self-Supervised Vision Transformers, ICCV 2021.

The dense feature is the patch tokens of the last block after the final norm; positional
embeddings are interpolated as in facebookresearch/dino. Needs one of the official files, a
backbone or a full checkpoint, whose teacher is taken.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from tvseg_bench.benchmark.registry import ModelEntry, Registry
from tvseg_bench.benchmark.types import FeatureModel, ModelCard

FILES = "https://dl.fbaipublicfiles.com/dino"

ARCHITECTURES = {
    "dino/vits16": "vit_small_patch16_224",
    "dino/vits8": "vit_small_patch8_224",
    "dino/vitb16": "vit_base_patch16_224",
    "dino/vitb8": "vit_base_patch8_224",
}
"""The architecture in timm, whose parameters have DINO's names."""


def _card(arch: str, patch_size: int, embed_dim: int, params_m: float, file: str) -> ModelCard:
    return ModelCard(
        name=f"dino/{arch}",
        patch_size=patch_size,
        embed_dim=embed_dim,
        params_m=params_m,
        interpolation="bicubic",
        num_prefix_tokens=1,
        pos_interp="dino",
        licence="Apache-2.0",
        paper="https://arxiv.org/abs/2104.14294",
        code="https://github.com/facebookresearch/dino",
        pretraining_data=("imagenet-1k",),
        weights_url=f"{FILES}/{file}/{file}.pth",
        notes="Self-distillation without labels. Official weights of the teacher.",
    )


CARDS = (
    _card("vits16", 16, 384, 21.7, "dino_deitsmall16_pretrain"),
    _card("vits8", 8, 384, 21.7, "dino_deitsmall8_pretrain"),
    _card("vitb16", 16, 768, 85.8, "dino_vitbase16_pretrain"),
    _card("vitb8", 8, 768, 85.8, "dino_vitbase8_pretrain"),
)


def register(models: Registry[ModelEntry]) -> None:
    """Add the family to a registry."""
    for card in CARDS:
        entry = ModelEntry(
            card=card, build=partial(build, card), takes_weights=True, needs_weights=True
        )
        models.register(card.name, entry)


def build(card: ModelCard, weights: Path | None = None) -> FeatureModel:
    """Build one of the family from an official file.

    Raises:
        ModelError: if the file is not there or does not hold this backbone.
    """
    from tvseg_bench.models.dense import DenseViT, create_vit
    from tvseg_bench.models.weights import find_weights, load_weights

    path = find_weights(card, weights)
    net = create_vit(ARCHITECTURES[card.name])
    report = load_weights(net, path, prefer=("teacher",))
    return DenseViT(net, replace(card, revision=report.revision))
