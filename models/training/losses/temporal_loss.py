"""The dense temporal loss: patches of the last frame are classified as those of the first were.

The first frames of a step's clips are assigned to prototypes together; the assignments travel
through each clip with the Feature Forwarder; what arrives at the last frame is its target.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributed import ProcessGroup
from torch.nn.functional import cross_entropy

from tvseg_bench.models.training.losses.collectives import summed


def temporal_loss(
    scores: Tensor, target: Tensor, *, temperature: float = 0.1, weight: Tensor | None = None
) -> Tensor:
    """Return the cross-entropy of last frames' scores with their targets, a mean over patches.

    With the target k of a patch and its scores s, the patch costs -log softmax(s / τ)_k.

    Args:
        scores: [B, h, w, K] cosines.
        target: [B, h, w] prototypes, whole numbers within 0..K - 1; or [B, h, w, K] shares in
            them, which sum to 1 and take the place of the one that is certain.
        temperature: τ, above 0.
        weight: [B, h, w] what each patch's cost is multiplied with; the mean stays one over all
            patches.

    Source: SMSD75/Timetuning time_tuning.py (get_loss).

    Example:
        >>> scores = torch.tensor([[[[0.0, 0.0]]]])
        >>> round(temporal_loss(scores, torch.zeros(1, 1, 1, dtype=torch.long)).item(), 4)
        0.6931
    """
    logits = scores.flatten(0, -2) / temperature
    soft = target.dim() == scores.dim()
    wanted = target.flatten(0, -2).to(logits.dtype) if soft else target.flatten()
    cost = cross_entropy(logits, wanted, reduction="none")
    return (cost if weight is None else cost * weight.flatten()).mean()


@torch.no_grad()
def usage(target: Tensor, k: int, group: ProcessGroup | None = None) -> dict[str, Tensor]:
    """Return how evenly k prototypes are used by hard targets of any shape.

    Returns:
        `entropy` of the shares over log k: 0 where one prototype takes all, 1 where all take the
        same; `empty`, the number of prototypes without any sample.

    Example:
        >>> {name: value.item() for name, value in usage(torch.tensor([0, 1, 0, 1]), 4).items()}
        {'entropy': 0.5, 'empty': 2.0}
    """
    counts = torch.zeros(k, device=target.device)
    counts.index_add_(0, target.flatten(), torch.ones(target.numel(), device=target.device))
    counts = summed(counts, group)
    shares = counts / counts.sum()
    entropy = -(shares * shares.clamp_min(torch.finfo(shares.dtype).tiny).log()).sum()
    return {"entropy": entropy / math.log(max(k, 2)), "empty": (counts == 0).sum().float()}
