"""Projections of earlier steps, so that a small batch is assigned as a large one would be."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FeatureQueue(nn.Module):
    """The newest `size` projections, newest first; not in use before it is full.

    Source: SMSD75/Timetuning time_tuning.py (queue), after SwAV.

    Example:
        >>> queue = FeatureQueue(3, 1)
        >>> queue.push(torch.tensor([[1.0], [2.0]]))
        >>> queue.full, queue.rows.flatten().tolist()
        (False, [1.0, 2.0, 0.0])
        >>> queue.push(torch.tensor([[3.0], [4.0]]))
        >>> queue.full, queue.rows.flatten().tolist()
        (True, [3.0, 4.0, 1.0])
    """

    rows: Tensor
    """[size, D]; zeros where nothing has come yet."""

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("rows", torch.zeros(size, dim))

    @torch.no_grad()
    def push(self, rows: Tensor) -> None:
        """Put projections [n, D] in front; of more than fit, the first ones stay."""
        n = min(len(rows), len(self.rows))
        older = self.rows[: len(self.rows) - n].clone()
        self.rows[:n] = rows[:n].to(self.rows.dtype)
        self.rows[n:] = older

    @property
    def full(self) -> bool:
        """Whether every row has been filled."""
        return bool(self.rows[-1].any())


def drawn_rows(rows: Tensor, n: int) -> Tensor:
    """Return n of the rows [N, D] in random order, all of them where N is less.

    Example:
        >>> drawn_rows(torch.arange(6.0).view(3, 2), 9).sum(0).tolist()
        [6.0, 9.0]
    """
    order = torch.randperm(len(rows), device="cpu")[:n]
    return rows[order.to(rows.device)]
