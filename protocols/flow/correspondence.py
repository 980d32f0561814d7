"""Where the patches of a frame have gone in another: to those that look like them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tvseg_bench.protocols.common.correspondence import place_of, refined

if TYPE_CHECKING:
    from tvseg_bench.protocols.flow import FlowConfig

WORKING_NUMBERS = 2**23
"""Similarities that are held at once: 32 MiB."""


@torch.no_grad()
def displacements(before: Tensor, after: Tensor, config: FlowConfig) -> NDArray[np.float32]:
    """Return where each patch of a frame has gone, (x, y) in patches.

    Args:
        before: [rows, cols, D] features of length 1.
        after: those of the frame in which they are looked for.

    Returns:
        [rows, cols, 2]
    """
    rows, cols, _ = before.shape
    targets, sources = before.flatten(0, 1), after.flatten(0, 1)
    step = max(1, WORKING_NUMBERS // len(sources))
    place = torch.arange(rows * cols, device=before.device)
    moved = torch.empty(rows * cols, 2, device=before.device)
    for part in torch.split(place, step):
        similarity = targets[part] @ sources.T
        if config.search_radius is not None:
            similarity.masked_fill_(_far(part, place, cols, config.search_radius), -torch.inf)
        best = similarity.argmax(dim=1)
        if config.match == "argmax":
            found = place_of(best, cols)
        else:
            found = refined(similarity, best, (rows, cols), config.window, config.temperature)
        moved[part] = found - place_of(part, cols)
    return np.asarray(moved.view(rows, cols, 2).cpu().numpy())


def _far(part: Tensor, place: Tensor, cols: int, radius: int) -> Tensor:
    """Return which sources lie outside the square around each target."""
    down = (part[:, None] // cols - place // cols).abs()
    right = (part[:, None] % cols - place % cols).abs()
    return torch.maximum(down, right) > radius
