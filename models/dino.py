"""DINO: Caron et al., Emerging Properties in Self-Supervised Vision Transformers, ICCV 2021.

The dense feature is the patch tokens of the last block after the final norm; positional
embeddings are interpolated as in facebookresearch/dino. ResNet-50: the map of layer 4. Needs one
of the official files, a backbone or a full checkpoint, whose teacher is taken.
"""

from __future__ import annotations

from typing import Any

from tvseg_bench.benchmark.types import ModelCard
from tvseg_bench.models.loading.families import TOKENS, Backbone, family

FILES = "https://dl.fbaipublicfiles.com/dino"


def _card(arch: str, patch_size: int, embed_dim: int, params_m: float, file: str) -> ModelCard:
    vit: dict[str, Any] = {"num_prefix_tokens": 1, "pos_interp": "dino"}
    return ModelCard(
        name=f"dino/{arch}",
        patch_size=patch_size,
        embed_dim=embed_dim,
        params_m=params_m,
        interpolation="bicubic",
        licence="Apache-2.0",
        paper="https://arxiv.org/abs/2104.14294",
        code="https://github.com/facebookresearch/dino",
        pretraining_data=("imagenet-1k",),
        weights_url=f"{FILES}/{file}/{file}.pth",
        notes=(
            f"{TOKENS} Official weights of the teacher. Off the native grid timm interpolates "
            "positions otherwise, so timm:… differs there."
            if arch.startswith("vit")
            else "Dense features: the map of layer 4, stride 32. Official weights of the teacher."
        ),
        **(vit if arch.startswith("vit") else {}),
    )


def _vit(card: ModelCard, arch: str) -> Backbone:
    return Backbone(card=card, arch=arch, prefer=("teacher",), timm=f"{arch}.dino")


BACKBONES = (
    _vit(_card("vits16", 16, 384, 21.7, "dino_deitsmall16_pretrain"), "vit_small_patch16_224"),
    _vit(_card("vits8", 8, 384, 21.7, "dino_deitsmall8_pretrain"), "vit_small_patch8_224"),
    _vit(_card("vitb16", 16, 768, 85.8, "dino_vitbase16_pretrain"), "vit_base_patch16_224"),
    _vit(_card("vitb8", 8, 768, 85.8, "dino_vitbase8_pretrain"), "vit_base_patch8_224"),
    Backbone(
        card=_card("resnet50", 32, 2048, 23.5, "dino_resnet50_pretrain"),
        arch="resnet50",
        prefer=("teacher",),
    ),
)

register = family(BACKBONES)
