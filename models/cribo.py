"""CrIBo: Lebailly et al., Cross-Image Object-Level Bootstrapping, ICLR 2024.

The dense feature and the positions are DINO's, whose code it is built on. Needs a full
checkpoint, whose teacher is taken.
"""

from __future__ import annotations

from tvseg_bench.benchmark.types import ModelCard
from tvseg_bench.models.loading.families import TOKENS, Backbone, family

FILES = "https://rdr.kuleuven.be/api/access/datafile"


def _backbone(arch: str, timm: str, dim: int, params_m: float, data: str, number: int) -> Backbone:
    card = ModelCard(
        name=f"cribo/{arch}{'-coco' if data == 'coco' else ''}",
        patch_size=16,
        embed_dim=dim,
        params_m=params_m,
        interpolation="bicubic",
        num_prefix_tokens=1,
        pos_interp="dino",
        paper="https://arxiv.org/abs/2310.07855",
        code="https://github.com/tileb1/CrIBo",
        pretraining_data=(data,),
        weights_url=f"{FILES}/{number}",
        notes=f"{TOKENS} Teacher of the full checkpoint.",
    )
    return Backbone(card=card, arch=timm, prefer=("teacher",))


BACKBONES = (
    _backbone("vits16", "vit_small_patch16_224", 384, 21.7, "imagenet-1k", 159665),
    _backbone("vitb16", "vit_base_patch16_224", 768, 85.8, "imagenet-1k", 159666),
    _backbone("vits16", "vit_small_patch16_224", 384, 21.7, "coco", 159667),
)

register = family(BACKBONES)
