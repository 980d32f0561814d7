"""Franca: Venkataramanan et al., Nested Matryoshka Clustering, 2025.

DINOv2's ViT without registers, with SwiGLU at every size; the dense feature is
`x_norm_patchtokens` (without the RASA head), positions as in DINOv2 without registers. Blocks
are stored in chunks. ViT-g comes in three parts of a tar archive, to be joined by hand.
"""

from __future__ import annotations

from tvseg_bench.benchmark.types import ModelCard
from tvseg_bench.models.loading.families import TOKENS, Backbone, family

FILES = "https://github.com/valeoai/Franca/releases/download"

SIZES = {"b": (768, 12, 4096), "l": (1024, 24, 5472), "g": (1536, 40, 8192)}
"""Dimensions, depth, width of gate and value together (2/3 of 4 D, rounded up to 8, twice)."""


def _backbone(size: str, params_m: float, native: int, data: str, file: str | None) -> Backbone:
    dim, depth, gated = SIZES[size]
    card = ModelCard(
        name=f"franca/vit{size}14-{'in21k' if data == 'imagenet-21k' else 'laion'}-{native}",
        patch_size=14,
        embed_dim=dim,
        params_m=params_m,
        interpolation="bicubic",
        num_prefix_tokens=1,
        pos_interp="dino",
        licence="https://github.com/valeoai/Franca/blob/main/LICENSE_MODEL",
        paper="https://arxiv.org/abs/2507.14137",
        code="https://github.com/valeoai/Franca",
        pretraining_data=(data,),
        weights_url=f"{FILES}/{file}" if file else None,
        notes=(
            f"{TOKENS} Teacher, without the RASA head. Trained at {native} pixels. Off that grid "
            "timm would interpolate positions otherwise."
        ),
    )
    options = {
        "embed_dim": dim,
        "depth": depth,
        "num_heads": dim // 64,
        "mlp_ratio": gated / dim,
        "img_size": native,
    }
    return Backbone(
        card=card,
        arch="vit_giant_patch14_dinov2",
        options=options,
        naming="dinov2",
        prefer=("teacher",),
        ignore=("rasa_head.*",),
    )


BACKBONES = (
    _backbone("b", 86.6, 518, "imagenet-21k", "v1.0.0/franca_vitb14_In21K.pth"),
    _backbone("b", 85.7, 224, "imagenet-21k", "v1.1.0/franca_vitb14_In21K_224.pth"),
    _backbone("l", 303.7, 224, "laion-600m", "v1.1.0/franca_vitl14_Laion600M_224.pth"),
    _backbone("l", 304.8, 518, "laion-600m", "v1.1.0/franca_vitl14_Laion_518.pth"),
    _backbone("g", 1134.8, 224, "laion-600m", None),
)

register = family(BACKBONES)
