"""STEGO's cluster probe: cosine similarity of dense codes to learned clusters.

Source: mhamilton723/STEGO src/modules.py (ClusterLookup); Hamilton et al., ICLR 2022,
arXiv 2203.08414.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize, one_hot


def cluster_similarity(codes: Tensor, clusters: Tensor) -> Tensor:
    """Return the cosine similarity [B, K, H, W], -1..1, of codes [B, D, H, W] to clusters [K, D].

    Example:
        >>> codes = torch.tensor([3.0, 4.0]).reshape(1, 2, 1, 1)
        >>> cluster_similarity(codes, torch.eye(2)).flatten().numpy().round(3).tolist()
        [0.6000000238418579, 0.800000011920929]
    """
    unit, centers = normalize(codes, dim=1), normalize(clusters, dim=1)
    return torch.einsum("bdhw,kd->bkhw", unit, centers)


def cluster_probabilities(
    similarity: Tensor, alpha: float | None = None, *, log: bool = False
) -> Tensor:
    """Return what share [B, K, H, W] of a pixel belongs to each cluster; sums to 1 over K.

    Args:
        similarity: [B, K, H, W].
        alpha: sharpness of the softmax (published evaluation: 2); None = the nearest alone.
        log: the logarithm instead, of the softmax.

    Example:
        >>> similarity = torch.tensor([0.2, 0.8]).reshape(1, 2, 1, 1)
        >>> cluster_probabilities(similarity).flatten().tolist()
        [0.0, 1.0]
    """
    if alpha is None:
        nearest = one_hot(similarity.argmax(dim=1), similarity.shape[1])
        hard = nearest.movedim(-1, 1).to(similarity.dtype)
        return hard.log() if log else hard
    scaled = similarity * alpha
    return scaled.log_softmax(dim=1) if log else scaled.softmax(dim=1)


def cluster_loss(similarity: Tensor, alpha: float | None = None) -> Tensor:
    """Return what the probe is trained to minimise: minus the mean expected similarity.

    Example:
        >>> cluster_loss(torch.tensor([0.25, 0.75]).reshape(1, 2, 1, 1)).item()
        -0.75
    """
    return -(cluster_probabilities(similarity, alpha) * similarity).sum(dim=1).mean()
