"""DINOv3: Siméoni et al. 2025, ViT with rotary positions and 4 registers, and ConvNeXt.

The dense feature is the patch tokens after the final norm, of ConvNeXt the last map after it.
The files are given out on request: fill in the form that the repository names, and put them in
their place or give them with --weights. Official files and timm's (`…_qkvb`) are both read.
"""

from __future__ import annotations

from typing import Any

from tvseg_bench.benchmark.types import ModelCard
from tvseg_bench.models.loading.families import TOKENS, Backbone, family

FILES = "https://dl.fbaipublicfiles.com/dinov3"

GATED = "Given out on request: see the form in the repository."
SATELLITE: dict[str, Any] = {"mean": (0.430, 0.411, 0.296), "std": (0.213, 0.156, 0.143)}
"""Input statistics of the models trained on SAT-493M (README)."""


def _card(
    arch: str, dim: int, params_m: float, data: str, digits: str, **fields: Any
) -> ModelCard:
    satellite = data == "sat493m"
    name = f"dinov3/{arch.replace('_', '-')}{'-sat' if satellite else ''}"
    file = f"dinov3_{arch}_pretrain_{data}-{digits}.pth"
    return ModelCard(
        name=name,
        embed_dim=dim,
        params_m=params_m,
        interpolation="bicubic",
        licence="https://ai.meta.com/resources/models-and-libraries/dinov3-license/",
        paper="https://arxiv.org/abs/2508.10104",
        code="https://github.com/facebookresearch/dinov3",
        pretraining_data=("sat-493m" if satellite else "lvd-1689m",),
        weights_url=f"{FILES}/dinov3_{arch}/{file}",
        **{**fields, **(SATELLITE if satellite else {})},
    )


def _vit(
    arch: str, timm: str, dim: int, params_m: float, digits: str, data: str = "lvd1689m"
) -> Backbone:
    notes = (
        f"{TOKENS} {GATED} Rotary positions from periods in float32 as in timm; the official hub "
        "keeps them in bfloat16, so its features differ a little."
    )
    card = _card(
        arch,
        dim,
        params_m,
        data,
        digits,
        patch_size=16,
        num_prefix_tokens=5,
        pos_interp="rope",
        notes=notes,
    )
    return Backbone(card=card, arch=timm, naming="dinov3", timm=f"{timm}.{data}")


def _convnext(size: str, dim: int, params_m: float, digits: str) -> Backbone:
    card = _card(
        f"convnext_{size}",
        dim,
        params_m,
        "lvd1689m",
        digits,
        patch_size=32,
        notes=(
            "Dense features: the last map after the final norm, stride 32; timm:… leaves the norm "
            f"out. {GATED}"
        ),
    )
    return Backbone(
        card=card,
        arch=f"convnext_{size}",
        naming="dinov3-convnext",
        timm=f"convnext_{size}.dinov3_lvd1689m",
    )


BACKBONES = (
    _vit("vits16", "vit_small_patch16_dinov3_qkvb", 384, 21.6, "08c60483"),
    _vit("vits16plus", "vit_small_plus_patch16_dinov3_qkvb", 384, 28.7, "4057cbaa"),
    _vit("vitb16", "vit_base_patch16_dinov3_qkvb", 768, 85.7, "73cec8be"),
    _vit("vitl16", "vit_large_patch16_dinov3_qkvb", 1024, 303.1, "8aa4cbdd"),
    _vit("vitl16", "vit_large_patch16_dinov3_qkvb", 1024, 303.1, "eadcf0ff", "sat493m"),
    _vit("vith16plus", "vit_huge_plus_patch16_dinov3_qkvb", 1280, 840.6, "7c1da9a5"),
    _vit("vit7b16", "vit_7b_patch16_dinov3", 4096, 6716.0, "a955f4ea"),
    _vit("vit7b16", "vit_7b_patch16_dinov3", 4096, 6716.0, "a6675841", "sat493m"),
    _convnext("tiny", 768, 27.8, "21b726bb"),
    _convnext("small", 768, 49.5, "296db49d"),
    _convnext("base", 1024, 87.6, "801f2ba9"),
    _convnext("large", 1536, 196.2, "61fa432d"),
)

register = family(BACKBONES)
