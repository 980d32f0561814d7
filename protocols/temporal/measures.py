"""Everything that `temporal` measures of one clip, given the cluster maps of its frames.

A function of maps and truth alone, so that the constant map and the oracle go the same way as a
model's clusters.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.metrics.consistency import consistency
from tvseg_bench.benchmark.metrics.contingency import (
    Contingency,
    contingency,
    merge,
    stacked,
)
from tvseg_bench.benchmark.metrics.davis_jf import statistics
from tvseg_bench.benchmark.metrics.flow import NOWHERE, flow_consistency, warped_table
from tvseg_bench.benchmark.metrics.iou import class_counts, mean_iou
from tvseg_bench.benchmark.metrics.matching import Match, match
from tvseg_bench.benchmark.metrics.persistence import persistence
from tvseg_bench.benchmark.metrics.tubes import (
    association_quality,
    class_table,
    matched_table,
    tube_iou,
)
from tvseg_bench.benchmark.metrics.vpq import counted_quality, mean_quality
from tvseg_bench.benchmark.types import VOID
from tvseg_bench.protocols.common.scoring import mean
from tvseg_bench.protocols.temporal import LENGTHS, VPQ_LENGTHS, TemporalConfig
from tvseg_bench.protocols.temporal.objects_over_time import ClipFlow, ClipTruth

Map = NDArray[np.integer[Any]]

WINDOWED = tuple(f"vc{c}{kind}" for c in LENGTHS for kind in ("", "_correct"))
"""Metrics that are means over windows."""


@dataclass(frozen=True)
class Measured:
    """What the cluster maps of one clip give."""

    metrics: dict[str, float | None]
    table: Contingency
    """Pixels by true label and cluster."""
    frames: Sequence[Contingency] = ()
    """The same, frame by frame."""
    match: Match | None = None
    """The labels of the clusters."""
    windows: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    """Metric -> its value in every window; NaN where a window has no score."""
    things: Sequence[Contingency] = ()
    """Pixels of each frame by object and cluster, without the background."""


def measure(truth: ClipTruth, clusters: Sequence[Map], config: TemporalConfig) -> Measured:
    """Measure the cluster maps [H, W] of the frames of a clip.

    Without miou, seeds and flow, which the caller adds.
    """
    frames = [
        contingency(true, ids, void=truth.void)
        for true, ids in zip(truth.labels, clusters, strict=True)
    ]
    whole = merge(frames)
    found = match(whole, config.matching, config.unmatched)
    windows, metrics = _windows(truth, clusters, found, config)
    metrics |= _over_time(frames, found, config)
    tubes = _of_tubes(truth, clusters, frames)
    things = [table.select(labels=sorted(truth.things)) for table in tubes]
    metrics |= _objects(truth, tubes, things, config)
    metrics["largest_cluster"] = float(whole.table.sum(axis=0).max() / whole.table.sum())
    return Measured(metrics, whole, frames, found, windows, things)


def _windows(
    truth: ClipTruth, clusters: Sequence[Map], found: Match, config: TemporalConfig
) -> tuple[dict[str, NDArray[np.float64]], dict[str, float | None]]:
    """Return the windows of VC, and what they make."""
    scored = consistency(
        truth.labels,
        clusters,
        found,
        LENGTHS,
        windows=config.windows,
        void=None if config.vc_void == "count" else VOID,
    )
    windows: dict[str, NDArray[np.float64]] = {}
    metrics: dict[str, float | None] = {}
    for length, one in scored.items():
        windows |= {f"vc{length}": one.stable, f"vc{length}_correct": one.correct}
        metrics[f"vc{length}_iou"] = one.iou
    metrics |= {name: nanmean_or_none(values) for name, values in windows.items()}
    stable = metrics["vc2"]
    metrics["flip_rate"] = None if stable is None else 1 - stable
    return windows, metrics


def nanmean_or_none(values: NDArray[np.float64]) -> float | None:
    """Return the mean of what is not NaN, None where all is.

    Example:
        >>> nanmean_or_none(np.array([0.5, np.nan, 1.0]))
        0.75
    """
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else None


def _over_time(
    frames: Sequence[Contingency], found: Match, config: TemporalConfig
) -> dict[str, float | None]:
    """Return drift, and what is lost because a clip has one matching and not one per frame."""
    whole, alone = [], []
    for table in frames:
        if config.single_class == "skip" and len(table.labels) < 2:
            whole.append(math.nan)
            continue
        own = match(table, config.matching, config.unmatched)
        whole.append(_miou(table, found, config))
        alone.append(_miou(table, own, config))
    by_clip, by_frame = nanmean_or_none(np.array(whole)), nanmean_or_none(np.array(alone))
    drift = statistics(whole).decay
    gap = None
    if by_clip is not None and by_frame:
        gap = max(by_frame - by_clip, 0.0) / by_frame
    return {"drift": None if math.isnan(drift) else drift, "frame_gap": gap}


def _miou(table: Contingency, found: Match, config: TemporalConfig) -> float:
    value = mean_iou(class_counts(table, found), config.absent_class)
    return math.nan if value is None else value


def _of_tubes(
    truth: ClipTruth, clusters: Sequence[Map], frames: Sequence[Contingency]
) -> Sequence[Contingency]:
    """Return the pixels of each frame by object and cluster.

    Args:
        frames: The same by label, which serve where objects are the labels.
    """
    if truth.tubes is not truth.labels:
        pairs = zip(truth.tubes, clusters, strict=True)
        return [contingency(true, ids, void=VOID) for true, ids in pairs]
    if truth.void == VOID:
        return frames
    return [table.select(labels=table.labels[table.labels != VOID]) for table in frames]


def _objects(
    truth: ClipTruth,
    frames: Sequence[Contingency],
    things: Sequence[Contingency],
    config: TemporalConfig,
) -> dict[str, float | None]:
    """Return how objects keep their clusters, raw and matched to them."""
    names = ("persistence", "dominant", "tube_iou", "aq", "stq", "vpq")
    out: dict[str, float | None] = dict.fromkeys(names)
    if not truth.things:
        return out
    followed = persistence(things)
    out["persistence"] = mean(one.overlap for one in followed.values())
    out["dominant"] = mean(one.dominant for one in followed.values())
    whole = merge(frames)
    found = match(whole, config.matching, "void")
    table = matched_table(whole, found)
    out["tube_iou"] = tube_iou(table, truth.things)
    out["aq"] = association_quality(table, truth.things)
    if truth.source == "instance":
        out["stq"] = _stq(table, truth, out["aq"])
        out["vpq"] = _vpq(truth, frames, found)
    return out


def _stq(table: Contingency, truth: ClipTruth, aq: float | None) -> float | None:
    """Return sqrt(AQ x mean IoU of the classes), within 0..1."""
    classes = class_table(table, dict(truth.class_of))
    iou = mean_iou(class_counts(classes, match(classes, "identity")), "skip-unpredicted")
    return None if aq is None or iou is None else math.sqrt(aq * iou)


def _vpq(truth: ClipTruth, frames: Sequence[Contingency], found: Match) -> float | None:
    """Return the mean over window lengths of VPQ of the classes of objects, within 0..1.

    The background is a segment but no class that counts: it would be most of the mean.
    """
    ids = np.array(sorted(truth.class_of))
    category = {i + 1: truth.class_of[label] for i, label in enumerate(ids.tolist())}
    segments = _segments(frames, ids, found)
    classes = sorted({truth.class_of[i] for i in truth.things})
    return mean(
        mean_quality(counted_quality(segments, category, category, length), classes).pq
        for length in VPQ_LENGTHS
        if length <= len(frames)
    )


def _segments(
    frames: Sequence[Contingency], ids: NDArray[np.integer[Any]], found: Match
) -> list[Contingency]:
    """Return pixels by true and given segment: ids are numbered from 1; 0 is none of them."""
    labels, clusters, counts = stacked(frames)
    given = _numbered(found.apply(clusters), ids)
    names = np.unique(given)
    by_segment = counts @ (given[:, None] == names).astype(np.int64)
    return [Contingency(_numbered(labels, ids), names, table) for table in by_segment]


def _numbered(labels: Map, ids: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Number the ids from 1; 0 is what is none of them."""
    at = np.searchsorted(ids, labels).clip(max=len(ids) - 1)
    return np.where(ids[at] == labels, at + 1, 0).astype(np.int64)


def flow_scores(
    truth: ClipTruth, candidates: Sequence[Sequence[Map]], motion: ClipFlow
) -> list[float | None]:
    """Return the flow consistency of several maps of one clip; each flow is read once."""
    masked = [_without_void(maps, truth) for maps in candidates]
    tables: list[list[Contingency]] = [[] for _ in candidates]
    for row, t in motion.pairs:
        flow = motion.read(t)
        for maps, counted in zip(masked, tables, strict=True):
            counted.append(warped_table(maps[row], maps[row + 1], flow))
    return [flow_consistency(merge(counted)) for counted in tables]


def _without_void(clusters: Sequence[Map], truth: ClipTruth) -> list[Map]:
    """Return the maps with NOWHERE where the truth is void."""
    if truth.void is None:
        return list(clusters)
    return [
        np.where(true == truth.void, NOWHERE, ids.astype(np.int32))
        for true, ids in zip(truth.labels, clusters, strict=True)
    ]


def agreement(truth: ClipTruth, first: Sequence[Map], second: Sequence[Map]) -> float:
    """Return the adjusted Rand index of two clusterings of a clip, void left out."""
    from tvseg_bench.benchmark.metrics.rand_index import adjusted_rand_index

    nowhere = 1 + max((int(ids.max()) for ids in first), default=0)
    kind = np.min_scalar_type(nowhere)
    tables = []
    for true, ids, other in zip(truth.labels, first, second, strict=True):
        void = np.zeros((), np.bool_) if truth.void is None else true == truth.void
        kept = np.where(void, kind.type(nowhere), ids.astype(kind)) if void.any() else ids
        tables.append(contingency(kept, other, void=nowhere))
    return adjusted_rand_index(merge(tables))
