"""ResNet-50 as a plugin of tvseg-bench: a map with stride 16 instead of tokens.

He et al., Deep Residual Learning, 2015 (https://arxiv.org/abs/1512.03385). The architecture is
torchvision's with its last stage dilated; the weights are a file whose names are those of
torchvision's `resnet50`.

    tvseg-bench run --model file:resnet_plugin.py:build --weights FILE …
    pip install . && tvseg-bench run --model resnet/50-dilated --weights FILE …
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from tvseg_bench.benchmark.types import ModelCard, PatchFeatures
from tvseg_bench.models.loading.weights import find_weights, load_weights

CARD = ModelCard(
    name="resnet/50-dilated",
    patch_size=16,
    embed_dim=2048,
    params_m=23.5,
    licence="BSD-3-Clause",
    paper="https://arxiv.org/abs/1512.03385",
    code="https://github.com/pytorch/vision",
    pretraining_data=("imagenet-1k",),
    trained_on_labels=True,
    notes="Map of layer 4, dilated so that its stride is 16; the classifier is left aside.",
)


class ResNetFeatures(torch.nn.Module):
    """The map before the classifier, one token per 16 x 16 pixels."""

    def __init__(self, weights: Path) -> None:
        super().__init__()
        from torchvision.models import resnet50

        net = resnet50(weights=None, replace_stride_with_dilation=[False, False, True])
        net.fc = torch.nn.Identity()  # no parameters: `fc.*` in the file is a head, not missing
        report = load_weights(net, weights)
        self.trunk = torch.nn.Sequential(
            *(module for name, module in net.named_children() if name not in ("avgpool", "fc"))
        )
        self.card = replace(CARD, revision=report.revision)

    def extract(self, images: torch.Tensor) -> PatchFeatures:
        """Map images [B, 3, H, W] to tokens [B, H / 16 * W / 16, 2048]."""
        maps = self.trunk(images)
        return PatchFeatures(maps.flatten(2).transpose(1, 2), (maps.shape[2], maps.shape[3]))


def build(weights: Path | None = None) -> ResNetFeatures:
    """Build the model from `--weights FILE`, or from its place in TVSEG_HOME."""
    return ResNetFeatures(find_weights(CARD, weights))
