"""Sinkhorn-Knopp: soft assignments of samples to prototypes that use all prototypes equally.

With the scores S of B samples and K prototypes, and an entropy of weight ε, the assignment is the
transport plan Q = diag(v) · exp(S / ε) · diag(u) whose prototypes hold 1/K of the mass each and
whose samples 1/B. It is found by scaling columns and rows in turns.

The scalings u and v alone are iterated: an iteration reads exp(S / ε) twice and writes nothing of
its size, and processes that hold parts of the samples exchange K numbers.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributed import ProcessGroup

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.models.training.losses.collectives import largest, summed

_LEAST = 1e-30
"""The least sum that is divided by: its inverse may still be added up in single precision."""


@torch.no_grad()
def sinkhorn(
    scores: Tensor,
    *,
    epsilon: float = 0.05,
    iterations: int = 10,
    group: ProcessGroup | None = None,
) -> Tensor:
    """Assign samples to prototypes.

    Args:
        scores: [..., B, K] similarities of B samples and K prototypes; leading axes are problems
            of their own, solved together.
        epsilon: ε, above 0; the smaller, the harder the assignment.
        iterations: 0 or more; with 0, a softmax of scores / ε.
        group: processes that each hold a part of the samples of one and the same problem.

    Returns:
        [..., B, K] in single precision at least; what a sample gives sums to 1 over K. No gradient
        flows, and nothing is lost to overflow, whatever the scores.

    Raises:
        UsageError: There is no sample or prototype, or a value means nothing.

    Source: SMSD75/Timetuning my_utils.py (sinkhorn, distributed_sinkhorn), after SwAV (arXiv
        2006.09882).

    Example:
        >>> scores = torch.tensor([[0.9, 0.1], [0.8, 0.1], [0.7, 0.1], [0.6, 0.1]])
        >>> sinkhorn(scores, epsilon=0.02).argmax(-1).tolist()
        [0, 0, 1, 1]
    """
    _check(scores, epsilon, iterations)
    with torch.autocast(scores.device.type, enabled=False):
        logits = scores.to(torch.promote_types(scores.dtype, torch.float32)) / epsilon
        best = logits.amax(-1, keepdim=True)
        kernel = logits.sub_(best).exp_()
        if not iterations:
            return kernel / kernel.sum(-1, keepdim=True)
        highest = largest(best.amax(-2, keepdim=True), group)
        samples = (best - highest).exp_()
        # samples give 1 each, so prototypes get B / K: one sum, or the scalings would run away
        share = summed(kernel.new_tensor(float(kernel.shape[-2])), group) / kernel.shape[-1]
        prototypes = samples
        for _ in range(iterations):
            prototypes = _inverse(summed(kernel.mT @ samples, group)).mul_(share)
            samples = _inverse(kernel @ prototypes)
        plan = kernel.mul_(prototypes.mT)
        return plan.div_(plan.sum(-1, keepdim=True))


def _inverse(sums: Tensor) -> Tensor:
    """Return 1 / sums; a sum of nothing but what underflowed counts as _LEAST."""
    return sums.clamp_min(_LEAST).reciprocal_()


def _check(scores: Tensor, epsilon: float, iterations: int) -> None:
    if scores.ndim < 2 or 0 in scores.shape or not scores.is_floating_point():
        raise UsageError(
            f"the scores are {list(scores.shape)} of {scores.dtype}; "
            "expected fractions [..., samples, prototypes], one of each at least"
        )
    if not epsilon > 0 or iterations < 0:
        raise UsageError(
            f"epsilon={epsilon} has to be above 0 and iterations={iterations} 0 or more"
        )
