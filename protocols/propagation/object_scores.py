"""J and F of followed objects: per frame, clip and data set, and as DAVIS reports them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from tvseg_bench.benchmark.metrics.boundary import TOLERANCE, FrameObjects, Pairs, tolerance_radius
from tvseg_bench.benchmark.metrics.davis_jf import JF, object_scores, statistics
from tvseg_bench.benchmark.types import LabelKind, Score, UnitScore
from tvseg_bench.protocols.propagation import METRICS, PropagationConfig
from tvseg_bench.protocols.propagation.followed_objects import UNKNOWN, Numbers

REFERENCES = ("constant", "oracle", "first-frame")
"""Background everywhere; the truth pooled to the patch grid; the first frame's labels held."""

Task = Literal["semi-supervised", "unsupervised"]


class ObjectTally:
    """J and F of one map after the other, each beside the truth of the same frame."""

    def __init__(self, n_objects: int, task: Task) -> None:
        self._n = n_objects
        self._task = task
        self._frames: dict[str, list[tuple[Any, Any]]] = {}

    def add(self, truth: Numbers, predicted: Mapping[str, Numbers]) -> None:
        """Score the named predictions [H, W] of one frame; what is unknown is not counted."""
        unknown = truth == UNKNOWN
        anything_unknown = unknown.any()
        objects = FrameObjects(truth, self._n)
        radius = tolerance_radius(TOLERANCE, truth.shape)
        pairs: Pairs = "same" if self._task == "semi-supervised" else "all"
        for name, numbers in predicted.items():
            shown = np.where(unknown, 0, numbers) if anything_unknown else numbers
            found = object_scores(objects, FrameObjects(shown, self._n), radius, pairs)
            self._frames.setdefault(name, []).append((found.j, found.f))

    def close(self) -> dict[str, JF]:
        """Return J and F [N, T] of each kind of prediction; row k is about object k."""
        return {name: self._matched(frames) for name, frames in self._frames.items()}

    def _matched(self, frames: Sequence[tuple[Any, Any]]) -> JF:
        j, f = (np.stack(kind, axis=-1) for kind in zip(*frames, strict=True))
        predicted = target = np.arange(self._n)
        if self._task == "unsupervised":
            from scipy.optimize import linear_sum_assignment

            target, predicted = linear_sum_assignment(-(j.mean(-1) + f.mean(-1)).T / 2)
        return JF(j[predicted, target], f[predicted, target])


@dataclass(frozen=True, eq=False)
class ObjectClipScore:
    """What following the objects of one clip gave; without scores, with the reason in the note."""

    clip: str
    n_frames: int
    note: str = ""
    frames: Sequence[int] = ()
    """Indices of the scored frames into the clip."""
    ids: Sequence[int] = ()
    scores: Mapping[str, JF] = field(default_factory=dict)
    """[N, T] of the prediction (`model`) and of the references."""

    @property
    def scored(self) -> bool:
        """Whether the clip has a score."""
        return bool(self.scores)

    def row(self) -> FollowedClip:
        """Return what is kept of the clip."""
        whole = UnitScore(
            clip=self.clip, n_frames=self.n_frames, metrics=self.metrics(), note=self.note
        )
        if not self.scored:
            return FollowedClip(whole)
        model = self.scores["model"]
        frames = tuple(
            UnitScore(
                clip=self.clip,
                frame=int(t),
                metrics=_named(model.j[:, i].mean(), model.f[:, i].mean()),
            )
            for i, t in enumerate(self.frames)
        )
        references = {name: self.metrics(name) for name in REFERENCES}
        return FollowedClip(whole, frames, references, tuple(self.objects()))

    def metrics(self, name: str = "model") -> dict[str, float | None]:
        """Return the means over objects and frames."""
        if not self.scored:
            return dict.fromkeys(METRICS)
        return _named(self.scores[name].j.mean(), self.scores[name].f.mean())

    def objects(self) -> list[FollowedObject]:
        """Return what is known of each object."""
        model = self.scores["model"]
        return [
            FollowedObject(int(number), {**_statistics("j", j), **_statistics("f", f)})
            for number, j, f in zip(self.ids, model.j, model.f, strict=True)
        ]


@dataclass(frozen=True)
class FollowedObject:
    """What is kept of one object."""

    id: int
    statistics: dict[str, float]
    """Mean, recall and decay of its J and F over the frames: `j_mean`, ..."""


@dataclass(frozen=True)
class FollowedClip:
    """What is kept of a clip, as plain values."""

    clip: UnitScore
    frames: tuple[UnitScore, ...] = ()
    """Of the scored frames."""
    references: dict[str, dict[str, float | None]] = field(default_factory=dict)
    """Metrics of each of REFERENCES."""
    objects: tuple[FollowedObject, ...] = ()

    @property
    def scored(self) -> bool:
        """Whether the clip has a score."""
        return bool(self.objects)

    def metrics(self, name: str) -> Mapping[str, float | None]:
        """Return the means over objects and frames of the prediction, `model`, or a reference."""
        return self.clip.metrics if name == "model" else self.references[name]


def total(rows: Sequence[FollowedClip], kind: LabelKind, config: PropagationConfig) -> Score:
    """Put together the score of a data set of which at least one clip is scored."""
    objects = [
        {"clip": row.clip.clip, "id": one.id, **one.statistics}
        for row in rows
        for one in row.objects
    ]
    left_out = [row for row in rows if not row.scored]
    return Score(
        metrics=_average(rows, "model", config),
        clips=[row.clip for row in rows],
        frames=[frame for row in rows for frame in row.frames],
        references={
            f"{name}/{metric}": value
            for name in REFERENCES
            for metric, value in _average(rows, name, config).items()
        },
        details={
            "labels": kind,
            "clips_left_out": len(left_out),
            "davis": _davis(objects),
            "objects": objects,
        },
    )


def _average(
    rows: Sequence[FollowedClip], name: str, config: PropagationConfig
) -> dict[str, float | None]:
    """Average the clips with equal weight, or the objects of all clips."""
    scored = [row for row in rows if row.scored]
    weights = [len(row.objects) if config.average == "objects" else 1 for row in scored]
    values = [[row.metrics(name)[metric] for metric in METRICS] for row in scored]
    means = np.average(np.array(values, np.float64), axis=0, weights=weights)
    return {metric: float(mean) for metric, mean in zip(METRICS, means, strict=True)}


def _davis(objects: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Return the numbers that davis2017-evaluation prints: means over all objects."""
    rows = list(objects)
    names = {f"{m.upper()}-{s.title()}": f"{m}_{s}" for m in "jf" for s in STATISTICS}
    means = {name: float(np.mean([row[key] for row in rows])) for name, key in names.items()}
    return {"J&F-Mean": (means["J-Mean"] + means["F-Mean"]) / 2, **means}


STATISTICS = ("mean", "recall", "decay")


def _statistics(measure: str, values: Any) -> dict[str, float]:
    return {f"{measure}_{name}": float(x) for name, x in asdict(statistics(values)).items()}


def _named(j: Any, f: Any) -> dict[str, float | None]:
    return {"jf": float((j + f) / 2), "j": float(j), "f": float(f)}
