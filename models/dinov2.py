"""DINOv2: Oquab et al. 2023, and with registers: Darcet et al., ICLR 2024.

The dense feature is `x_norm_patchtokens`. The two halves of the family interpolate positions
differently (facebookresearch/dinov2 hub/backbones.py: offset 0.1 without antialiasing, and by
size with antialiasing for models with registers). Official files and timm's are both read.
"""

from __future__ import annotations

from tvseg_bench.benchmark.types import ModelCard
from tvseg_bench.models.loading.families import TOKENS, Backbone, family

FILES = "https://dl.fbaipublicfiles.com/dinov2"

SIZES = {
    "s": ("small", 384, 22.1),
    "b": ("base", 768, 86.6),
    "l": ("large", 1024, 304.4),
    "g": ("giant", 1536, 1136.5),
}
"""timm's word, dimensions, parameters in millions."""


def _backbone(size: str, registers: bool) -> Backbone:
    word, embed_dim, params_m = SIZES[size]
    arch = f"vit_{word}_patch14_{'reg4_' if registers else ''}dinov2"
    file = f"dinov2_vit{size}14{'_reg4' if registers else ''}_pretrain.pth"
    card = ModelCard(
        name=f"dinov2/vit{size}14{'-reg' if registers else ''}",
        patch_size=14,
        embed_dim=embed_dim,
        params_m=params_m,
        interpolation="bicubic",
        num_prefix_tokens=5 if registers else 1,
        pos_interp="timm" if registers else "dino",
        licence="Apache-2.0",
        paper=f"https://arxiv.org/abs/{'2309.16588' if registers else '2304.07193'}",
        code="https://github.com/facebookresearch/dinov2",
        pretraining_data=("lvd-142m",),
        weights_url=f"{FILES}/dinov2_vit{size}14/{file}",
        notes=(
            f"{TOKENS} Trained at 518 pixels. Positions are interpolated as in timm."
            if registers
            else f"{TOKENS} Trained at 518 pixels. Positions are interpolated as in the official "
            "hub; timm does otherwise, so timm:… differs at every other size, most at small ones."
        ),
    )
    return Backbone(card=card, arch=arch, naming="dinov2", timm=f"{arch}.lvd142m")


BACKBONES = tuple(_backbone(size, registers) for registers in (False, True) for size in SIZES)

register = family(BACKBONES)
