"""MoSiC: Salehi et al., Optimal-Transport Motion Trajectory, ICCV 2025.

DINO, DINOv2 and EVA-CLIP, fine-tuned on videos of YouTube-VOS. The released files hold timm's
names, bare or (as the README has it) below two components: both are found. Positions are
interpolated by timm, in which the models were trained and evaluated (at 224 pixels).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tvseg_bench.benchmark.types import ModelCard
from tvseg_bench.models.loading.families import TOKENS, Backbone, family


def _backbone(
    arch: str,
    timm: str,
    patch: int,
    dim: int,
    params_m: float,
    *,
    data: str,
    prefix: int = 1,
    options: Mapping[str, Any] | None = None,
) -> Backbone:
    card = ModelCard(
        name=f"mosic/{arch}",
        patch_size=patch,
        embed_dim=dim,
        params_m=params_m,
        interpolation="bicubic",
        num_prefix_tokens=prefix,
        pos_interp="timm",
        paper="https://arxiv.org/abs/2506.08694",
        code="https://github.com/SMSD75/MoSiC",
        pretraining_data=(data, "youtube-vos-2019"),
        trained_on_eval_data=("youtube-vos-2019",),
        notes=(
            f"{TOKENS} The repository's README links to the file. Fine-tuned without labels on "
            "the videos of YouTube-VOS: its rows on that data set are not unseen data."
        ),
    )
    return Backbone(card=card, arch=timm, naming="dinov2", options=options or {})


NATIVE = {"img_size": 224}
"""DINOv2's table was brought to 16 x 16 patches before training."""

BACKBONES = (
    _backbone("dino-vits16", "vit_small_patch16_224", 16, 384, 21.7, data="imagenet-1k"),
    *(
        _backbone(
            f"dinov2{short}-vit{size}14",
            f"vit_{word}_patch14_{reg}dinov2",
            14,
            dim,
            params_m,
            data="lvd-142m",
            prefix=prefix,
            options=NATIVE,
        )
        for short, reg, prefix, size, word, dim, params_m in (
            ("", "", 1, "s", "small", 384, 21.6),
            ("", "", 1, "b", "base", 768, 85.7),
            ("", "", 1, "l", "large", 1024, 303.2),
            ("r", "reg4_", 5, "s", "small", 384, 21.6),
            ("r", "reg4_", 5, "b", "base", 768, 85.7),
        )
    ),
    _backbone("evaclip-vitb16", "eva02_base_patch16_clip_224", 16, 768, 85.9, data="merged-2b"),
)

register = family(BACKBONES)
