"""Leopart: Ziegler and Asano, Self-Supervised Learning of Object Parts, CVPR 2022.

DINO, fine-tuned with clusters of patches; the dense feature and the positions are DINO's. Needs
a full Lightning checkpoint or its state dict, with projection head and prototypes or without.
"""

from __future__ import annotations

from tvseg_bench.benchmark.types import ModelCard
from tvseg_bench.models.loading.families import TOKENS, Backbone, family


def _backbone(arch: str, timm: str, patch: int, dim: int, params_m: float) -> Backbone:
    card = ModelCard(
        name=f"leopart/{arch}",
        patch_size=patch,
        embed_dim=dim,
        params_m=params_m,
        interpolation="bicubic",
        num_prefix_tokens=1,
        pos_interp="dino",
        licence="MIT",
        paper="https://arxiv.org/abs/2204.13101",
        code="https://github.com/MkuuWaUjinga/leopart",
        pretraining_data=("imagenet-1k", "coco"),
        notes=(
            f"{TOKENS} Started from dino/{arch}. The repository's README links to the file. "
            "Positions as in DINO: off the native grid timm's ViT of the same weights differs."
        ),
    )
    return Backbone(card=card, arch=timm)


BACKBONES = (
    _backbone("vits16", "vit_small_patch16_224", 16, 384, 21.7),
    _backbone("vitb8", "vit_base_patch8_224", 8, 768, 85.8),
)

register = family(BACKBONES)
