"""SwAV: Caron et al., Contrasting Cluster Assignments, NeurIPS 2020.

The dense feature is the map of layer 4 of its ResNet-50, stride 32. Needs the official file,
with projection head and prototypes beside the backbone.
"""

from __future__ import annotations

from tvseg_bench.benchmark.types import ModelCard
from tvseg_bench.models.loading.families import Backbone, family

CARD = ModelCard(
    name="swav/resnet50",
    patch_size=32,
    embed_dim=2048,
    params_m=23.5,
    licence="https://github.com/facebookresearch/swav/blob/main/LICENSE",
    paper="https://arxiv.org/abs/2006.09882",
    code="https://github.com/facebookresearch/swav",
    pretraining_data=("imagenet-1k",),
    weights_url="https://dl.fbaipublicfiles.com/deepcluster/swav_800ep_pretrain.pth.tar",
    notes=(
        "Dense features: the map of layer 4, stride 32, after its last ReLU; TimeT's scripts "
        "take it before. 800 epochs."
    ),
)

BACKBONES = (Backbone(card=CARD, arch="resnet50"),)

register = family(BACKBONES)
