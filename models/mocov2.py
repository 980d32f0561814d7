"""MoCo v2: Chen et al., Improved Baselines with Momentum Contrastive Learning, 2020.

The dense feature is the map of layer 4 of its ResNet-50, stride 32. Needs the official file; its
query encoder is taken, as in facebookresearch/moco (main_lincls.py), and its MLP head left aside.
"""

from __future__ import annotations

from tvseg_bench.benchmark.types import ModelCard
from tvseg_bench.models.loading.families import Backbone, family

FILES = "https://dl.fbaipublicfiles.com/moco/moco_checkpoints"


def _backbone(epochs: int) -> Backbone:
    file = f"moco_v2_{epochs}ep"
    card = ModelCard(
        name=f"mocov2/resnet50{'' if epochs == 800 else f'-{epochs}ep'}",
        patch_size=32,
        embed_dim=2048,
        params_m=23.5,
        licence="CC-BY-NC-4.0",
        paper="https://arxiv.org/abs/2003.04297",
        code="https://github.com/facebookresearch/moco",
        pretraining_data=("imagenet-1k",),
        weights_url=f"{FILES}/{file}/{file}_pretrain.pth.tar",
        notes=(
            f"Dense features: the map of layer 4, stride 32. Query encoder after {epochs} epochs."
        ),
    )
    return Backbone(card=card, arch="resnet50", prefer=("state_dict.module.encoder_q",))


BACKBONES = (_backbone(800), _backbone(200))

register = family(BACKBONES)
