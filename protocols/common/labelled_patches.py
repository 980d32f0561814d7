"""Labelled patches of training clips: tokens and the share of each label in them, bounded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tvseg_bench.benchmark.features.frames import choose_frames
from tvseg_bench.benchmark.metrics.contingency import contingency
from tvseg_bench.benchmark.types import VOID
from tvseg_bench.protocols.common.ground_truth import read_truth
from tvseg_bench.protocols.common.patch_labels import patch_counts
from tvseg_bench.protocols.common.resize import resize_nearest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tvseg_bench.benchmark.types import ClipFeatures, FeatureSet, LabelKind, Labels

Pick = Literal["uniform", "rare-first"]
"""uniform: patches by chance alone. rare-first: patches of rare classes are likelier, as
published (open-hummingbird-eval, hbird_eval.py `_sample_features`)."""
VoidPatches = Literal["exclude", "to-zero"]
"""exclude: void pixels belong to no label, patches of void alone are left out. to-zero: void
becomes label 0."""
MaskSize = Literal["gt", "input"]
"""Whether the labels of a patch are counted in the mask as stored, or resized to the input."""


@dataclass(frozen=True, eq=False)
class Patches:
    """Labelled patches, in the order of clips, frames and picks."""

    labels: NDArray[np.int64]
    """[C] the labels that occur in the frames, ascending, void left out."""
    tokens: NDArray[np.float32]
    """[N, D]"""
    shares: NDArray[np.float32]
    """[N, C] share of each label in the pixels that count; rows sum to 1."""
    mass: NDArray[np.float32]
    """[N] share of the pixels that count in all of the patch, within 0..1."""
    frames: int
    """Frames that were looked at."""
    seen: int
    """Patches that could have been picked."""


@dataclass(frozen=True, eq=False)
class SampledPatches:
    """What one frame gives."""

    labels: NDArray[np.int64]
    """[c] the labels of the frame, ascending, void left out."""
    tokens: NDArray[np.floating[Any]]
    """[n, D]"""
    counts: NDArray[np.int64]
    """[n, c] pixels of each label."""
    mass: NDArray[np.float64]
    """[n] share of the pixels that count in all of the patch."""
    seen: int
    """Patches that hold a label."""


def collect(
    features: FeatureSet,
    kind: LabelKind,
    seed: int,
    *,
    limit: int | None,
    pick: Pick = "uniform",
    void: VoidPatches = "exclude",
    masks: MaskSize = "gt",
) -> Patches:
    """Gather patches of every frame, at most max(1, limit // frames) of each.

    What a frame gives depends on the seed, the clip's name and the frame alone.

    Args:
        limit: patches in all (at least one per frame); None = every patch.
    """
    frames = frame_count(features)
    quota = None if limit is None else max(1, limit // max(1, frames))
    picked = []
    for clip in features:
        truth = training_truth(clip, kind, masks, features.patch_size)
        for t, tokens, true in zip(clip.frames, clip.tokens, truth, strict=True):
            if void == "to-zero":
                true = np.where(true == VOID, 0, true)
            draws = np.random.default_rng([seed, t, *clip.clip.name.encode()])
            picked.append(
                pick_patches(tokens, true, draws.random(tokens[..., 0].size), quota, pick)
            )
    return join(picked, frames)


def frame_count(features: FeatureSet) -> int:
    """Return how many frames a feature set holds, without computing one."""
    view = features.view
    return sum(len(choose_frames(c.n_frames, view, c.name)) for c in features.dataset.clips)


def training_truth(
    clip: ClipFeatures, kind: LabelKind, masks: MaskSize, patch: int
) -> Sequence[Labels]:
    """Return the masks of a clip's frames, as stored or nearest at the size of the input."""
    if masks == "gt":
        return read_truth(clip, kind, "card", "gt")
    rows, cols = clip.tokens.shape[1:3]
    if rows == cols:
        return read_truth(clip, kind, "card", rows * patch)
    stored = read_truth(clip, kind, "card", "gt")
    return [resize_nearest(mask, (rows * patch, cols * patch)) for mask in stored]


def rarity(present: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return for each patch the patches of the frame that hold its labels, summed over these.

    Args:
        present: [P, C] which labels each patch holds.

    Source: open-hummingbird-eval, hbird_eval.py (vpariza).

    Example:
        >>> rarity(np.array([[True, False], [True, True], [True, False]])).tolist()
        [3, 4, 3]
    """
    score: NDArray[np.int64] = present.astype(np.int64) @ present.sum(axis=0)
    return score


def fewest(
    score: NDArray[np.integer[Any]], draws: NDArray[np.floating[Any]], wanted: int
) -> NDArray[np.intp]:
    """Return the patches with the smallest products of score and draw within 0..1, ascending.

    Example:
        >>> fewest(np.array([3, 4, 3]), np.array([0.9, 0.1, 0.5]), 2).tolist()
        [1, 2]
    """
    return np.argsort(score * draws, kind="stable")[:wanted]


def pick_patches(
    tokens: NDArray[np.floating[Any]],
    true: Labels,
    draws: NDArray[np.floating[Any]],
    quota: int | None = None,
    pick: Pick = "uniform",
) -> SampledPatches:
    """Label the patches of one frame and pick some.

    Args:
        tokens: [rows, cols, D].
        true: [H, W] labels.
        draws: [rows * cols] within 0..1, one per patch, row by row.
        quota: patches, at most; None = all that hold a label.
        pick: which are preferred; where all may stay they stay in the order of the grid.
    """
    rows, cols, depth = tokens.shape
    labels = contingency(true, np.zeros_like(true)).labels
    held, pixels = patch_counts(true, (rows, cols), labels)
    counts = held.reshape(rows * cols, -1)
    counted = counts.sum(axis=1)
    usable = np.flatnonzero(counted)
    chosen = usable
    if quota is not None and usable.size > quota:
        score = rarity(counts > 0) if pick == "rare-first" else np.ones(rows * cols, np.int64)
        chosen = usable[fewest(score[usable], draws[usable], quota)]
    return SampledPatches(
        labels,
        tokens.reshape(-1, depth)[chosen],
        counts[chosen],
        counted[chosen] / pixels.reshape(-1)[chosen],
        usable.size,
    )


def join(picked: Sequence[SampledPatches], frames: int) -> Patches:
    """Put frames together, the labels of each brought to those of all."""
    labels = np.unique(np.concatenate([np.zeros(0, np.int64), *(p.labels for p in picked)]))
    n = sum(len(p.tokens) for p in picked)
    depth = picked[0].tokens.shape[1] if picked else 0
    tokens = np.empty((n, depth), np.float32)
    shares = np.zeros((n, labels.size), np.float32)
    mass = np.empty(n, np.float32)
    for rows, part in zip(_spans(picked), picked, strict=True):
        tokens[rows], mass[rows] = part.tokens, part.mass
        own = part.counts / part.counts.sum(axis=1, keepdims=True)
        shares[rows][:, np.searchsorted(labels, part.labels)] = own
    return Patches(labels, tokens, shares, mass, frames, sum(p.seen for p in picked))


def _spans(picked: Sequence[SampledPatches]) -> Iterator[slice]:
    start = 0
    for part in picked:
        yield slice(start, start + len(part.tokens))
        start += len(part.tokens)
