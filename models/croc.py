"""CrOC: Stegmüller et al., Cross-View Online Clustering, CVPR 2023.

The dense feature and the positions are DINO's, whose code it is built on. Needs a full
checkpoint, whose teacher is taken. (NeCo's registry names the ImageNet file as DINO's.)
"""

from __future__ import annotations

from tvseg_bench.benchmark.types import ModelCard
from tvseg_bench.models.loading.families import TOKENS, Backbone, family

FILES = "https://rdr.kuleuven.be/api/access/datafile"


def _backbone(suffix: str, data: tuple[str, ...], number: int, notes: str = "") -> Backbone:
    card = ModelCard(
        name=f"croc/vits16{suffix}",
        patch_size=16,
        embed_dim=384,
        params_m=21.7,
        interpolation="bicubic",
        num_prefix_tokens=1,
        pos_interp="dino",
        licence="MIT",
        paper="https://arxiv.org/abs/2303.13245",
        code="https://github.com/stegmuel/CrOC",
        pretraining_data=data,
        weights_url=f"{FILES}/{number}",
        notes=f"{TOKENS} Teacher of the full checkpoint.{notes}",
    )
    return Backbone(card=card, arch="vit_small_patch16_224", prefer=("teacher",))


WHICH = " Of COCO and COCO+ the repository does not say which file is which."

BACKBONES = (
    _backbone("", ("imagenet-1k",), 28925),
    _backbone("-coco-31383", ("coco",), 31383, WHICH),
    _backbone("-coco-31400", ("coco",), 31400, WHICH),
)

register = family(BACKBONES)
