"""From contingency tables to rows, averages and reference scores of the k-means family."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from tvseg_bench.benchmark.metrics.contingency import Contingency, merge
from tvseg_bench.benchmark.metrics.iou import AbsentClass, ClassCounts, class_counts, mean_iou
from tvseg_bench.benchmark.metrics.matching import Match, Matching, Unmatched, match
from tvseg_bench.benchmark.metrics.references import constant_table
from tvseg_bench.benchmark.types import ClipFeatures, LabelKind, Score, UnitScore

METRICS = ("miou", "miou_fg")
"""Mean over all classes present, and the same without the background that the card declares."""


class MatchingRules(Protocol):
    """How clusters become labels, and labels a mean: fields of a configuration."""

    @property
    def matching(self) -> Matching:
        """How clusters are matched to labels."""

    @property
    def unmatched(self) -> Unmatched:
        """What an unmatched cluster becomes."""

    @property
    def absent_class(self) -> AbsentClass:
        """What a class without a true pixel does to the mean."""


@dataclass(frozen=True)
class UnitResult:
    """What one clustering and one matching gave."""

    metrics: Mapping[str, float | None]
    references: Mapping[str, float | None] = field(default_factory=dict)
    counts: ClassCounts | None = None
    match: Match | None = None
    table: Contingency | None = None
    empty: int = 0
    note: str = ""

    def row(self) -> UnitRow:
        """Return what is kept of it."""
        return UnitRow(
            metrics=dict(self.metrics),
            references=dict(self.references),
            counts={} if self.counts is None else counts_row(self.counts),
            empty=int(self.empty),
            note=self.note,
        )


@dataclass(frozen=True)
class UnitRow:
    """What is kept of a unit: numbers, as plain values."""

    metrics: dict[str, float | None]
    references: dict[str, float | None]
    """Empty where the unit has no score."""
    counts: dict[str, list[int]]
    """As `counts_row` gives them; empty where the unit has no score."""
    empty: int
    """Clusters without a pixel."""
    note: str

    @property
    def scored(self) -> bool:
        """Whether the unit has a score."""
        return self.metrics.get("miou") is not None

    @property
    def class_counts(self) -> ClassCounts | None:
        """Return the counts as arrays, None where the unit has no score."""
        if not self.counts:
            return None
        return ClassCounts(**{name: np.array(n, np.int64) for name, n in self.counts.items()})

    def sample(self, clip: str, frame: int | None, n_frames: int = 1) -> UnitScore:
        """Return the row of the samples file."""
        return UnitScore(
            clip=clip,
            frame=frame,
            n_frames=n_frames,
            metrics=self.metrics,
            counts=self.counts,
            note=self.note,
        )


@dataclass(frozen=True)
class ClipUnits:
    """What is kept of a clip that is matched without others: its units, as plain values."""

    clip: str
    frames: tuple[int, ...]
    """Those that were looked at, as indices into the clip."""
    units: tuple[UnitRow, ...]
    """One per frame, or the one of the clip."""

    def sample(self, of_frames: bool) -> UnitScore:
        """Return the row that speaks for the clip: its one unit's, or the mean of its frames'."""
        n_frames = len(self.frames)
        if not of_frames:
            return self.units[0].sample(self.clip, None, n_frames)
        metrics = {
            m: mean(unit.metrics.get(m) for unit in self.units)
            for m in names_in(unit.metrics for unit in self.units)
        }
        note = "" if metrics["miou"] is not None else "no frame holds two classes"
        return UnitScore(clip=self.clip, n_frames=n_frames, metrics=metrics, note=note)

    def frame_samples(self) -> list[UnitScore]:
        """Return the rows of the frames, where each is a unit."""
        return [unit.sample(self.clip, t) for unit, t in zip(self.units, self.frames, strict=True)]


def clip_units(clip: ClipFeatures, units: Iterable[UnitResult]) -> ClipUnits:
    """Return what is kept of a clip with the results of its units."""
    frames = tuple(int(t) for t in clip.frames)
    return ClipUnits(clip.clip.name, frames, tuple(unit.row() for unit in units))


def empty_result(note: str) -> UnitResult:
    """Return the result of a unit without a score, with the reason."""
    return UnitResult(metrics=dict.fromkeys(METRICS), note=note)


def mean_ious(
    counts: ClassCounts,
    absent_class: AbsentClass,
    background: int | None,
    classes: Sequence[int] | None = None,
) -> dict[str, float | None]:
    """Return `miou` and `miou_fg`; the latter is None where no label is background.

    Args:
        background: the label that `miou_fg` leaves out.
        classes: those of the mean, None = those that the convention leaves.
    """
    miou = mean_iou(counts, absent_class, classes=classes)
    if background is None:
        return {"miou": miou, "miou_fg": None}
    foreground = mean_iou(counts, absent_class, exclude=(background,), classes=classes)
    return {"miou": miou, "miou_fg": foreground}


def score_table(
    table: Contingency,
    rules: MatchingRules,
    background: int | None,
    classes: Sequence[int] | None = None,
) -> tuple[dict[str, float | None], ClassCounts, Match]:
    """Match the clusters of one unit and return its metrics, counts and matching."""
    matched = match(table, rules.matching, rules.unmatched)
    counts = class_counts(table, matched)
    return mean_ious(counts, rules.absent_class, background, classes), counts, matched


def score_unit(
    table: Contingency,
    oracle: Contingency,
    rules: MatchingRules,
    background: int | None,
    empty: int = 0,
    classes: Sequence[int] | None = None,
) -> UnitResult:
    """Score one unit, and beside it the constant map and the patch-grid oracle.

    The constant map is one cluster that holds every pixel, the oracle the ground truth pooled to
    the patch grid; both go through the same matching. `classes` are those of the mean, None =
    those that the convention on absent classes leaves.
    """
    metrics, counts, matched = score_table(table, rules, background, classes)
    references = {
        f"{name}/{metric}": value
        for name, reference in (("constant", constant_table(table)), ("oracle", oracle))
        for metric, value in score_table(reference, rules, background, classes)[0].items()
    }
    return UnitResult(
        metrics=metrics,
        references=references,
        counts=counts,
        match=matched,
        table=table,
        empty=empty,
    )


def aligned(table: Contingency, like: Contingency) -> Contingency:
    """Return a table with every label and cluster of another, so that no false positive of a
    class that a clip lacks is lost."""
    return merge([table, replace(like, table=np.zeros_like(like.table))])


def counts_row(counts: ClassCounts) -> dict[str, list[int]]:
    """Return the integers from which the metrics of a unit can be recomputed."""
    return {
        "labels": counts.labels.tolist(),
        "tp": counts.tp.tolist(),
        "fp": counts.fp.tolist(),
        "fn": counts.fn.tolist(),
    }


def counted_row(
    clip: ClipFeatures, table: Contingency, whole: Contingency, found: Match
) -> UnitScore:
    """Return the row of a clip where metrics are made of the summed counts of all clips.

    Args:
        whole: those of all clips, whose labels and clusters the row is to have.
        found: the matching of all clips.
    """
    counts = counts_row(class_counts(aligned(table, whole), found))
    return UnitScore(clip=clip.clip.name, n_frames=len(clip.frames), metrics={}, counts=counts)


def counted_score(
    whole: UnitResult,
    clips: Iterable[tuple[ClipFeatures, Contingency]],
    kind: LabelKind,
    names: Sequence[str],
    **details: Any,
) -> Score:
    """Return the score of a data set that was matched as one unit, `whole`.

    Clips come with their pixels; names are those of the classes, used where labels are classes.
    """
    table, found = whole.table, whole.match
    assert table is not None
    assert found is not None
    return Score(
        metrics=whole.metrics,
        clips=[counted_row(clip, pixels, table, found) for clip, pixels in clips],
        resample="counts",
        references=whole.references,
        per_class=per_class([whole.counts], names if kind == "semantic" else ()),
        details={
            "labels": kind,
            "clusters": table.clusters.tolist(),
            "matched_to": found.assigned.tolist(),
            "contingency_labels": table.labels.tolist(),
            "contingency": table.table.tolist(),
            **details,
        },
    )


def units_score(
    rows: Sequence[ClipUnits],
    clips: Sequence[UnitScore],
    frames: Sequence[UnitScore],
    kind: LabelKind,
    names: Sequence[str],
    step: int = 1,
    **details: Any,
) -> Score:
    """Return the score of a data set whose frames or clips were matched each on its own.

    Args:
        clips: the samples of the clips, whose mean it is.
        frames: those of the frames, where each is a unit.
        names: those of the classes, used where labels are classes.
        step: clips in a row whose mean weighs as one.
    """
    every = [unit for row in rows for unit in row.units]
    counts = (unit.class_counts for unit in every)
    return Score(
        metrics={
            m: average([c.metrics.get(m) for c in clips], step)
            for m in names_in(clip.metrics for clip in clips)
        },
        clips=clips,
        frames=frames,
        references=average_rows([row.units for row in rows], step),
        per_class=per_class(counts, names) if kind == "semantic" else {},
        details={
            "labels": kind,
            "units": len(every),
            "units_scored": sum(unit.scored for unit in every),
            **details,
        },
    )


class ScoredClip(Protocol):
    """What is kept of a clip that is scored by itself."""

    @property
    def clip(self) -> UnitScore:
        """Its row."""

    @property
    def frames(self) -> Sequence[UnitScore]:
        """The rows of its frames."""

    @property
    def references(self) -> Mapping[str, float | None]:
        """`constant/METRIC` and `oracle/METRIC`; what is not known may be left out."""


def clips_score(
    rows: Sequence[ScoredClip],
    metrics: Iterable[str],
    references: Iterable[str],
    details: dict[str, Any],
) -> Score:
    """Return the means over clips, which weigh alike; a clip without a value is left out.

    Args:
        references: what stands before the metric's name: `constant`, `oracle`.
    """
    names = tuple(metrics)
    beside = [f"{reference}/{name}" for reference in references for name in names]
    return Score(
        metrics={name: mean(row.clip.metrics[name] for row in rows) for name in names},
        clips=[row.clip for row in rows],
        frames=[frame for row in rows for frame in row.frames],
        references={name: mean(row.references.get(name) for row in rows) for name in beside},
        details=details,
    )


def names_in(numbers: Iterable[Mapping[str, float | None]]) -> list[str]:
    """Return the names of numbers in the order in which they are met, each once.

    Example:
        >>> names_in([{"miou": None}, {"miou": 0.5, "position_r2": 0.1}])
        ['miou', 'position_r2']
    """
    return list(dict.fromkeys(name for one in numbers for name in one))


def mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of the values that there are, None where there is none.

    Example:
        >>> mean([0.25, None, 0.75])
        0.5
        >>> mean([None]) is None
        True
    """
    known = [v for v in values if v is not None]
    return float(np.mean(known)) if known else None


def average(values: Sequence[float | None], step: int) -> float | None:
    """Return the mean of the means of every `step` clips in a row."""
    return mean(mean(values[i : i + step]) for i in range(0, len(values), step))


def average_rows(rows: Sequence[Sequence[UnitRow]], step: int) -> dict[str, float | None]:
    """Return the reference scores of the clips' units, averaged as the metrics are."""
    always = dict.fromkeys(f"{r}/{m}" for r in ("constant", "oracle") for m in METRICS)
    names = names_in([always, *(unit.references for units in rows for unit in units)])
    return {
        name: average([mean(u.references.get(name) for u in units) for units in rows], step)
        for name in names
    }


def per_class(units: Iterable[ClassCounts | None], names: Sequence[str]) -> dict[str, list[Any]]:
    """Return each class's IoU, a mean over the units that hold it, and its pixels.

    Args:
        units: their counts, None for those without a score.
    """
    iou: dict[int, list[float]] = {}
    support: dict[int, int] = {}
    for unit in units:
        if unit is None:
            continue
        for label, value, count in zip(
            unit.labels.tolist(), unit.iou, unit.support.tolist(), strict=True
        ):
            if count:
                iou.setdefault(label, []).append(float(value))
                support[label] = support.get(label, 0) + count
    labels = sorted(iou)
    return {
        "labels": labels,
        "names": [names[c] if c < len(names) else str(c) for c in labels],
        "iou": [float(np.mean(iou[c])) for c in labels],
        "support": [support[c] for c in labels],
    }
