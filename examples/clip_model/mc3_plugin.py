"""MC3-18 as a plugin of tvseg-bench: a model that looks at several frames at once.

Tran et al., A Closer Look at Spatiotemporal Convolutions, CVPR 2018
(https://arxiv.org/abs/1711.11248). The architecture is torchvision's; the weights are a file whose
names are those of torchvision's `mc3_18`.

    tvseg-bench run --model file:mc3_plugin.py:build --weights FILE …
    pip install . && tvseg-bench run --model mc3/18 --weights FILE …
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from tvseg_bench.benchmark.types import ModelCard, PatchFeatures
from tvseg_bench.models.loading.weights import find_weights, load_weights

CARD = ModelCard(
    name="mc3/18",
    patch_size=16,
    embed_dim=512,
    params_m=11.5,
    mean=(0.43216, 0.394666, 0.37645),
    std=(0.22803, 0.22145, 0.216989),
    temporal="clip",
    licence="BSD-3-Clause",
    paper="https://arxiv.org/abs/1711.11248",
    code="https://github.com/pytorch/vision",
    pretraining_data=("kinetics-400",),
    trained_on_labels=True,
    notes=(
        "Map of layer 4, stride 16. The first stages are 3-D and reach five frames either way, "
        "time is never halved: each frame has features of its own."
    ),
)


class MC3Features(torch.nn.Module):
    """Feature maps of all frames of a clip."""

    def __init__(self, weights: Path) -> None:
        super().__init__()
        from torchvision.models.video import mc3_18

        net = mc3_18(weights=None)
        net.fc = torch.nn.Identity()
        report = load_weights(net, weights)
        self.trunk = torch.nn.Sequential(net.stem, net.layer1, net.layer2, net.layer3, net.layer4)
        self.card = replace(CARD, revision=report.revision)

    def extract(self, images: torch.Tensor) -> PatchFeatures:
        """Map images [B, 3, H, W] to tokens [B, N, 512]: each is a clip of one frame."""
        return self.extract_clip(images[:, None])

    def extract_clip(self, clips: torch.Tensor) -> PatchFeatures:
        """Map clips [B, T, 3, H, W] to tokens [B * T, N, 512]."""
        maps = self.trunk(clips.transpose(1, 2))  # [B, 512, T, rows, cols]
        grid = (maps.shape[3], maps.shape[4])
        return PatchFeatures(maps.permute(0, 2, 3, 4, 1).flatten(0, 1).flatten(1, 2), grid)


def build(weights: Path | None = None) -> MC3Features:
    """Build the model from `--weights FILE`, or from its place in TVSEG_HOME."""
    return MC3Features(find_weights(CARD, weights))
