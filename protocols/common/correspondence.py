"""Where something has gone in another frame: to the patches that look like it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize


def directions(tokens: NDArray[np.floating[Any]], device: torch.device) -> Tensor:
    """Return the features [rows, cols, D] of a frame at length 1, in single precision."""
    return normalize(torch.from_numpy(np.array(tokens, np.float32)).to(device), dim=-1)


def place_of(best: Tensor, cols: int) -> Tensor:
    """Return the places [n, 2] (x, y) in patches of patches that are numbered row by row."""
    return torch.stack([best % cols, best // cols], dim=1).float()


def refined(
    weights: Tensor, best: Tensor, grid: tuple[int, int], window: int, temperature: float
) -> Tensor:
    """Return the places [n, 2] (x, y) of n things, in patches, by a soft argmax around the best.

    Args:
        weights: [n, rows * cols] how alike each thing and each patch are.
        best: [n] numbers of the most alike patches.
        window: rows and columns of patches around the best one that are averaged.
        temperature: of the softmax over them.
    """
    rows, cols = grid
    reach = torch.arange(-window, window + 1, device=best.device)
    down, right = (way.flatten() for way in torch.meshgrid(reach, reach, indexing="ij"))
    y, x = best[:, None] // cols + down, best[:, None] % cols + right
    inside = (y >= 0) & (y < rows) & (x >= 0) & (x < cols)
    index = y.clamp(0, rows - 1) * cols + x.clamp(0, cols - 1)
    around = weights.gather(1, index).masked_fill(~inside, -torch.inf)
    shares = torch.softmax(around / temperature, dim=1)
    return place_of(best, cols) + shares @ torch.stack([right, down], dim=1).float()
