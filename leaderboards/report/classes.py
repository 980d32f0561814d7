"""IoU per class with intervals over clips, and the same for two models apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tvseg_bench.benchmark.statistics.comparison import Difference, paired_difference
from tvseg_bench.benchmark.statistics.intervals import FRACTION, interval
from tvseg_bench.benchmark.types import Score, UnitScore

if TYPE_CHECKING:
    from tvseg_bench.leaderboards.report.gather import ReportedModel


@dataclass(frozen=True)
class ClassIou:
    """One class of one model."""

    label: int
    name: str
    iou: float
    ci: tuple[float, float] | None
    clips: int
    """That hold the class."""


def per_class(model: ReportedModel) -> list[ClassIou]:
    """Return the IoU of every class, with intervals where clips have counts of their own."""
    found = model.result.per_class
    samples = model.result.samples
    how = "mean" if samples is None else samples.resample
    rows = [row for row in model.clip_rows if row.counts] or model.rows
    made = []
    for label, name, iou in zip(found.labels, found.names, found.iou, strict=False):
        if iou is not None:
            ci, clips = _interval(rows, label, iou, how)
            made.append(ClassIou(label, name, iou, ci, clips))
    return made


def _interval(
    rows: Sequence[UnitScore], label: int, iou: float, how: Literal["mean", "counts"]
) -> tuple[tuple[float, float] | None, int]:
    if how == "counts":
        own = [_only(row, label) for row in rows if row.counts]
        clips = sum(bool(row.counts["tp"][0] + row.counts["fn"][0]) for row in own)
    else:
        own = _means(rows, label)
        clips = len(own)
    if clips < 2:
        return None, clips
    score = Score(metrics={"miou": iou}, clips=own, resample=how)
    found = interval(score, "miou")
    known = found.lo is not None and found.hi is not None
    return ((found.lo, found.hi) if known else None), clips  # type: ignore[return-value]


def _only(row: UnitScore, label: int) -> UnitScore:
    """Return a row with the counts of one class."""
    at = list(row.counts["labels"]).index(label) if label in row.counts["labels"] else None
    counts = {k: [0 if at is None else row.counts[k][at]] for k in ("tp", "fp", "fn")}
    return UnitScore(clip=row.clip, metrics={}, counts={"labels": [label], **counts})


def _means(rows: Sequence[UnitScore], label: int) -> list[UnitScore]:
    """Return the mean IoU of a class per clip, over its units that hold the class."""
    values: dict[str, list[float]] = {}
    for row in rows:
        if not row.counts or label not in row.counts["labels"]:
            continue
        at = list(row.counts["labels"]).index(label)
        tp, fp, fn = (row.counts[k][at] for k in ("tp", "fp", "fn"))
        if tp + fn:
            values.setdefault(row.clip, []).append(tp / (tp + fp + fn))
    return [UnitScore(clip=clip, metrics={"miou": sum(v) / len(v)}) for clip, v in values.items()]


def difference(a: ReportedModel, b: ReportedModel, metric: str) -> Difference | None:
    """Return A minus B over the clips they share; None where rows are not at hand."""
    left, right, samples = a.clip_rows, b.clip_rows, a.result.samples
    if samples is None or not left or not right:
        return None
    return paired_difference(
        left,
        right,
        metric,
        facts=a.result.metrics.get(metric, FRACTION),
        resample=samples.resample,
        background=a.result.dataset.background,
    )
