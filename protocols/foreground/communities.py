"""Graphs of parts that occur side by side, and the communities of these graphs.

Steps 6 and 7 of Leopart's fully unsupervised segmentation (arXiv 2204.13101; MkuuWaUjinga/leopart
experiments/fully_unsup_seg.py): how often clusters of patches neighbour each other, and which of
them form one object.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.errors import MissingExtraError, UsageError, did_you_mean

Floats: TypeAlias = NDArray[np.float64]
Ids: TypeAlias = NDArray[np.int64]

Angles = Literal["eight", "published"]
"""Directions in which neighbours are counted. eight: every 45 degrees. published: the same, but
240 degrees where 225 were meant."""

NO_PART = -1
"""The id of a pixel that belongs to no part: background."""


def neighbours(angles: Angles, distances: Sequence[int] = (1, 2)) -> list[tuple[int, int]]:
    """Return the offsets (rows, cols) of neighbours; one that two angles reach counts twice.

    Rounded half away from zero, as the grey-level co-occurrence of scikit-image does.

    Example:
        >>> neighbours("published", [2])
        [(0, 2), (1, 1), (2, 0), (1, -1), (0, -2), (-2, -1), (-2, 0), (-1, 1)]
    """
    if angles not in get_args(Angles):
        raise UsageError(did_you_mean("angles", str(angles), get_args(Angles)))
    turns = [i * math.pi / 4 for i in range(8)]
    if angles == "published":
        turns[5] = 4 * math.pi / 3
    return [
        (_rounded(math.sin(turn) * d), _rounded(math.cos(turn) * d))
        for d in distances
        for turn in turns
    ]


def _rounded(value: float) -> int:
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def cooccurrence(
    maps: Iterable[NDArray[np.integer[Any]]], k: int, angles: Angles = "eight"
) -> Floats:
    """Return how part i's neighbours divide over the other parts, a mean over images.

    Per image, pairs of neighbouring pixels at distances 1 and 2 are counted, the diagonal is
    set to 0 and each row is divided by its sum; a row of the result is the mean over the images
    in which the part has a neighbour.

    Args:
        maps: [H, W] ids 0..k-1, NO_PART where there is none; sizes may differ.

    Returns:
        [k, k], rows sum to 1 or are 0; not symmetric.

    Example:
        >>> cooccurrence([np.array([[0, 0, 1, -1, 2]])], 3).round(2).tolist()
        [[0.0, 1.0, 0.0], [0.67, 0.0, 0.33], [0.0, 1.0, 0.0]]
    """
    total, images = np.zeros((k, k)), np.zeros(k, np.int64)
    offsets = neighbours(angles)
    for labels in maps:
        counts = np.zeros((k, k), np.int64)
        for dy, dx in offsets:
            counts += _pairs(np.asarray(labels), dy, dx, k)
        np.fill_diagonal(counts, 0)
        seen = counts.sum(axis=1)
        total += np.divide(counts, seen[:, None], out=np.zeros((k, k)), where=seen[:, None] > 0)
        images += seen > 0
    return total / np.maximum(images, 1)[:, None]


def _pairs(labels: NDArray[np.integer[Any]], dy: int, dx: int, k: int) -> Ids:
    """Count the pairs [k, k] of a pixel and the one at (dy, dx) from it."""
    height, width = labels.shape
    first = labels[
        max(0, -dy) : max(0, height - max(0, dy)), max(0, -dx) : max(0, width - max(0, dx))
    ]
    second = labels[
        max(0, dy) : max(0, height + min(0, dy)), max(0, dx) : max(0, width + min(0, dx))
    ]
    both = (first >= 0) & (second >= 0)
    codes = first[both].astype(np.int64) * k + second[both]
    return np.bincount(codes, minlength=k * k).reshape(k, k)


def part_graph(occurrence: Floats, weight_threshold: float) -> Floats:
    """Return the symmetric weights [k, k] of the graph of parts.

    An edge needs both directions to reach the threshold, and weighs the smaller of them.

    Example:
        >>> part_graph(np.array([[0, 0.9, 0.1], [0.4, 0, 0.6], [0.0, 1.0, 0]]), 0.3).tolist()
        [[0.0, 0.4, 0.0], [0.4, 0.0, 0.6], [0.0, 0.6, 0.0]]
    """
    smaller: Floats = np.minimum(occurrence, occurrence.T)
    return np.where(smaller >= weight_threshold, smaller, 0.0)


def greedy_modularity(weights: Floats, communities: int) -> Ids:
    """Merge the pair of communities that changes modularity for the best, again and again.

    Deterministic: ties go to the pair of lowest ids. Clauset, Newman & Moore, Physical Review E
    70 (2004) 066111. On a connected graph the result is that of networkx's
    `greedy_modularity_communities`; on others, and graphs of parts are mostly not connected, that
    function joins the largest components at the end, whatever becomes of modularity.

    Args:
        weights: [k, k] symmetric, 0 or more, 0 on the diagonal.
        communities: how many to stop at, 1 or more, even where a merger lowers modularity.

    Returns:
        [k] community ids 0.., numbered by their first part.

    Example:
        >>> weights = np.zeros((4, 4)); weights[[0, 1, 2, 3], [1, 0, 3, 2]] = 1
        >>> greedy_modularity(weights, 2).tolist(), greedy_modularity(weights, 1).tolist()
        ([0, 0, 1, 1], [0, 0, 0, 0])
    """
    k = len(weights)
    share = weights / max(float(weights.sum()), np.finfo(float).tiny)
    degree = share.sum(axis=1)
    member = np.arange(k)
    alive = np.ones(k, bool)
    upper = np.triu(np.ones((k, k), bool), 1)
    while alive.sum() > communities:
        allowed = upper & alive[:, None] & alive
        gain = np.where(allowed, share - np.outer(degree, degree), -np.inf)
        i, j = divmod(int(gain.argmax()), k)
        share[i] += share[j]
        share[:, i] += share[:, j]
        degree[i] += degree[j]
        alive[j] = False
        member[member == j] = i
    return _renumbered(member)


def infomap_communities(
    weights: Floats, *, communities: int, markov_time: float, seeds: Sequence[int]
) -> list[Ids]:
    """Return the communities that compress a random walk on the graph best (Infomap, two-level).

    Args:
        weights: [k, k] symmetric; 0 = no edge.
        communities: the number that is preferred, not enforced.
        markov_time: higher gives fewer and larger communities.
        seeds: one run each; 0 or more (the package counts from 1).

    Returns:
        Per seed [k] community ids 0.., numbered by their first part.

    Raises:
        MissingExtraError: the package infomap is not installed.
        UsageError: the package failed; the text holds its last line.

    Source: Rosvall & Bergstrom, PNAS 105 (2008) 1118.
    """
    need_infomap()
    if not len(weights):
        return [np.zeros(0, np.int64) for _ in seeds]
    rows, columns = np.nonzero(np.triu(weights, 1))
    job = {
        "k": len(weights),
        "edges": [
            [int(i), int(j), float(weights[i, j])] for i, j in zip(rows, columns, strict=True)
        ],
        "communities": communities,
        "markov_time": markov_time,
        "seeds": [seed + 1 for seed in seeds],
    }
    command = [sys.executable, "-m", "tvseg_bench.protocols.foreground.infomap_process"]
    done = subprocess.run(command, input=json.dumps(job), capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip() or "no message").splitlines()[-1]
        raise UsageError(f"communities=infomap failed in the package infomap: {reason}")
    return [_renumbered(np.array(found, np.int64)) for found in json.loads(done.stdout)]


def need_infomap() -> None:
    """Raise MissingExtraError where the package infomap is not installed."""
    if find_spec("infomap") is None:
        raise MissingExtraError("infomap", "communities", "communities=infomap")


def _renumbered(member: NDArray[np.integer[Any]]) -> Ids:
    """Number ids 0.. in the order of their first appearance.

    Example:
        >>> _renumbered(np.array([7, 7, 2, 7])).tolist()
        [0, 0, 1, 0]
    """
    _, first, inverse = np.unique(member, return_index=True, return_inverse=True)
    rank: Ids = np.argsort(np.argsort(first))
    return rank[inverse]
