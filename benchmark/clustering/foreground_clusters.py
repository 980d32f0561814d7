"""Which clusters of patches belong to objects: cluster-based foreground extraction.

A noisy mask per image says roughly where objects are; clusters over the whole data set that lie
mostly within it are foreground. All decisions are functions of two small tables: for each image
the pixels of each cluster, and how many of them a mask holds.

Sources: Leopart (arXiv 2204.13101; MkuuWaUjinga/leopart experiments/fully_unsup_seg.py) and TimeT
(arXiv 2308.11796; SMSD75/Timetuning cluster_based_foreground_extraction.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tvseg_bench.benchmark.errors import UsageError

Floats: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]

_BLUR_REACH = 3
"""Kernel of 2 * 3 + 1 = 7 patches, as published."""
_CUTS = (0.55, 0.75)
_ROUND_TO = 0.05


@dataclass(frozen=True, eq=False)
class ClusterPixels:
    """Pixels of every cluster in every image, and how many of them a mask holds.

    Example:
        >>> labels, mask = np.array([[0, 0, 1, 2]]), np.array([[True, False, True, True]])
        >>> table = count_pixels([(labels, mask, None)], k=4)
        >>> table.hits.tolist(), table.pixels.tolist()
        ([[1, 1, 1, 0]], [[2, 1, 1, 0]])
    """

    hits: NDArray[np.int64]
    """[F, K] pixels of the cluster within the mask."""
    pixels: NDArray[np.int64]
    """[F, K] pixels of the cluster."""

    def select(self, chosen: Mask) -> tuple[NDArray[np.int64], ...]:
        """Return tp, fp and fn, each [F], of the clusters chosen [K] against the mask."""
        tp = self.hits[:, chosen].sum(axis=1)
        return tp, self.pixels[:, chosen].sum(axis=1) - tp, self.hits.sum(axis=1) - tp


def count_pixels(
    frames: Iterable[tuple[NDArray[np.integer[Any]], ArrayLike, Mask | None]], k: int
) -> ClusterPixels:
    """Count the clusters of images: (cluster ids 0..k-1, mask, pixels that count or None).

    Images may differ in size; the three arrays of one image may not.
    """
    hits, pixels = [], []
    for labels, mask, counted in frames:
        codes = labels.astype(np.int64) * 2 + np.asarray(mask, bool)
        both = np.bincount((codes if counted is None else codes[counted]).ravel(), minlength=2 * k)
        hits.append(both[1::2])
        pixels.append(both[::2] + both[1::2])
    if not pixels:
        return ClusterPixels(np.zeros((0, k), np.int64), np.zeros((0, k), np.int64))
    return ClusterPixels(np.stack(hits), np.stack(pixels))


def heavy_mask(
    saliency: NDArray[np.floating[Any]], mass: float, sigma: float = 0.6, smallest: int = 3
) -> Mask:
    """Return the patches that hold most of a map's mass: the noisy foreground.

    The map is blurred (Gaussian, 7 patches wide, mirrored at the border), the largest values that
    together hold `mass` of its sum are kept, and 8-connected components of fewer than `smallest`
    patches are dropped.

    Args:
        saliency: [rows, cols], 0 or more; class-token attention averaged over the heads.
        mass: share of the sum that is kept, within 0..1 (published: 0.65).
        sigma: of the blur, in patches; 0 = none (published: 0.6).
        smallest: patches of a component that is kept (published: 3).

    Returns:
        [rows, cols]; nothing where the map is 0 everywhere.

    Raises:
        UsageError: not [rows, cols], or a negative or non-finite value.

    Example:
        >>> heavy_mask(np.array([[9.0, 9, 9, 0], [0, 0, 0, 8]]), 0.7, sigma=0, smallest=1) * 1
        array([[1, 1, 1, 0],
               [0, 0, 0, 0]])
    """
    values = np.asarray(saliency, np.float64)
    if values.ndim != 2 or not np.isfinite(values).all() or (values < 0).any():
        raise UsageError(
            f"a saliency map of shape {values.shape} has to be [rows, cols] of finite numbers "
            "that are 0 or more"
        )
    if not values.any():
        return np.zeros(values.shape, bool)
    blurred = _blur(values, sigma)
    order = np.argsort(blurred, axis=None, kind="stable")
    below = np.cumsum(blurred.ravel()[order]) / blurred.sum()
    heavy = np.zeros(blurred.size, bool)
    heavy[order] = below > 1 - mass
    return _drop_small(heavy.reshape(values.shape), smallest)


def cluster_precision(table: ClusterPixels) -> Floats:
    """Return each cluster's share [K] within the mask, a mean over the images that hold it.

    NaN for a cluster that occurs nowhere.

    Example:
        >>> table = ClusterPixels(np.array([[1, 0], [1, 0]]), np.array([[2, 0], [1, 0]]))
        >>> cluster_precision(table).tolist()
        [0.75, nan]
    """
    there = table.pixels > 0
    shares = np.divide(table.hits, table.pixels, out=np.zeros(there.shape), where=there)
    images = there.sum(axis=0)
    out: Floats = np.full(len(images), np.nan)
    np.divide(shares.sum(axis=0), images, out=out, where=images > 0)
    return out


def foreground_clusters(precision: Floats, threshold: float) -> Mask:
    """Return which clusters [K] are foreground: precision of at least the threshold.

    Example:
        >>> foreground_clusters(np.array([0.2, np.nan, 0.5]), 0.5).tolist()
        [False, False, True]
    """
    chosen: Mask = np.nan_to_num(precision, nan=-1.0) >= threshold
    return chosen


def jaccard(table: ClusterPixels, chosen: Mask) -> Floats:
    """Return the IoU [F] of the chosen clusters with the mask, per image; NaN for 0/0.

    Example:
        >>> table = ClusterPixels(np.array([[3, 1]]), np.array([[4, 8]]))
        >>> jaccard(table, np.array([True, False])).tolist()
        [0.6]
    """
    tp, fp, fn = table.select(chosen)
    union = tp + fp + fn
    out: Floats = np.full(len(union), np.nan)
    np.divide(tp, union, out=out, where=union > 0)
    return out


@dataclass(frozen=True)
class Tuned:
    """A threshold that was tuned on ground truth, and what was tried."""

    threshold: float
    """Of the best cut, rounded to the nearest 0.05."""
    candidates: tuple[tuple[float, int, float], ...]
    """(precision of the first foreground cluster, clusters below it, mean IoU) of every cut."""


def tune_threshold(precision: Floats, truth: ClusterPixels) -> Tuned:
    """Choose the precision from which on clusters are foreground, by the ground truth.

    Clusters are ordered by precision; every cut that leaves 55 to 75 % of them to the background
    is scored by the mean IoU per image (0 for 0/0), and the precision at the best cut is
    rounded to the nearest 0.05. This is the one number that the published "unsupervised" scores
    take from labels.

    Args:
        precision: [K] against the noisy masks; NaN where a cluster occurs nowhere.
        truth: pixels of the clusters and of the true foreground.

    Raises:
        UsageError: no image, or too few clusters for a cut.
    """
    k = len(precision)
    starts = range(int(_CUTS[0] * k), int(_CUTS[1] * k))
    if not len(starts) or not len(truth.pixels):
        raise UsageError(
            f"a threshold cannot be tuned on {k} clusters in {len(truth.pixels)} images; "
            "it takes 3 clusters and one image at least"
        )
    known = np.nan_to_num(precision, nan=-1.0)
    order = np.argsort(known, kind="stable")
    tried = []
    for start in starts:
        chosen = np.zeros(k, bool)
        chosen[order[start:]] = True
        score = float(np.nan_to_num(jaccard(truth, chosen)).mean())
        tried.append((float(known[order[start]]), start, score))
    best = max(tried, key=lambda cut: cut[2])
    return Tuned(round(best[0] / _ROUND_TO) * _ROUND_TO, tuple(tried))


def _blur(values: Floats, sigma: float) -> Floats:
    if sigma == 0:
        return values
    # by hand: scipy's filter differs in the last bit, on which a patch at the limit may depend
    steps = np.arange(-_BLUR_REACH, _BLUR_REACH + 1)
    kernel = np.exp(-0.5 * (steps / sigma) ** 2)
    kernel /= kernel.sum()
    padded = np.pad(values, _BLUR_REACH, mode="reflect")
    rows = np.lib.stride_tricks.sliding_window_view(padded, len(steps), axis=0) @ kernel
    both: Floats = np.lib.stride_tricks.sliding_window_view(rows, len(steps), axis=1) @ kernel
    return both


def _drop_small(mask: Mask, smallest: int) -> Mask:
    from scipy import ndimage

    components, _ = ndimage.label(mask, np.ones((3, 3), int))
    sizes = np.bincount(components.ravel())
    large: Mask = mask & (sizes[components] >= smallest)
    return large
