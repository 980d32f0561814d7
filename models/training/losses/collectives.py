"""Sums, maxima and gathered rows over the processes of a training run; or of the only one."""

from __future__ import annotations

import torch
from torch import Tensor
from torch import distributed as dist


def process_group() -> dist.ProcessGroup | None:
    """Return the group of all processes of this run, None where this is the only one.

    Example:
        >>> process_group() is None
        True
    """
    if not dist.is_available() or not dist.is_initialized() or dist.get_world_size() == 1:
        return None
    return dist.group.WORLD


def n_processes(group: dist.ProcessGroup | None) -> int:
    """Return how many processes a group has; 1 without one."""
    return 1 if group is None else dist.get_world_size(group)


def summed(values: Tensor, group: dist.ProcessGroup | None) -> Tensor:
    """Return the sum of a tensor over the group; the tensor itself without one."""
    return values if group is None else _reduced(values, dist.ReduceOp.SUM, group)


def largest(values: Tensor, group: dist.ProcessGroup | None) -> Tensor:
    """Return the element-wise maximum over the group; the tensor itself without one."""
    return values if group is None else _reduced(values, dist.ReduceOp.MAX, group)


def gathered(rows: Tensor, group: dist.ProcessGroup | None) -> Tensor:
    """Return the rows [N, ...] of all processes, rank after rank; every rank brings N of them.

    No gradient flows.
    """
    if group is None:
        return rows.detach()
    parts = [torch.empty_like(rows) for _ in range(n_processes(group))]
    dist.all_gather(parts, rows.detach().contiguous(), group)
    return torch.cat(parts)


def _reduced(
    values: Tensor, operation: dist.ReduceOp.RedOpType, group: dist.ProcessGroup
) -> Tensor:
    total = values.detach().clone()
    dist.all_reduce(total, operation, group)
    return total
