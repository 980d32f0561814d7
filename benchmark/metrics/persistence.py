"""Does an object keep its clusters while it moves? Overlap of histograms inside its mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tvseg_bench.benchmark.metrics.contingency import Contingency, Counts, stacked


@dataclass(frozen=True)
class Persistence:
    """How the clusters along one object behave, within 0..1; it need not hold still."""

    overlap: float | None
    """Mean over consecutive frames of sum_k min(h_t(k), h_t+1(k)), where h_t(k) is the share of
    the object's pixels in frame t that lie in cluster k; None where it is never seen in two
    consecutive frames."""
    dominant: float
    """Share of its pixels, over all frames, that lie in its largest cluster."""


def persistence(frames: Sequence[Contingency]) -> dict[int, Persistence]:
    """Follow every object of a clip through its frames.

    A constant map, one cluster everywhere, scores 1 on both.

    Args:
        frames: Pixels by object and cluster, one table per frame, in the order of the frames;
            objects that are not followed (background) are dropped with `select` before.

    Example:
        >>> half = Contingency(np.array([7]), np.array([0, 1]), np.array([[5, 5]]))
        >>> more = Contingency(np.array([7]), np.array([1]), np.array([[30]]))
        >>> persistence([half, half, more])
        {7: Persistence(overlap=0.75, dominant=0.8)}
    """
    labels, _, counts = stacked(frames)
    return {
        int(label): _persistence(counts[:, row])
        for row, label in enumerate(labels)
        if counts[:, row].any()
    }


def _persistence(counts: Counts) -> Persistence:
    """Score the histograms [T, K] of one object."""
    pixels = counts.sum(axis=1)
    seen = (pixels[1:] > 0) & (pixels[:-1] > 0)
    # Shares over a common denominator: equal histograms overlap by exactly 1.
    shared = np.minimum(counts[1:] * pixels[:-1, None], counts[:-1] * pixels[1:, None]).sum(axis=1)
    overlaps = shared[seen] / (pixels[1:] * pixels[:-1])[seen]
    return Persistence(
        float(overlaps.mean()) if seen.any() else None,
        int(counts.sum(axis=0).max()) / int(pixels.sum()),
    )
