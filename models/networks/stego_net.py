"""STEGO's network: a DINO ViT, a head that makes a code of its tokens, and two probes.

Parameters have the names of the Lightning checkpoints of mhamilton723/STEGO (src/modules.py).
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, normalize

from tvseg_bench.benchmark.types import ModelCard, PatchFeatures
from tvseg_bench.models.networks.dense import DenseViT


class StegoNet(nn.Module):
    """The parameters, by their names in the checkpoint."""

    def __init__(
        self, vit: Any, *, dim: int, clusters: int, classes: int, nonlinear: bool = True
    ) -> None:
        super().__init__()
        self.net = _Featurizer(vit, dim, nonlinear)
        self.cluster_probe = _Clusters(clusters, dim)
        self.linear_probe = nn.Conv2d(dim, classes, 1)


class _Featurizer(nn.Module):
    def __init__(self, vit: Any, dim: int, nonlinear: bool) -> None:
        super().__init__()
        width = vit.embed_dim
        self.model = vit
        self.cluster1 = nn.Sequential(nn.Conv2d(width, dim, 1))
        self.cluster2 = (
            nn.Sequential(nn.Conv2d(width, width, 1), nn.ReLU(), nn.Conv2d(width, dim, 1))
            if nonlinear
            else None
        )

    def code(self, maps: Tensor) -> Tensor:
        """Map tokens [B, D, rows, cols] to the code [B, dim, rows, cols]."""
        linear: Tensor = self.cluster1(maps)
        return linear if self.cluster2 is None else linear + self.cluster2(maps)


class _Clusters(nn.Module):
    def __init__(self, count: int, dim: int) -> None:
        super().__init__()
        self.clusters = nn.Parameter(torch.zeros(count, dim))


class StegoFeatures(nn.Module):
    """STEGO's code as dense features, and its clusters as a segmentation.

    Args:
        card: of the code: `embed_dim` is its dimension.
        of: what the code is made of, the last block's tokens after the final norm (`feat` in
            STEGO's configuration) or its keys (`KK`).
    """

    def __init__(
        self, stego: StegoNet, card: ModelCard, *, of: Literal["tokens", "keys"] = "tokens"
    ) -> None:
        super().__init__()
        self.of = of
        self.stego = stego
        self.card = card
        self.dense = DenseViT(stego.net.model, card)

    def extract(self, images: Tensor) -> PatchFeatures:
        """Map images [B, 3, H, W] to the code, tokens [B, N, dim]."""
        code = self._code(images)
        return PatchFeatures(code.flatten(2).transpose(1, 2), (code.shape[2], code.shape[3]))

    def extract_attention(self, images: Tensor) -> PatchFeatures:
        """Do as `extract`, with the attention of the backbone's class token."""
        attention = self.dense.extract_attention(images).attention
        features = self.extract(images)
        return PatchFeatures(features.tokens, features.grid, attention)

    def segment(self, images: Tensor) -> Tensor:
        """Map images [B, 3, H, W] to the ids [B, H, W] of the cluster probe.

        The code of the image and of its mirror image are averaged and brought to the image's
        size; the id is that of the cluster with the largest cosine (eval_segmentation.py).
        """
        return nearest_clusters(self._large_code(images), self.stego.cluster_probe.clusters)

    def _code(self, images: Tensor) -> Tensor:
        extract = self.dense.extract if self.of == "tokens" else self.dense.extract_keys
        features = extract(images)
        maps = features.tokens.transpose(1, 2)
        return self.stego.net.code(maps.reshape(*maps.shape[:2], *features.grid))

    def _large_code(self, images: Tensor) -> Tensor:
        code = (self._code(images) + self._code(images.flip(3)).flip(3)) / 2
        height, width = images.shape[-2:]
        return interpolate(code, (height, width), mode="bilinear", align_corners=False)


def nearest_clusters(codes: Tensor, clusters: Tensor) -> Tensor:
    """Return the cluster [B, H, W] of largest cosine, of codes [B, D, H, W] and clusters [K, D].

    Source: mhamilton723/STEGO src/modules.py (ClusterLookup).

    Example:
        >>> codes = torch.tensor([3.0, 4.0]).reshape(1, 2, 1, 1)
        >>> nearest_clusters(codes, torch.eye(2)).tolist()
        [[[1]]]
    """
    unit, centers = normalize(codes, dim=1), normalize(clusters, dim=1)
    return torch.einsum("bdhw,kd->bkhw", unit, centers).argmax(dim=1)
