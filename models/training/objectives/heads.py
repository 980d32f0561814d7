"""The projection head and the prototypes that its output is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from tvseg_bench.benchmark.errors import UsageError

PUBLISHED_HIDDEN = (1024, 1024, 512)
PUBLISHED_OUT = 256


def projection_head(
    dim: int, hidden: Sequence[int] = PUBLISHED_HIDDEN, out: int = PUBLISHED_OUT
) -> nn.Sequential:
    """Return linear layers with GELU between them, as published: 384-1024-1024-512-256.

    Args:
        hidden: channels of the hidden layers; () for one linear layer.

    Source: SMSD75/Timetuning models.py; the names of the weights are those of its checkpoints
        (`0.weight`, `2.weight`, ...).

    Example:
        >>> [tuple(p.shape) for p in projection_head(4, (8,), 2).parameters()]
        [(8, 4), (8,), (2, 8), (2,)]
    """
    layers: list[nn.Module] = []
    for before, after in pairwise((dim, *hidden, out)):
        layers += [nn.Linear(before, after), nn.GELU()]
    return nn.Sequential(*layers[:-1])


class Prototypes(nn.Module):
    """K directions of D channels; a feature's score is the cosine with each.

    DrawnClip from N(0, 1) and normalised, as published. The optimiser moves them off the sphere;
    `normalise` brings them back.
    """

    def __init__(self, k: int, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(normalize(torch.randn(k, dim), dim=1))

    @torch.no_grad()
    def start_at(self, rows: Tensor) -> None:
        """Become the k-means centres of the directions of rows [N, D], always the same ones.

        Raises:
            UsageError: fewer rows than prototypes.
        """
        from sklearn.cluster import KMeans

        k = len(self.weight)
        if len(rows) < k:
            raise UsageError(
                f"{len(rows)} patches cannot be divided into {k} clusters to start from; "
                "choose fewer objective.prototypes or a larger recipe.batch"
            )
        directions = normalize(rows.float(), dim=1).cpu().numpy()
        centres = KMeans(k, n_init=1, random_state=0).fit(directions).cluster_centers_
        self.weight.copy_(torch.from_numpy(centres))
        self.normalise()

    @torch.no_grad()
    def normalise(self) -> None:
        """Bring every prototype back to length 1, in place."""
        self.weight.copy_(normalize(self.weight, dim=1))

    def forward(self, projections: Tensor) -> Tensor:
        """Map projections [..., D] to scores [..., K]: cosines where the prototypes have length 1.

        In single precision at least, whatever the type of the projections.
        """
        return cosine_scores(projections, self.weight)


def cosine_scores(projections: Tensor, prototypes: Tensor) -> Tensor:
    """Return scores [..., K] of projections [..., D] and prototypes [K, D] of length 1.

    A projection of 0 scores 0. Single precision at least, also under autocast: an assignment of
    weight ε = 0.05 magnifies an error of a score by twenty.

    Example:
        >>> cosine_scores(torch.tensor([[3.0, 4.0]]), torch.eye(2)).tolist()
        [[0.6000000238418579, 0.800000011920929]]
    """
    with torch.autocast(projections.device.type, enabled=False):
        exact = projections.to(torch.promote_types(projections.dtype, torch.float32))
        return normalize(exact, dim=-1) @ prototypes.to(exact.dtype).mT
