"""SqueezeNet 1.0 as a plugin of tvseg-bench, written as anybody outside the project would.

Iandola et al., SqueezeNet, 2016 (https://arxiv.org/abs/1602.07360). The architecture is
torchvision's; the weights are a file whose names are those of torchvision's `squeezenet1_0`.

    tvseg-bench run --model file:squeezenet_plugin.py:build --weights FILE …
    pip install . && tvseg-bench run --model squeezenet/1.0 --weights FILE …
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from tvseg_bench.benchmark.types import ModelCard, PatchFeatures
from tvseg_bench.models.loading.weights import find_weights, load_weights

# The weights want BGR in 0..255 minus (104, 117, 123). The suite hands over RGB, normalised as
# (image / 255 - mean) / std, so the scale is set here and the order in `extract`.
BGR_MEAN = (104, 117, 123)

CARD = ModelCard(
    name="squeezenet/1.0",
    patch_size=16,
    embed_dim=512,
    params_m=0.74,
    mean=tuple(value / 255 for value in reversed(BGR_MEAN)),
    std=(1 / 255, 1 / 255, 1 / 255),
    licence="BSD-2-Clause",
    paper="https://arxiv.org/abs/1602.07360",
    code="https://github.com/forresti/SqueezeNet",
    pretraining_data=("imagenet-1k",),
    trained_on_labels=True,
    notes="Feature map before the classifier. Weights decoded from the Deep Compression release.",
)

PADDING = 9
"""Pixels on each side, of the mean colour. Unpadded, cell i of the map looks at pixel 17 + 16 i
and a row is lost at the border; padded, at 8 + 16 i, the middle of its patch, and there are H / 16
rows. (The classifier was trained unpadded; segmentation gains from cells in their places.)"""


class SqueezeNetFeatures(torch.nn.Module):
    """The feature map of SqueezeNet 1.0, one token per patch of 16 pixels."""

    def __init__(self, weights: Path) -> None:
        super().__init__()
        from torchvision.models import squeezenet1_0

        self.features = squeezenet1_0(weights=None).features
        self.card = replace(CARD, revision=load_weights(self.features, weights).revision)

    def extract(self, images: torch.Tensor) -> PatchFeatures:
        """Map RGB images [B, 3, H, W] to tokens [B, H / 16 * W / 16, 512]."""
        bgr = images.flip(1)
        maps = self.features(torch.nn.functional.pad(bgr, [PADDING] * 4))
        rows, cols = maps.shape[-2:]
        return PatchFeatures(maps.flatten(2).transpose(1, 2), (rows, cols))


def build(weights: Path | None = None) -> SqueezeNetFeatures:
    """Build the model from `--weights FILE`, or from its place in TVSEG_HOME."""
    return SqueezeNetFeatures(find_weights(CARD, weights))
