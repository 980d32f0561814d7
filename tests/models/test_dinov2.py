"""DINOv2: blocks in chunks, and a card that states where timm differs."""

from typing import Any

import pytest

from tvseg_bench.benchmark.errors import ModelError
from tvseg_bench.models.dinov2 import BACKBONES
from tvseg_bench.tests.models.official_files import dinov2_training


def test_one_of_two_chunks_is_missing(family: Any) -> None:
    state = family.state(BACKBONES[0])
    content = dinov2_training(
        {name: value for name, value in state.items() if "blocks.2" not in name}
    )
    with pytest.raises(
        ModelError, match=r"holds a ViT/14 \(dim 32, depth 2\), not a ViT/14 .*3\)"
    ):
        family.load(BACKBONES[0], content)


def test_two_tensors_of_one_name(family: Any) -> None:
    state = family.state(BACKBONES[0])
    content = {**state, **{n.replace("s.0.", "s.0.0."): v for n, v in state.items()}}
    with pytest.raises(ModelError, match=r"holds two tensors for blocks\.0\."):
        family.load(BACKBONES[0], content)


def test_the_card_states_where_timm_differs() -> None:
    assert "timm does otherwise" in BACKBONES[0].card.notes
