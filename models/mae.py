"""MAE: He et al., Masked Autoencoders Are Scalable Vision Learners, CVPR 2022.

The dense feature is the patch tokens of the encoder after its final norm, which the pre-training
files hold (timm's models for fine-tuning replace it). Positions are fixed sines and cosines.
"""

from __future__ import annotations

from tvseg_bench.benchmark.types import ModelCard
from tvseg_bench.models.loading.families import TOKENS, Backbone, family

FILES = "https://dl.fbaipublicfiles.com/mae/pretrain"


def _backbone(arch: str, size: str, patch: int, dim: int, params_m: float) -> Backbone:
    timm = f"vit_{size}_patch{patch}_224"
    card = ModelCard(
        name=f"mae/{arch}",
        patch_size=patch,
        embed_dim=dim,
        params_m=params_m,
        interpolation="bicubic",
        num_prefix_tokens=1,
        pos_interp="timm",
        licence="CC-BY-NC-4.0",
        paper="https://arxiv.org/abs/2111.06377",
        code="https://github.com/facebookresearch/mae",
        pretraining_data=("imagenet-1k",),
        weights_url=f"{FILES}/mae_pretrain_vit_{size}.pth",
        notes=(
            f"{TOKENS} Nothing is masked. There is no official rule for other "
            "grids; positions are interpolated as in timm."
        ),
    )
    return Backbone(card=card, arch=timm, timm=f"{timm}.mae")


BACKBONES = (
    _backbone("vitb16", "base", 16, 768, 85.8),
    _backbone("vitl16", "large", 16, 1024, 303.3),
    _backbone("vith14", "huge", 14, 1280, 630.8),
)

register = family(BACKBONES)
