"""V-JEPA 2: Assran et al. 2025, a model of clips.

The dense feature is the output of the encoder after its final norm, one token for two frames and
16 x 16 pixels; there is no class token. Needs the official file, which holds several encoders:
`encoder` is taken, as in the hub of the release.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tvseg_bench.benchmark.types import FeatureModel, ModelCard
from tvseg_bench.models.loading.families import Backbone, family

FILES = "https://dl.fbaipublicfiles.com/vjepa2"


def _backbone(
    arch: str, params_m: float, file: str, *, dim: int, depth: int, heads: int, hidden: int
) -> Backbone:
    card = ModelCard(
        name=f"vjepa2/{arch}",
        patch_size=16,
        embed_dim=dim,
        params_m=params_m,
        interpolation="bicubic",
        pos_interp="rope",
        temporal="clip",
        licence="MIT",
        paper="https://arxiv.org/abs/2506.09985",
        code="https://github.com/facebookresearch/vjepa2",
        pretraining_data=("videomix-22m",),
        weights_url=f"{FILES}/{file}",
        notes=(
            "Dense features: the encoder's tokens after the final norm; both frames of a tubelet "
            "share them. There is no class token, so no attention either. Sees a whole clip, in "
            "windows of 64 frames as in training. Takes `encoder` of the file, not "
            "`target_encoder`, which later versions of the repository take."
        ),
    )
    options = {"dim": dim, "depth": depth, "heads": heads, "hidden": hidden}
    return Backbone(card=card, arch="video_vit", options=options, prefer=("encoder",))


_G = {"dim": 1408, "depth": 40, "heads": 22, "hidden": 6144}

BACKBONES = (
    _backbone("vitl16", 303.9, "vitl.pt", dim=1024, depth=24, heads=16, hidden=4096),
    _backbone("vith16", 631.6, "vith.pt", dim=1280, depth=32, heads=16, hidden=5120),
    _backbone("vitg16", 1012.2, "vitg.pt", **_G),
    _backbone("vitg16-384", 1012.2, "vitg-384.pt", **_G),
)


def build(backbone: Backbone, weights: Path | None = None) -> FeatureModel:
    """Build a clip model from an official file.

    Raises:
        ModelError: if there is no file, or it does not hold this encoder completely.
    """
    from tvseg_bench.models.loading.weights import HEADS, find_weights, load_weights
    from tvseg_bench.models.networks.video_vit import VideoFeatures, VideoViT

    path = find_weights(backbone.card, weights)
    net = VideoViT(**backbone.options)
    report = load_weights(
        net,
        path,
        prefer=backbone.prefer,
        ignore=(*HEADS, "pos_embed"),  # stored, but positions are rotary
        card=backbone.card,
    )
    return VideoFeatures(net, replace(backbone.card, revision=report.revision))


register = family(BACKBONES, build)
