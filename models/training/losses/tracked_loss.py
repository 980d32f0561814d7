"""The loss over tracked points: a point has one cluster, whenever it is seen.

Source: arXiv 2506.08694; SMSD75/MoSiC experiments/exp_mosic_multigpu.py (train_step).
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.distributed import ProcessGroup

from tvseg_bench.models.training.losses.collectives import n_processes, summed

Targets = Literal["hard", "soft"]
"""hard: the prototype of the largest assignment. soft: the assignment itself."""
Counted = Literal["all", "visible"]
"""What the mean is taken over: all points, hidden ones with a cost of 0, as published, or the
visible ones."""


def tracked_loss(
    scores: Tensor,
    assigned: Tensor,
    visible: Tensor,
    *,
    temperature: float = 0.1,
    targets: Targets = "hard",
    symmetric: bool = False,
    counted: Counted = "all",
    group: ProcessGroup | None = None,
) -> Tensor:
    """Return the cross-entropy of points in frame 0 with their assignments in every frame.

    Args:
        scores: [B, T, P, K] cosines of points with prototypes, or [B, 1, P, K] of frame 0 alone
            where the loss is not symmetric.
        assigned: [B, T, P, K] assignments, which sum to 1 over K; no gradient flows.
        visible: [B, T, P] whether a point can be seen; what cannot costs nothing.
        temperature: τ of the scores, above 0.
        symmetric: add the same for the scores of every frame and the assignments of frame 0.
        group: processes that hold other clips of the step: what is visible on all of them is
            counted, so that the mean of their losses is that of all clips.

    Example:
        >>> import torch
        >>> scores, seen = torch.zeros(1, 2, 1, 2), torch.tensor([[[True], [False]]])
        >>> assigned = torch.tensor([[[[1.0, 0.0]], [[0.0, 1.0]]]])
        >>> round(tracked_loss(scores, assigned, seen).item(), 4)
        0.3466
        >>> round(tracked_loss(scores, assigned, seen, counted="visible").item(), 4)
        0.6931
    """
    log_shares = (scores / temperature).log_softmax(-1)
    cost = _cost(log_shares[:, :1], assigned, targets)
    if symmetric:
        cost = cost + _cost(log_shares, assigned[:, :1], targets)
    seen = visible.to(cost.dtype)
    if counted == "all":
        return (cost * seen).mean()
    per_rank = summed(seen.sum(), group) / n_processes(group)
    return (cost * seen).sum() / per_rank.clamp_min(1)


def _cost(log_shares: Tensor, assigned: Tensor, targets: Targets) -> Tensor:
    """Return [B, T, P] where either has one frame, which then stands for all."""
    if targets == "soft":
        return -(log_shares * assigned).sum(-1)
    target = assigned.argmax(-1, keepdim=True)
    t = max(log_shares.shape[1], target.shape[1])
    log_shares, target = (x.expand(-1, t, -1, -1) for x in (log_shares, target))
    return -log_shares.gather(-1, target)[..., 0]
