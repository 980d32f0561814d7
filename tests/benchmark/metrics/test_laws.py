"""One table of laws over all metrics: a new metric joins by one row.

A metric is two functions: `count` turns truth and prediction [T, H, W] of some frames into what
adds up, `total` turns a list of that into a number. Which laws hold stands in the row.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import chain, pairwise
from operator import add
from typing import Any, Literal, get_args

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tvseg_bench.benchmark import metrics
from tvseg_bench.benchmark.metrics.boundary import boundary_f
from tvseg_bench.benchmark.metrics.consistency import Consistency, consistency
from tvseg_bench.benchmark.metrics.contingency import Contingency, contingency, merge
from tvseg_bench.benchmark.metrics.davis_jf import region_j, semi_supervised, unsupervised
from tvseg_bench.benchmark.metrics.distances import (
    depth_metrics,
    depth_sums,
    endpoint_metrics,
    endpoint_sums,
)
from tvseg_bench.benchmark.metrics.flow import NOWHERE, flow_consistency, warped_table
from tvseg_bench.benchmark.metrics.iou import accuracy, class_counts, mean_iou
from tvseg_bench.benchmark.metrics.matching import Match, Matching, Unmatched, match
from tvseg_bench.benchmark.metrics.objects import foreground_ari, mean_best_overlap
from tvseg_bench.benchmark.metrics.persistence import persistence
from tvseg_bench.benchmark.metrics.rand_index import adjusted_rand_index
from tvseg_bench.benchmark.metrics.stq import stq, tracks
from tvseg_bench.benchmark.metrics.tubes import association_quality, tube_iou
from tvseg_bench.benchmark.metrics.vpq import mean_quality, tube_quality
from tvseg_bench.benchmark.types import VOID

Clip = np.ndarray
THINGS = [1, 2, 3]
T, H, W = 4, 3, 5

# what of a metric is not one: tables, matches and compiled loops, which the metrics are made of
PARTS = {"contingency", "matching", "contours", "counting", "references"}


@dataclass(frozen=True)
class Metric:
    """A row: the metric, and the laws that hold for it."""

    name: str
    module: str
    """Of benchmark/metrics, the one that it is defined in."""
    count: Callable[[Clip, Clip], Any]
    total: Callable[[Sequence[Any]], float | None]
    relabelled: Literal["any", "objects", "no"] = "no"
    """Predicted ids may be renamed: all of them to any others, or 1.. among themselves."""
    void: bool = True
    """What is predicted where the truth is void does not matter."""
    split: bool = False
    """Frames may be counted in parts."""
    order: bool = False
    """Frames may come in any order."""
    symmetric: bool = False
    """Truth and prediction may be exchanged, where nothing is void."""
    perfect: Callable[[Clip], Clip] = lambda truth: truth
    """A prediction for a truth that gets 1, or says nothing."""
    low: float = 0.0

    def __call__(self, *parts: tuple[Clip, Clip]) -> float | None:
        value = self.total([self.count(truth, predicted) for truth, predicted in parts])
        return None if value is None or np.isnan(value) else float(value)


def _miou(matching: Matching, unmatched: Unmatched = "void") -> Callable[..., float | None]:
    def total(tables: Sequence[Contingency]) -> float | None:
        table = merge(tables)
        return mean_iou(class_counts(table, match(table, matching, unmatched)))

    return total


def _accuracy(tables: Sequence[Contingency]) -> float | None:
    table = merge(tables)
    return accuracy(class_counts(table, match(table, "hungarian-count")))


def _frames(truth: Clip, predicted: Clip) -> list[Contingency]:
    return [contingency(t, p).select(labels=THINGS) for t, p in zip(truth, predicted, strict=True)]


def _followed(name: str) -> Callable[..., float | None]:
    def total(parts: Sequence[list[Contingency]]) -> float | None:
        found = persistence([table for part in parts for table in part]).values()
        values = [v for one in found if (v := getattr(one, name)) is not None]
        return float(np.mean(values)) if values else None

    return total


def _codes(ids: Clip) -> Clip:
    """The ids 1.. as instances of a class of things, the rest as a class of stuff."""
    return np.where(ids == VOID, VOID << 8, np.where(ids > 0, 256 + ids, 0))


def _vpq(length: int) -> dict[str, Any]:
    category = {0: 0, 1: 1, 2: 1, 3: 1}
    shifted = {k + 1: v for k, v in category.items()}

    def count(truth: Clip, predicted: Clip) -> Any:
        true = np.where(truth == VOID, 0, truth + 1)
        return tube_quality(true, predicted + 1, shifted, shifted, length)

    def total(parts: Sequence[Any]) -> float | None:
        sums = {k: reduce(add, (part[k] for part in parts)) for k in (0, 1)}
        return mean_quality(sums, (0, 1)).pq

    return {"count": count, "total": total}


def _mean(parts: Sequence[np.ndarray]) -> float | None:
    values = np.concatenate([np.ravel(part) for part in parts])
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else None


def _single(score: Callable[..., float]) -> Callable[[Clip, Clip], np.ndarray]:
    """Score the mask of object 1 in every frame."""
    return lambda truth, predicted: np.array(
        [score(t == 1, p == 1, t == VOID) for t, p in zip(truth, predicted, strict=True)]
    )


def _vc(truth: Clip, predicted: Clip) -> Consistency:
    """Return video consistency over two frames; the ids are labels already."""
    ids = np.unique(predicted)
    return consistency(list(truth), list(predicted), Match(ids, ids), [2])[2]


def _flow(truth: Clip, predicted: Clip) -> list[Contingency]:
    known = np.where(truth == VOID, NOWHERE, predicted)
    still = np.zeros((H, W, 2))
    return [warped_table(a, b, still) for a, b in pairwise(known)]


def _endpoint(truth: Clip, predicted: Clip) -> np.ndarray:
    """Sums of errors of motion to the right by as many pixels as an id says."""
    moved, given = (
        np.stack([ids * 0.75, np.zeros(ids.shape)], axis=-1) for ids in (truth, predicted)
    )
    moved[truth == VOID] = np.nan
    return np.sum([endpoint_sums(p, t) for p, t in zip(given, moved, strict=True)], axis=0)


def _depth(truth: Clip, predicted: Clip) -> np.ndarray:
    """Sums of errors of depth, one more than an id says."""
    return depth_sums(predicted + 1.0, np.where(truth == VOID, np.nan, truth + 1.0))


def _jf(scored: Any) -> np.ndarray:
    return np.asarray((scored.j + scored.f) / 2)


MATCHED = {"count": contingency, "split": True, "order": True}
OBJECTS: dict[str, Any] = {"split": True, "order": True, "symmetric": True}
METRICS = [
    *(
        Metric(f"miou {m}", "iou", total=_miou(m), **MATCHED,  # type: ignore[arg-type]
               relabelled="no" if m == "identity" else "any")
        for m in get_args(Matching)
        if m != "hungarian-count"  # of two best matches by pixels, either may have the larger IoU
    ),
    Metric("accuracy hungarian-count", "iou", total=_accuracy, relabelled="any", **MATCHED),  # type: ignore[arg-type]
    Metric("adjusted rand", "rand_index", total=lambda t: adjusted_rand_index(merge(t)),
           relabelled="any", symmetric=True, low=-1, **MATCHED),  # type: ignore[arg-type]
    Metric("fg-ari", "objects", total=lambda t: foreground_ari(merge(t)), relabelled="any",
           low=-1, **MATCHED),  # type: ignore[arg-type]
    Metric("mbo", "objects", total=lambda t: mean_best_overlap(merge(t)), relabelled="any",
           **MATCHED),  # type: ignore[arg-type]
    Metric("tube iou", "tubes", total=lambda t: tube_iou(merge(t), THINGS), **MATCHED),  # type: ignore[arg-type]
    Metric("aq", "tubes", total=lambda t: association_quality(merge(t), THINGS),
           relabelled="objects", **MATCHED),  # type: ignore[arg-type]
    Metric("persistence", "persistence", _frames, _followed("overlap"), relabelled="any",
           split=True),
    Metric("dominant", "persistence", _frames, _followed("dominant"), relabelled="any",
           split=True, order=True),
    # in STQ and VPQ as published, what is predicted on void belongs to its tube all the same
    Metric("stq", "stq", lambda t, p: tracks(_codes(t), _codes(p), [1], 2),
           lambda parts: stq(parts).stq if sum(p.n_tubes for p in parts) else None,
           relabelled="objects", void=False, order=True),
    Metric("vpq 1", "vpq", **_vpq(1), relabelled="objects", void=False, **OBJECTS),
    Metric("vpq 2", "vpq", **_vpq(2), relabelled="objects", void=False, symmetric=True),
    # the semi-supervised challenge scores void as no object
    Metric("j and f semi-supervised", "davis_jf",
           lambda t, p: _jf(semi_supervised(t, p, 3)), _mean,
           void=False, **OBJECTS),
    Metric("j and f unsupervised", "davis_jf", lambda t, p: _jf(unsupervised(t, p, 3)), _mean,
           relabelled="objects", order=True),
    Metric("j of a mask", "davis_jf", _single(region_j), _mean, **OBJECTS),
    Metric("f of a mask", "boundary", _single(boundary_f), _mean, **OBJECTS),
    Metric("vc 2", "consistency", lambda t, p: _vc(t, p).stable, _mean, relabelled="any"),
    Metric("vc 2 correct", "consistency", lambda t, p: _vc(t, p).correct, _mean),
    Metric("vc 2 iou", "consistency", lambda t, p: _vc(t, p).iou, lambda parts: parts[0]),
    Metric("flow", "flow", _flow, lambda parts: flow_consistency(merge(chain(*parts))),
           relabelled="any", perfect=lambda truth: np.repeat(truth[:1], T, axis=0)),
    Metric("flow within 1 px", "distances", _endpoint,
           lambda parts: endpoint_metrics(np.sum(parts, axis=0))["within_1"], **OBJECTS),
    Metric("depth delta 1", "distances", _depth,
           lambda parts: depth_metrics(np.sum(parts, axis=0))["delta_1"], **OBJECTS),
]  # fmt: skip

quick = settings(max_examples=15, deadline=None)
clips = hnp.arrays(np.int64, (T, H, W), elements=st.integers(0, 3))
masked = hnp.arrays(np.int64, (T, H, W), elements=st.sampled_from([0, 1, 2, 3, VOID]))
renamings = {
    "any": st.permutations([0, 7, 2, 300, 5]).map(lambda names: names[:4]),
    "objects": st.permutations(THINGS).map(lambda names: [0, *names]),
}


def obeying(law: str) -> Any:
    """Parametrise over the metrics for which a law holds."""
    chosen = [m for m in METRICS if getattr(m, law) not in (False, "no")]
    return pytest.mark.parametrize("metric", chosen, ids=[m.name for m in chosen])


def same(first: float | None, second: float | None) -> bool:
    """Whether two scores are one but for rounding."""
    return first == (second if second is None else pytest.approx(second, abs=1e-12))


def test_every_metric_has_a_row() -> None:
    modules = {module.name for module in pkgutil.iter_modules(metrics.__path__)}
    assert modules - PARTS == {metric.module for metric in METRICS}


@pytest.mark.parametrize("metric", METRICS, ids=[m.name for m in METRICS])
@quick
@given(masked, clips)
def test_scores_lie_between_their_bounds(metric: Metric, truth: Clip, predicted: Clip) -> None:
    value = metric((truth, predicted))
    assert value is None or metric.low - 1e-12 <= value <= 1 + 1e-12


@obeying("relabelled")
@quick
@given(masked, clips, st.data())
def test_names_of_what_is_predicted_do_not_matter(
    metric: Metric, truth: Clip, predicted: Clip, data: st.DataObject
) -> None:
    names = np.array(data.draw(renamings[metric.relabelled]))
    assert same(metric((truth, predicted)), metric((truth, names[predicted])))


@obeying("void")
@quick
@given(masked, clips, clips)
def test_void_never_counts(metric: Metric, truth: Clip, predicted: Clip, other: Clip) -> None:
    changed = np.where(truth == VOID, other, predicted)
    assert same(metric((truth, predicted)), metric((truth, changed)))


@pytest.mark.parametrize("metric", METRICS, ids=[m.name for m in METRICS])
@quick
@given(clips)
def test_perfect_is_one(metric: Metric, truth: Clip) -> None:
    value = metric((truth, metric.perfect(truth)))
    assert value is None or value == pytest.approx(1, abs=1e-12)
    everything = np.arange(T * H * W).reshape(T, H, W) % 4
    everything[:] = everything[0]
    assert metric((everything, metric.perfect(everything))) == pytest.approx(1, abs=1e-12)


@obeying("split")
@quick
@given(masked, clips, st.integers(1, T - 1))
def test_parts_add_up(metric: Metric, truth: Clip, predicted: Clip, cut: int) -> None:
    parts = zip(np.split(truth, [cut]), np.split(predicted, [cut]), strict=True)
    assert same(metric((truth, predicted)), metric(*parts))


@obeying("order")
@quick
@given(masked, clips, st.permutations(range(T)))
def test_frames_in_any_order(
    metric: Metric, truth: Clip, predicted: Clip, order: list[int]
) -> None:
    assert same(metric((truth, predicted)), metric((truth[order], predicted[order])))


@obeying("symmetric")
@quick
@given(clips, clips)
def test_arguments_may_be_exchanged(metric: Metric, first: Clip, second: Clip) -> None:
    assert same(metric((first, second)), metric((second, first)))


@quick
@given(clips, st.integers(0, 3), st.integers(0, 3))
def test_a_constant_map_is_stable_and_known_by_the_headline(
    truth: Clip, one: int, other: int
) -> None:
    by_name = {metric.name: metric for metric in METRICS}
    constant = np.full_like(truth, one)
    assert by_name["vc 2"]((truth, constant)) in (1.0, None)
    assert by_name["flow"]((truth, constant)) == 1.0
    headline = by_name["vc 2 iou"]((truth, constant))
    assert headline is None or headline <= 0.5
    assume(one != other)
    assert by_name["adjusted rand"]((truth, constant)) in (0.0, 1.0)


@quick
@given(masked, clips)
def test_what_is_right_throughout_is_stable(truth: Clip, predicted: Clip) -> None:
    found = _vc(truth, predicted)
    assert (np.nan_to_num(found.correct) <= np.nan_to_num(found.stable)).all()


@quick
@given(masked, clips)
def test_no_match_of_ious_beats_the_hungarian(truth: Clip, predicted: Clip) -> None:
    scores = {m: _miou(m)([contingency(truth, predicted)]) for m in ("identity", "hungarian-iou")}
    assert (scores["identity"] or 0) <= (scores["hungarian-iou"] or 0) + 1e-12
