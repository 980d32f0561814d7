"""The foreground of a frame is the one of the `foreground` protocol."""

from typing import Any

import pytest
import torch

from tvseg_bench.benchmark.clustering.foreground_clusters import heavy_mask
from tvseg_bench.benchmark.errors import ModelError
from tvseg_bench.models.training.objectives.foreground_patches import foreground_masks


def test_mask_of_every_frame_is_its_own(backbone: Any) -> None:
    state = torch.randn(2, 3, 6, 7, 8)
    masks = foreground_masks(backbone, state, (6, 7), 0.65)
    assert masks.shape == (2, 3, 6, 7)
    for b in range(2):
        for t in range(3):
            saliency = backbone.attention(state[b, t][None], (6, 7))[0].numpy()
            expected = torch.from_numpy(heavy_mask(saliency, 0.65)).float()
            assert torch.equal(masks[b, t], expected)
    assert 0 < masks.mean() < 1


def test_backbone_without_attention_is_told_so() -> None:
    with pytest.raises(ModelError, match=r"which object does not have; choose foreground=none"):
        foreground_masks(object(), torch.zeros(1, 1, 2), (1, 2), 0.65)
