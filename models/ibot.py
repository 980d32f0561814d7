"""iBOT: Zhou et al., Image BERT Pre-Training with Online Tokenizer, ICLR 2022.

The dense feature is the patch tokens after the final norm; positions as in DINO, whose code it
is built on. Needs a backbone file ({"state_dict": …}) or a full checkpoint.
"""

from __future__ import annotations

from tvseg_bench.benchmark.types import ModelCard
from tvseg_bench.models.loading.families import TOKENS, Backbone, family


def _backbone(arch: str, timm: str, dim: int, params_m: float, data: str = "1k") -> Backbone:
    whose = "teacher" if data == "1k" else "student"
    card = ModelCard(
        name=f"ibot/{arch}{'' if data == '1k' else '-in22k'}",
        patch_size=16,
        embed_dim=dim,
        params_m=params_m,
        interpolation="bicubic",
        num_prefix_tokens=1,
        pos_interp="dino",
        licence="Apache-2.0",
        paper="https://arxiv.org/abs/2111.07832",
        code="https://github.com/bytedance/ibot",
        pretraining_data=(f"imagenet-{data}",),
        notes=(
            f"{TOKENS} The {whose} is taken, as in the released backbone files, which the "
            "repository's README links to."
        ),
    )
    return Backbone(card=card, arch=timm, prefer=(whose,))


BACKBONES = (
    _backbone("vits16", "vit_small_patch16_224", 384, 21.7),
    _backbone("vitb16", "vit_base_patch16_224", 768, 85.8),
    _backbone("vitl16", "vit_large_patch16_224", 1024, 303.3),
    _backbone("vitb16", "vit_base_patch16_224", 768, 85.8, "22k"),
    _backbone("vitl16", "vit_large_patch16_224", 1024, 303.3, "22k"),
)

register = family(BACKBONES)
