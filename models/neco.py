"""NeCo: Pariza et al., Near, far: Patch-ordering enhances vision foundation models, ICLR 2025.

DINO, TimeT, Leopart and DINOv2, fine-tuned on COCO. The released files hold bare names, those of
DINO or of DINOv2. NeCo's own ViT interpolates positions as DINO does, models with registers
included (src/models, `vit_v2`: offset 0.1, no antialiasing).
"""

from __future__ import annotations

from tvseg_bench.benchmark.types import ModelCard
from tvseg_bench.models.loading.families import TOKENS, Backbone, family

YOUTUBE_VOS = "youtube-vos-2019"


def _backbone(
    arch: str, timm: str, params_m: float, *, data: tuple[str, ...], prefix: int = 1
) -> Backbone:
    patch, dim = int(arch[-2:]), 768 if "vitb" in arch else 384
    card = ModelCard(
        name=f"neco/{arch}",
        patch_size=patch,
        embed_dim=dim,
        params_m=params_m,
        interpolation="bicubic",
        num_prefix_tokens=prefix,
        pos_interp="dino",
        paper="https://arxiv.org/abs/2408.11054",
        code="https://github.com/vpariza/NeCo",
        pretraining_data=(*data, "coco"),
        trained_on_eval_data=(YOUTUBE_VOS,) if YOUTUBE_VOS in data else (),
        notes=(
            f"{TOKENS} Released as student (_model.ckpt) and teacher (_teacher.ckpt) in files of "
            "their own; the revision says which one it was. Positions as in NeCo's code, which "
            "differs from timm's off the native grid."
        ),
    )
    return Backbone(card=card, arch=timm, naming="dinov2")


IMAGENET, LVD = ("imagenet-1k",), ("lvd-142m",)

BACKBONES = (
    _backbone("dino-vits16", "vit_small_patch16_224", 21.7, data=IMAGENET),
    _backbone("timet-vits16", "vit_small_patch16_224", 21.7, data=(*IMAGENET, YOUTUBE_VOS)),
    _backbone("leopart-vits16", "vit_small_patch16_224", 21.7, data=IMAGENET),
    _backbone("dinov2-vits14", "vit_small_patch14_dinov2", 22.1, data=LVD),
    _backbone("dinov2-vitb14", "vit_base_patch14_dinov2", 86.6, data=LVD),
    _backbone("dinov2r-vits14", "vit_small_patch14_reg4_dinov2", 22.1, data=LVD, prefix=5),
    _backbone("dinov2r-vitb14", "vit_base_patch14_reg4_dinov2", 86.6, data=LVD, prefix=5),
    _backbone("dinov2r-xr-vits14", "vit_small_patch14_dinov2", 22.1, data=LVD),
    _backbone("dinov2r-xr-vitb14", "vit_base_patch14_dinov2", 86.6, data=LVD),
)

register = family(BACKBONES)
