"""Points that are followed through a clip, by a tracker that is supplied or one that is built in.

A tracker of your own, a trained network for instance, is any object with `track`; give it to the
objective that wants tracks, or put what it finds into `ClipBatch.tracks` and `.visible`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Protocol

import torch
from torch import Tensor

from tvseg_bench.models.training.tracking.lucas_kanade import LucasKanade


class Tracker(Protocol):
    """Something that follows points."""

    def track(self, clips: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Follow points of the first frames.

        Args:
            clips: [B, T, 3, H, W] as the model sees them, normalised.
            queries: [B, P, 2] (x, y) in pixels of frame 0.

        Returns:
            tracks [B, T, P, 2] (x, y) in pixels, those of frame 0 being the queries, and visible
            [B, T, P], boolean.
        """


TRACKERS: Mapping[str, Callable[[], Tracker]] = MappingProxyType({"lucas-kanade": LucasKanade})
"""Those that need no weights."""


def grid_queries(b: int, side: int, size: tuple[int, int], device: torch.device) -> Tensor:
    """Return the centres [b, side², 2] (x, y) of the cells of a grid over a frame, in pixels.

    Example:
        >>> grid_queries(1, 2, (4, 8), torch.device("cpu")).tolist()
        [[[1.5, 0.5], [5.5, 0.5], [1.5, 2.5], [5.5, 2.5]]]
    """
    cells = (torch.arange(side, device=device) + 0.5) / side
    y, x = torch.meshgrid(cells * size[0] - 0.5, cells * size[1] - 0.5, indexing="ij")
    return torch.stack([x, y], dim=-1).flatten(0, 1).expand(b, -1, -1)
