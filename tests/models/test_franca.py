"""Franca: SwiGLU and a positional embedding of its own at every size."""

from typing import Any

import pytest

from tvseg_bench.models.franca import BACKBONES
from tvseg_bench.models.loading.families import Backbone

GATED = {768: (4096, 2048), 1024: (5472, 2736), 1536: (8192, 4096)}
"""Rows of `w12` and columns of `w3` in the official files."""


@pytest.mark.parametrize("backbone", BACKBONES, ids=lambda b: b.card.name)
def test_full_size(backbone: Backbone, full_size: Any) -> None:
    shapes = full_size(backbone, None)["shapes"]
    rows, cols = GATED[backbone.card.embed_dim]
    assert shapes["blocks.0.mlp.fc1.weight"][0] == rows
    assert shapes["blocks.0.mlp.fc2.weight"][1] == cols
    native = int(backbone.card.name.rpartition("-")[2])
    assert shapes["pos_embed"][1] == 1 + (native // 14) ** 2
