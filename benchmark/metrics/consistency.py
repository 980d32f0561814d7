"""Video consistency of every window length in one pass, scored so that no constant map gains.

VC (Miao et al. 2021) asks of the pixels whose true label stays for C frames how many keep their
predicted label (`stable`), or have the true one throughout (`correct`). Most such pixels are
background, so a map that is background everywhere scores high on both. `iou` scores the same
pixels by class and punishes what is wrongly given to one: a constant map gets at most one half.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.errors import UsageError, did_you_mean
from tvseg_bench.benchmark.metrics.contingency import Counts, contingency
from tvseg_bench.benchmark.metrics.matching import Match
from tvseg_bench.benchmark.types import VOID

Map: TypeAlias = NDArray[np.integer[Any]]
Runs: TypeAlias = NDArray[np.uint8]

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
    frames = list(_frames(truth, clusters, match, order, void))
    counted = frames if windows == "all" else frames[:-1]
    return {
        length: _consistency(counted[length - 1 :], level)
        for level, length in enumerate(order, start=1)
    }


@dataclass(frozen=True, eq=False)
class _Frame:
    """Pixels of the windows that end with one frame; level i = the i shortest lengths fit."""

    labels: Counts
    """[C] true labels."""
    static: Counts
    """[C, levels + 1] pixels by true label, and by how long they have had it."""
    stable: Counts
    """[levels + 1] pixels by how long they have had true label and cluster."""
    given: Counts
    """[P] matched labels: the columns of `kept`, a label in several of them."""
    level: Counts
    """[P] how long the pixels of a column have had true and matched label."""
    kept: Counts
    """[C, P] pixels."""

    @property
    def hits(self) -> Counts:
        """[C, P] pixels whose matched label is the true one."""
        return np.where(self.labels[:, None] == self.given, self.kept, 0)


def _frames(
    truth: Sequence[Map],
    clusters: Sequence[Map],
    match: Match,
    lengths: Sequence[int],
    void: int | None,
) -> Iterator[_Frame]:
    """Yield what every frame adds."""
    n, top = len(lengths) + 1, lengths[-1]
    level_of = np.searchsorted(lengths, np.arange(top + 1), side="right").astype(np.uint8)
    named = _runs((match.apply(c) for c in clusters), top)
    for (true, run), (_, id_run), (label, label_run) in zip(
        _runs(truth, top), _runs(clusters, top), named, strict=True
    ):
        static = run if void is None else run * (true != void)
        by_truth = contingency(true, level_of[static], void=None, clusters=range(n))
        stable = np.bincount(level_of[np.minimum(static, id_run)].ravel(), minlength=n)
        codes = label * n + level_of[np.minimum(static, label_run)]
        kept = contingency(true, codes, void=None)
        yield _Frame(
            by_truth.labels,
            by_truth.table,
            stable,
            kept.clusters // n,
            kept.clusters % n,
            kept.table,
        )


def _runs(maps: Iterable[Map], cap: int) -> Iterator[tuple[Map, Runs]]:
    """Yield each map, and for how many frames, up to `cap`, each pixel has had its label."""
    before: Map | None = None
    run: Runs = np.zeros((), np.uint8)
    for frame in maps:
        run = np.zeros(frame.shape, np.uint8) if before is None else run * (frame == before)
        run += run < cap
        before = frame
        yield frame, run


def _consistency(frames: Sequence[_Frame], level: int) -> Consistency:
    """Put the windows of one length together."""
    static = np.array([f.static[:, level:].sum() for f in frames], np.float64)
    stable = np.array([f.stable[level:].sum() for f in frames], np.float64)
    correct = np.array([f.hits[:, f.level >= level].sum() for f in frames], np.float64)
    share = np.full((2, len(frames)), np.nan)
    np.divide([stable, correct], static, out=share, where=static > 0)
    return Consistency(share[0], share[1], _iou(frames, level))


def _iou(frames: Sequence[_Frame], level: int) -> float | None:
    true, hits, given = Counter[int](), Counter[int](), Counter[int]()
    for frame in frames:
        fits = frame.level >= level
        _add(true, frame.labels, frame.static[:, level:].sum(axis=1))
        _add(hits, frame.labels, frame.hits[:, fits].sum(axis=1))
        _add(given, frame.given[fits], frame.kept[:, fits].sum(axis=0))
    labels = [label for label, pixels in true.items() if pixels]
    if len(labels) < 2:
        return None
    iou = [hits[label] / (true[label] + given[label] - hits[label]) for label in labels]
    return float(np.mean(iou))


def _add(sums: Counter[int], labels: Counts, pixels: Counts) -> None:
    for label, count in zip(labels.tolist(), pixels.tolist(), strict=True):
        sums[label] += count
