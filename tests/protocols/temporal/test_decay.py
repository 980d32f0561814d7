"""Scores by the distance of two frames, against loops over pixels and metrics of neighbours."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tvseg_bench.benchmark.evaluation import RunContext
from tvseg_bench.benchmark.metrics.consistency import consistency
from tvseg_bench.benchmark.metrics.contingency import contingency
from tvseg_bench.benchmark.metrics.matching import Match
from tvseg_bench.benchmark.metrics.persistence import persistence
from tvseg_bench.benchmark.types import VOID, Score
from tvseg_bench.protocols.temporal import DISTANCES, TemporalConfig
from tvseg_bench.protocols.temporal.decay import averaged, persistence_curve, pixel_curves
from tvseg_bench.protocols.temporal.evaluation import Temporal

MATCH = Match(np.arange(4), np.array([1, 0, 2, -1]))
quick = settings(max_examples=20, deadline=None)
truths = hnp.arrays(np.uint8, (6, 3, 4), elements=st.sampled_from([0, 1, 2, VOID]))
maps = hnp.arrays(np.uint8, (6, 3, 4), elements=st.integers(0, 3))


def evaluate(features: Any, **changes: Any) -> Score:
    config = TemporalConfig.model_validate({"n_init": 2, "reseeds": 0, **changes})
    return Temporal(config).evaluate(features, RunContext())


@quick
@given(truths, maps)
def test_equals_a_loop_over_pixels(truth: np.ndarray, ids: np.ndarray) -> None:
    found = pixel_curves(list(truth), {"": (list(ids), MATCH)}, VOID)
    for i, d in enumerate(DISTANCES):
        kept, right = [], []
        for t in range(len(truth) - d):
            pairs = [
                (true, ids[t][at], ids[t + d][at])
                for at, true in np.ndenumerate(truth[t])
                if true == truth[t + d][at] != VOID
            ]
            if pairs:
                kept.append(np.mean([a == b for _, a, b in pairs]))
                names = [(true, MATCH.assigned[a], MATCH.assigned[b]) for true, a, b in pairs]
                right.append(np.mean([a == true == b for true, a, b in names]))
        for name, values in (("kept", kept), ("correct", right)):
            expected = pytest.approx(np.mean(values)) if values else None
            assert found[name][i] == expected


@quick
@given(truths, maps, st.sampled_from([np.uint8, np.uint16, np.int64]))
def test_neighbours_are_windows_of_two(truth: np.ndarray, ids: np.ndarray, kind: Any) -> None:
    found = pixel_curves(list(truth), {"": (list(ids.astype(kind)), MATCH)}, VOID)
    windows = consistency(list(truth), list(ids), MATCH, [2])[2]
    for name, values in (("kept", windows.stable), ("correct", windows.correct)):
        known = values[~np.isnan(values)]
        assert found[name][0] == (pytest.approx(known.mean()) if known.size else None)


@quick
@given(truths, maps)
def test_persistence_is_that_of_every_pair(truth: np.ndarray, ids: np.ndarray) -> None:
    tables = [contingency(a, b).select(labels=[1, 2]) for a, b in zip(truth, ids, strict=True)]
    curve = persistence_curve(tables)
    for i, d in enumerate(DISTANCES):
        overlaps: dict[int, list[float]] = {}
        for t in range(len(tables) - d):
            for label, one in persistence([tables[t], tables[t + d]]).items():
                if one.overlap is not None:
                    overlaps.setdefault(label, []).append(one.overlap)
        means = [np.mean(values) for values in overlaps.values()]
        assert curve[i] == (pytest.approx(np.mean(means)) if means else None)


@quick
@given(truths, maps)
def test_time_may_run_backwards(truth: np.ndarray, ids: np.ndarray) -> None:
    there = pixel_curves(list(truth), {"": (list(ids), MATCH)}, VOID)
    back = pixel_curves(list(truth[::-1]), {"": (list(ids[::-1]), MATCH)}, VOID)
    for name, curve in there.items():
        assert back[name] == [v if v is None else pytest.approx(v) for v in curve]


@quick
@given(truths)
def test_a_constant_map_keeps_all_and_the_truth_is_right(truth: np.ndarray) -> None:
    same = Match(np.arange(256), np.arange(256))
    pairs = {"": ([truth[0] * 0] * 6, same), "oracle/": (list(truth), same)}
    found = pixel_curves(list(truth), pairs, VOID)
    assert set(found["kept"]) <= {1.0, None}
    assert set(found["oracle/kept"]) <= {1.0, None}
    assert found["oracle/correct"] == found["oracle/kept"]


def test_a_result_holds_the_curves(toy: Any) -> None:
    score = evaluate(toy)
    found = score.details["decay"]
    assert found["distances"] == list(DISTANCES)
    assert found["clips"] == [3, 3, 0, 0, 0, 0]
    curves = found["curves"]
    scores = ("kept", "correct", "persistence")
    assert set(curves) == {prefix + score for prefix in ("", "oracle/") for score in scores}
    assert curves["kept"][0] == pytest.approx(score.metrics["vc2"])
    assert curves["correct"][0] == pytest.approx(score.metrics["vc2_correct"])
    assert curves["persistence"][0] == pytest.approx(score.metrics["persistence"])
    assert curves["oracle/persistence"][0] == pytest.approx(score.references["oracle/persistence"])
    assert curves["kept"][2:] == [None] * 4


def test_means_are_over_the_clips_that_are_long_enough() -> None:
    none = [None] * (len(DISTANCES) - 2)
    found = averaged([{"kept": [0.5, None, *none]}, {"kept": [1.0, 0.25, *none]}, {}])
    assert found["curves"] == {"kept": [0.75, 0.25, *none]}
    assert found["clips"] == [2, 1, *([0] * len(none))]
