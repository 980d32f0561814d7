"""Features as colours: their first three principal components as red, green and blue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BASIS_TOKENS = 4096
_DENSE = 128
"""Dimensions up to which all principal components are computed."""


def pca_colours(
    tokens: NDArray[np.floating[Any]], positions: Sequence[int] | None = None
) -> NDArray[np.uint8]:
    """Return features [T, rows, cols, D] as colours [P, rows, cols, 3]: their first three
    principal components, in one basis for all frames.

    A component is turned so that its third moment is positive, so that equal features give equal
    colours wherever they are computed; its 1st to 99th percentile spans the channel.

    Args:
        tokens: of all frames of a clip; the basis is that of at most 4 096 of them.
        positions: the frames that are wanted, None = all.
    """
    flat = tokens.reshape(-1, tokens.shape[-1])
    some = flat[:: -(-len(flat) // _BASIS_TOKENS)].astype(np.float64)
    middle = some.mean(0)
    vectors = _principal(some - middle)
    wanted = tokens if positions is None else tokens[list(positions)]
    parts = (wanted.reshape(-1, wanted.shape[-1]).astype(np.float64) - middle) @ vectors
    parts = np.pad(parts, ((0, 0), (0, 3 - parts.shape[1])))
    parts *= np.where((parts**3).sum(0) < 0, -1.0, 1.0)
    low, high = np.percentile(parts, [1, 99], axis=0)
    scaled = (parts - low) / np.where(high > low, high - low, 1.0)
    colours = np.where(high > low, scaled.clip(0, 1), 0.5)
    return (colours * 255).round().astype(np.uint8).reshape(*wanted.shape[:3], 3)


def _principal(centred: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the first three principal directions [D, up to 3] of centred rows [N, D]."""
    depth = centred.shape[1]
    covariance = centred.T @ centred
    if depth <= _DENSE or not covariance.any():
        values, vectors = np.linalg.eigh(covariance)
        return vectors[:, np.argsort(-values)[:3]]
    from scipy.sparse.linalg import eigsh

    values, vectors = eigsh(covariance, k=3, v0=np.ones(depth))
    return np.asarray(vectors[:, np.argsort(-values)], np.float64)
