"""STEGO: Hamilton et al., Unsupervised Semantic Segmentation by Distilling Features, ICLR 2022.

The dense feature is the code of 70, 90 or 100 dimensions that its head makes of DINO's tokens;
as a segmenter it brings the clusters of its cluster probe. Needs a Lightning checkpoint, whose
OmegaConf configuration is read without executing anything. STEGO's own DINO ViT-S/8 is the one
of 300 epochs, not the hub's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tvseg_bench.benchmark.errors import ModelError
from tvseg_bench.benchmark.types import FeatureModel, ModelCard
from tvseg_bench.models.loading.families import Backbone, family

if TYPE_CHECKING:
    from torch import Tensor

FILES = "https://marhamilresearch4.blob.core.windows.net/stego-public/saved_models"

BESIDE = ("train_cluster_probe.*", "decoder.*")
"""Parts of the Lightning module that training alone needs."""


def _backbone(
    arch: str, timm: str, dim: int, params_m: float, data: str, file: str | None
) -> Backbone:
    card = ModelCard(
        name=f"stego/{arch}",
        patch_size=8,
        embed_dim=dim,
        params_m=params_m,
        num_prefix_tokens=1,
        pos_interp="dino",
        paper="https://arxiv.org/abs/2203.08414",
        code="https://github.com/mhamilton723/STEGO",
        pretraining_data=("imagenet-1k", data),
        weights_url=f"{FILES}/{file}" if file else None,
        notes=(
            f"Dense features: the {dim}-dimensional code, on a frozen DINO; segments by its "
            "cluster probe. Its own evaluation resizes images by nearest neighbour to 320 pixels "
            "and crops them. Positions as in DINO."
        ),
    )
    return Backbone(card=card, arch=timm)


SMALL, BASE = "vit_small_patch8_224", "vit_base_patch8_224"

BACKBONES = (
    _backbone("vits8", SMALL, 70, 21.9, "cocostuff-27", None),
    _backbone("vits8-potsdam", SMALL, 70, 21.9, "potsdam-3", "potsdam_test.ckpt"),
    _backbone("vitb8-cocostuff27", BASE, 90, 86.5, "cocostuff-27", "cocostuff27_vit_base_5.ckpt"),
    _backbone("vitb8-cityscapes", BASE, 100, 86.6, "cityscapes", "cityscapes_vit_base_1.ckpt"),
)


def build(backbone: Backbone, weights: Path | None = None) -> FeatureModel:
    """Build STEGO from a Lightning checkpoint: backbone, code and probes.

    Raises:
        ModelError: if there is no file, it does not hold all of them, or its code has another
            dimension or is made of other features.
    """
    from tvseg_bench.models.loading.checkpoint import read_checkpoint
    from tvseg_bench.models.loading.weights import HEADS, find_weights, load_weights
    from tvseg_bench.models.networks.dense import create_net
    from tvseg_bench.models.networks.stego_net import StegoFeatures, StegoNet

    path = find_weights(backbone.card, weights)
    tensors, config = read_checkpoint(path)
    of_keys = _code_of_keys(path, config, backbone)
    sizes = _sizes(path, tensors)
    _check_dim(path, sizes["dim"], backbone.card)
    nonlinear = any(name.endswith("net.cluster2.0.weight") for name in tensors)
    net = StegoNet(create_net(backbone.arch, backbone.options), nonlinear=nonlinear, **sizes)
    report = load_weights(net, path, tensors=tensors, ignore=(*HEADS, *BESIDE), card=backbone.card)
    card = replace(backbone.card, revision=report.revision)
    return StegoFeatures(net, card, of="keys" if of_keys else "tokens")


def _sizes(path: Path, tensors: Mapping[str, Tensor]) -> dict[str, int]:
    """Return the sizes of the code and the probes, read from the shapes of their tensors."""
    wanted = {
        "dim": "net.cluster1.0.weight",
        "clusters": "cluster_probe.clusters",
        "classes": "linear_probe.weight",
    }
    found: dict[str, int] = {}
    for word, ending in wanted.items():
        for name, tensor in tensors.items():
            trained = name.endswith(f"train_{ending}")
            if name.endswith(ending) and not trained and tensor.ndim > 1:
                found[word] = tensor.shape[0]
    for word, ending in wanted.items():
        if word not in found:
            raise ModelError(
                f"{path} holds no {ending}; expected a checkpoint of STEGO with its head and both "
                "probes"
            )
    return found


def _check_dim(path: Path, dim: int, card: ModelCard) -> None:
    if dim == card.embed_dim:
        return
    known = [b.card.name for b in BACKBONES if b.card.embed_dim == dim]
    hint = f"; try --model {' or '.join(known)}" if known else ""
    raise ModelError(
        f"{path} holds a code of {dim} dimensions, not the {card.embed_dim} of {card.name}{hint}"
    )


def _code_of_keys(path: Path, config: Mapping[str, object], backbone: Backbone) -> bool:
    """Return whether the code is made of the last block's keys; refuse what is neither."""
    kind = config.get("cfg.dino_feat_type", "feat")
    if kind == "feat":
        return False
    if kind != "KK":
        raise ModelError(
            f"{path} makes its code of dino_feat_type={kind!r}, expected 'feat' (the tokens of "
            "the last block) or 'KK' (its keys)"
        )
    if backbone.arch != SMALL:
        raise ModelError(
            f"{path} makes its code of dino_feat_type='KK', which STEGO defines for six heads "
            f"only, and {backbone.card.name} has twelve"
        )
    return True


register = family(BACKBONES, build)
