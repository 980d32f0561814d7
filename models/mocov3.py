"""MoCo v3: Chen et al., An Empirical Study of Training Self-Supervised ViTs, ICCV 2021.

The dense feature is the patch tokens after the final norm of `base_encoder`. Positions are fixed
sines and cosines. Its ViT-S has 12 heads, not the usual 6 (facebookresearch/moco-v3 vits.py):
shapes cannot tell, features can.
"""

from __future__ import annotations

from tvseg_bench.benchmark.types import ModelCard
from tvseg_bench.models.loading.families import TOKENS, Backbone, family

FILES = "https://dl.fbaipublicfiles.com/moco-v3"


def _backbone(arch: str, timm: str, dim: int, params_m: float) -> Backbone:
    file = f"vit-{arch[3]}-300ep"
    card = ModelCard(
        name=f"mocov3/{arch}",
        patch_size=16,
        embed_dim=dim,
        params_m=params_m,
        interpolation="bicubic",
        num_prefix_tokens=1,
        pos_interp="timm",
        licence="CC-BY-NC-4.0",
        paper="https://arxiv.org/abs/2104.02057",
        code="https://github.com/facebookresearch/moco-v3",
        pretraining_data=("imagenet-1k",),
        weights_url=f"{FILES}/{file}/{file}.pth.tar",
        notes=(
            f"{TOKENS} 300 epochs, base encoder, 12 heads at either size. There is no official "
            "rule for other grids; positions are interpolated as in timm."
        ),
    )
    return Backbone(
        card=card,
        arch=timm,
        options={"num_heads": 12},
        prefer=("state_dict.module.base_encoder",),
    )


BACKBONES = (
    _backbone("vits16", "vit_small_patch16_224", 384, 21.7),
    _backbone("vitb16", "vit_base_patch16_224", 768, 85.8),
)

register = family(BACKBONES)
