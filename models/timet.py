"""TimeT: Salehi et al., Time Does Tell: Self-Supervised Time-Tuning, ICCV 2023.

DINO, fine-tuned on videos of YouTube-VOS; the dense feature and the positions are DINO's. A file
holds the student (`feature_extractor.backbone.`) and sometimes a teacher beside it: the student
is taken. Where its head and prototypes are there too, the model also segments by the nearest
prototype.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tvseg_bench.benchmark.types import FeatureModel, ModelCard
from tvseg_bench.models.loading.families import TOKENS, Backbone, family

STUDENT = ("feature_extractor.", "model.feature_extractor.", "module.feature_extractor.")


def _backbone(arch: str, timm: str, dim: int, params_m: float, notes: str) -> Backbone:
    card = ModelCard(
        name=f"timet/{arch}",
        patch_size=16,
        embed_dim=dim,
        params_m=params_m,
        interpolation="bicubic",
        num_prefix_tokens=1,
        pos_interp="dino",
        licence="BSD-3-Clause-Clear",
        paper="https://arxiv.org/abs/2308.11796",
        code="https://github.com/SMSD75/Timetuning",
        pretraining_data=("imagenet-1k", "youtube-vos-2019"),
        trained_on_eval_data=("youtube-vos-2019",),
        notes=(
            f"{TOKENS} {notes} Fine-tuned without labels on the videos of YouTube-VOS: its rows "
            "on that data set are not unseen data. The student is taken where a teacher stands "
            "beside it."
        ),
    )
    return Backbone(card=card, arch=timm, prefer=STUDENT)


BACKBONES = (
    _backbone(
        "vits16",
        "vit_small_patch16_224",
        384,
        21.7,
        "The released weights were chosen by their score on the PASCAL VOC validation images.",
    ),
    _backbone("vitb16", "vit_base_patch16_224", 768, 85.8, "Not released by its authors."),
)


def build(backbone: Backbone, weights: Path | None = None) -> FeatureModel:
    """Build TimeT from its file; with head and prototypes it is a Segmenter as well.

    Raises:
        ModelError: if there is no file, or it does not hold this backbone completely.
    """
    from tvseg_bench.models.loading.checkpoint import read_tensors
    from tvseg_bench.models.loading.weights import find_weights, load_weights
    from tvseg_bench.models.networks.dense import create_net, dense_model
    from tvseg_bench.models.networks.prototypes import PrototypeSegmenter, find_head

    path = find_weights(backbone.card, weights)
    tensors = read_tensors(path)
    net = create_net(backbone.arch, backbone.options)
    report = load_weights(net, path, tensors=tensors, prefer=backbone.prefer, card=backbone.card)
    card = replace(backbone.card, revision=report.revision)
    head = find_head(tensors, report.prefix, card.embed_dim, path)
    return PrototypeSegmenter(net, card, head) if head else dense_model(net, card)


register = family(BACKBONES, build)
