"""Objects without names: how well segments of any ids cover the true objects.

Functions of one table of pixels by true object and segment, so that frames and whole clips (their
summed tables) are scored alike.
"""

from __future__ import annotations

from tvseg_bench.benchmark.metrics.contingency import Contingency, Counts
from tvseg_bench.benchmark.metrics.rand_index import adjusted_rand_index

BACKGROUND = 0
"""The instance id that is no object."""


def foreground_ari(c: Contingency, background: int = BACKGROUND) -> float | None:
    """Return FG-ARI, the adjusted Rand index of the pixels of objects; within -1..1.

    What the segments do on the background does not count. One object alone would make it 1 or 0
    whatever the segments are worth, so that it says nothing.

    Args:
        c: Pixels by true object and segment; void left out.
        background: The id that is no object.

    Returns:
        None where there are fewer than two objects.

    Source: Greff et al., Multi-Object Representation Learning with Iterative Variational
    Inference, 2019 (arXiv 1903.00450).

    Example:
        >>> import numpy as np
        >>> c = Contingency(np.arange(3), np.arange(2), np.array([[9, 4], [5, 0], [0, 5]]))
        >>> foreground_ari(c)
        1.0
    """
    objects = c.select(labels=_objects(c, background))
    return adjusted_rand_index(objects) if len(objects.labels) > 1 else None


def mean_best_overlap(c: Contingency, background: int = BACKGROUND) -> float | None:
    """Return mBO, the mean over the objects of their best IoU with a segment; within 0..1.

    A segment may be the best of several objects; its pixels on the background count against it.

    Args:
        c: Pixels by true object and segment, of a frame, or of a clip for tubes; void left out.
        background: The id that is no object.

    Returns:
        None where there is no object.

    Source: Pont-Tuset et al., Multiscale Combinatorial Grouping, 2015 (arXiv 1503.00848).

    Example:
        >>> import numpy as np
        >>> c = Contingency(np.arange(2), np.arange(2), np.array([[9, 2], [2, 6]]))
        >>> mean_best_overlap(c)
        0.6
    """
    shared = c.select(labels=_objects(c, background)).table
    if not shared.size:
        return None
    union = shared.sum(axis=1, keepdims=True) + c.table.sum(axis=0) - shared
    return float((shared / union).max(axis=1).mean())


def _objects(c: Contingency, background: int) -> Counts:
    """Return the ids of the objects that have a pixel."""
    there: Counts = c.labels[c.table.any(axis=1) & (c.labels != background)]
    return there
