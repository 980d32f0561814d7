"""Do two clusterings of the same pixels agree? Needs no names of the clusters.

scikit-learn's `adjusted_rand_score` takes one label per pixel, so that a table of a clip would
have to be spread over millions of pixels again, and counts pairs in 64 bits, which a data set's
pixels exceed; from the table it is five lines in whole numbers of any size.
"""

from __future__ import annotations

from tvseg_bench.benchmark.metrics.contingency import Contingency


def adjusted_rand_index(c: Contingency) -> float:
    """Return the Rand index of two clusterings, corrected for chance; within -1..1.

    1 for clusterings that are equal up to names, 0 on average for independent ones. Two
    clusterings of one cluster each, or of single pixels, are equal and score 1.

    Source: Hubert & Arabie 1985.

    Example:
        >>> import numpy as np
        >>> from tvseg_bench.benchmark.metrics.contingency import contingency
        >>> first = np.array([0, 0, 1, 1])
        >>> adjusted_rand_index(contingency(first, np.array([5, 5, 3, 3])))
        1.0
        >>> adjusted_rand_index(contingency(first, np.array([0, 1, 0, 1])))
        -0.5
    """
    both = _pairs(c.table.ravel().tolist())
    first, second = _pairs(c.table.sum(axis=1).tolist()), _pairs(c.table.sum(axis=0).tolist())
    every = _pairs([int(c.table.sum())])
    # Multiplied out, so that equality is decided in whole numbers of any size.
    above = both * every - first * second
    below = (first + second) * every - 2 * first * second
    return 2 * above / below if below else 1.0


def _pairs(sizes: list[int]) -> int:
    """Return how many pairs of pixels lie within groups of these sizes."""
    return sum(n * (n - 1) // 2 for n in sizes)
