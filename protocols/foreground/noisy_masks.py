"""Where noisy foreground masks come from: attention, or a stated substitute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.errors import NotApplicableError
from tvseg_bench.benchmark.types import ClipFeatures
from tvseg_bench.protocols.foreground import ForegroundConfig


def mask_source(attention: Sequence[NDArray[np.float64] | None], config: ForegroundConfig) -> str:
    """Return where the noisy masks come from, after looking whether every clip has attention.

    Raises:
        NotApplicableError: attention is asked for and is not there.
    """
    there = all(maps is not None for maps in attention)
    if config.mask_source == "auto":
        return "attention" if there else "first-component"
    if config.mask_source == "attention" and not there:
        raise NotApplicableError(
            "the model gives no attention of a class token, from which mask_source=attention "
            "makes the noisy foreground; choose mask_source=first-component or centre-prior"
        )
    return config.mask_source


def over_heads(clip: ClipFeatures) -> NDArray[np.float64] | None:
    """Return the attention [T, rows, cols] of a clip, None where there is none or no head."""
    if clip.attention is None or not clip.attention.shape[1]:
        return None
    mean: NDArray[np.float64] = clip.attention.mean(axis=1, dtype=np.float64)
    return mean


def saliency(
    attention: Sequence[NDArray[np.float64] | None],
    tokens: Sequence[NDArray[np.float32]],
    source: str,
) -> list[NDArray[np.floating[Any]]]:
    """Return a map [T, rows, cols], 0 or more, per clip.

    Args:
        attention: per clip, averaged over heads.
        tokens: per clip [T, rows, cols, d], projected onto principal components.
        source: as `mask_source` says.
    """
    if source == "attention":
        return [maps for maps in attention if maps is not None]
    if source == "centre-prior":
        return [
            np.broadcast_to(centre_prior((t.shape[1], t.shape[2])), t.shape[:3]) for t in tokens
        ]
    leading = [t[..., 0] for t in tokens]
    positive = np.concatenate([_border(c) > 0 for c in leading]).mean()
    sign = -1 if positive > 0.5 else 1
    return [np.maximum(sign * c, 0) for c in leading]


def centre_prior(grid: tuple[int, int]) -> NDArray[np.float64]:
    """Return a Gaussian at the centre [rows, cols], a quarter of each side wide.

    Example:
        >>> centre_prior((1, 3)).round(2).tolist()
        [[0.41, 1.0, 0.41]]
    """
    down, across = (np.exp(-0.5 * (((np.arange(n) + 0.5) / n - 0.5) * 4) ** 2) for n in grid)
    return np.outer(down, across)


def _border(maps: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Return the values of maps [T, rows, cols] at the border of the frames."""
    ring = np.ones(maps.shape[1:], bool)
    ring[1:-1, 1:-1] = False
    return maps[:, ring].ravel()
