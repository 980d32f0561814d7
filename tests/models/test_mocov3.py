"""MoCo v3: twelve heads at either size."""

from typing import Any

import pytest
import torch

from tvseg_bench.models.loading.families import Backbone
from tvseg_bench.models.mocov3 import BACKBONES
from tvseg_bench.models.networks.dense import create_net


@pytest.mark.parametrize("backbone", BACKBONES, ids=lambda b: b.card.name)
def test_there_are_twelve_heads(backbone: Backbone) -> None:
    with torch.device("meta"):
        net: Any = create_net(backbone.arch, backbone.options)
    assert net.blocks[0].attn.num_heads == 12
