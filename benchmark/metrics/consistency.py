"""Video consistency of every window length in one pass, scored so that no constant map gains.

VC (Miao et al. 2021) asks of the pixels whose true label stays for C frames how many keep their
predicted label (`stable`), or have the true one throughout (`correct`). Most such pixels are
background, so a map that is background everywhere scores high on both. `iou` scores the same
pixels by class and punishes what is wrongly given to one: a constant map gets at most one half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.errors import UsageError, did_you_mean
from tvseg_bench.benchmark.metrics.contingency import Counts
from tvseg_bench.benchmark.metrics.matching import UNMATCHED, Match
from tvseg_bench.benchmark.types import VOID

Map: TypeAlias = NDArray[np.integer[Any]]

Windows = Literal["all", "vspw"]
"""Which windows of a clip count. all: each of the T - C + 1. vspw: all but the last, and none
of a clip of C frames (as published)."""

LONGEST = 254
"""Frames of the longest window, so that runs fit in a byte."""


@dataclass(frozen=True, eq=False)
class Consistency:
    """How the windows of one length are labelled."""

    stable: NDArray[np.float64]
    """[windows] shares that keep their cluster; NaN where no pixel keeps its true label."""
    correct: NDArray[np.float64]
    """[windows] shares that have the true label throughout; NaN likewise."""
    iou: float | None
    """Mean over the true labels of |true and predicted as it| / |true or predicted as it|, in
    pixels that keep their true label through a window, summed over the windows; None where fewer
    than two labels have such pixels."""


def consistency(
    truth: Sequence[Map],
    clusters: Sequence[Map],
    match: Match,
    lengths: Sequence[int],
    *,
    windows: Windows = "all",
    void: int | None = VOID,
) -> dict[int, Consistency]:
    """Score the windows of every length of one clip.

    A data set's VC is the mean over the windows of all clips, NaN left out.

    Args:
        truth: T maps [H, W] of true labels.
        clusters: T maps [H, W] of cluster ids.
        lengths: C, frames of a window, each within 1..254.
        void: True label whose pixels are not counted; None counts all, as published.

    Raises:
        UsageError: A length is out of range, or windows is unknown.

    Source: VSPW, sssdddwww2/CVPR2021_VSPW_Implement VC_perclip.py.

    Example:
        >>> truth = [np.array([[0, 0, 0, 1]])] * 2
        >>> constant = [np.zeros((1, 4), int)] * 2
        >>> found = consistency(truth, constant, Match(np.array([0]), np.array([0])), [2])[2]
        >>> found.stable.tolist(), found.correct.tolist(), found.iou
        ([1.0], [0.75], 0.375)
    """
    if windows not in get_args(Windows):
        raise UsageError(did_you_mean("windows", str(windows), get_args(Windows)))
    if any(not 1 <= length <= LONGEST for length in lengths):
        raise UsageError(f"windows of {list(lengths)} frames; each has 1 to {LONGEST}")
    order = sorted(set(lengths))
    found = _count(truth, clusters, match, order, windows, void)
    return {
        length: _consistency(found, length, level) for level, length in enumerate(order, start=1)
    }


@dataclass(frozen=True, eq=False)
class _Held:
    """Pixels by how long they have had their label; level i = the i shortest lengths fit."""

    labels: Counts
    """[C] true labels."""
    given: Counts
    """[P] labels that clusters stand for."""
    right: Counts
    """[C] position of each true label among `given`, -1 where it is none of them."""
    static: Counts
    """[T, C, levels + 1] pixels of each frame by true label, and by how long they have had it."""
    stable: Counts
    """[T, levels + 1] pixels by how long they have had true label and cluster."""
    correct: Counts
    """[T, levels + 1] pixels by how long their true label has been the one that is given."""
    kept: Counts
    """[C, P, levels + 1] pixels of all frames by how long they have had true and given label."""


def _count(
    truth: Sequence[Map],
    clusters: Sequence[Map],
    match: Match,
    lengths: Sequence[int],
    windows: Windows,
    void: int | None,
) -> _Held:
    """Read every pixel once; what ends with a frame that no window ends with is not counted."""
    if [t.shape for t in truth] != [c.shape for c in clusters] or len({*map(np.shape, truth)}) > 1:
        raise UsageError(
            "the maps of a clip differ in shape or number; expected T maps [H, W] each"
        )
    counted = len(truth) - (windows == "vspw")
    (labels, true), (names, ids) = _coded(truth[:counted]), _coded(clusters[:counted])
    given = np.unique([UNMATCHED, *match.assigned])
    n, top = len(lengths) + 1, lengths[-1]
    at = np.searchsorted(given, labels).clip(max=len(given) - 1)
    found = _Held(
        labels=labels,
        given=given,
        right=np.where(given[at] == labels, at, -1),
        static=np.zeros((len(true), len(labels), n), np.int64),
        stable=np.zeros((len(true), n), np.int64),
        correct=np.zeros((len(true), n), np.int64),
        kept=np.zeros((len(labels), len(given), n), np.int64),
    )
    _add_frames(
        found,
        true,
        ids,
        label_of=np.searchsorted(given, match.apply(names)),
        void=-1 if void is None or void not in labels else int(np.searchsorted(labels, void)),
        level_of=np.searchsorted(lengths, np.arange(top + 1), side="right"),
    )
    return found


def _coded(maps: Sequence[Map]) -> tuple[Counts, list[Map]]:
    """Return ids, ascending, and the maps with the positions of ids in place of the ids."""
    if all(ids.dtype == np.uint8 for ids in maps):
        return np.arange(256), list(maps)
    known = np.unique(np.concatenate([np.unique(ids) for ids in maps])).astype(np.int64)
    narrow = np.uint8 if len(known) <= 256 else np.uint32
    return known, [np.searchsorted(known, ids).astype(narrow) for ids in maps]


def _add_frames(
    found: _Held,
    truth: Sequence[Map],
    ids: Sequence[Map],
    label_of: Counts,
    void: int,
    level_of: Counts,
) -> None:
    """Count coded maps; the arguments are those of `counting.count_held`."""
    from tvseg_bench.benchmark.metrics.counting import count_held, flat, repeated_one, words

    kind = np.uint8 if all(m.dtype == np.uint8 for m in (*truth, *ids)) else np.uint32
    pixels = truth[0].size if truth else 0
    runs = np.zeros((3, -(-pixels // 8) * 8), kind)
    shared = (
        runs,
        runs.view(np.uint64),
        repeated_one(runs),
        label_of,
        found.right,
        void,
        level_of,
    )
    before: tuple[Map, ...] = ()
    for t, (true, given) in enumerate(zip(truth, ids, strict=True)):
        row, row_p = flat(true.astype(kind, copy=False)), flat(given.astype(kind, copy=False))
        now = (row, words(row), row_p, words(row_p))
        last = before or now
        sums = (found.static[t], found.stable[t], found.correct[t], found.kept)
        arguments: tuple[Any, ...] = (*now[:2], *last[:2], *now[2:], *last[2:], *shared, *sums)
        count_held(*arguments)
        before = now


def _consistency(found: _Held, length: int, level: int) -> Consistency:
    """Put the windows of one length together: those that end with the frames from `length` on."""
    kept = found.static[length - 1 :, :, level:].sum(axis=(1, 2)).astype(np.float64)
    stable = found.stable[length - 1 :, level:].sum(axis=1)
    correct = found.correct[length - 1 :, level:].sum(axis=1)
    share = np.full((2, len(kept)), np.nan)
    np.divide([stable, correct], kept, out=share, where=kept > 0)
    return Consistency(share[0], share[1], _iou(found, length, level))


def _iou(found: _Held, length: int, level: int) -> float | None:
    """Return the mean over the labels in the order in which they appear."""
    frames = found.static[length - 1 :]
    true = frames[:, :, level:].sum(axis=(0, 2))
    appears = frames.any(axis=2)
    first = np.argmax(appears, axis=0) if len(frames) else np.zeros(len(true), np.int64)
    order = np.argsort(first, kind="stable")
    order = order[true[order] > 0]
    if len(order) < 2:
        return None
    kept = found.kept[:, :, level:].sum(axis=2)
    right = found.right[order]
    hits = np.where(right < 0, 0, kept[order, right])
    given = np.where(right < 0, 0, kept.sum(axis=0)[right])
    return float(np.mean(hits / (true[order] + given - hits)))
