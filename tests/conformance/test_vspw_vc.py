"""Video consistency and temporal consistency of VSPW (VC_perclip.py, TC_cal.py)."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from tvseg_bench.benchmark.metrics.consistency import consistency
from tvseg_bench.benchmark.metrics.contingency import contingency, merge
from tvseg_bench.benchmark.metrics.flow import warp_labels
from tvseg_bench.benchmark.metrics.iou import class_counts, mean_iou
from tvseg_bench.benchmark.metrics.matching import Match, match

pytestmark = pytest.mark.conformance

MANIFEST = "vspw_vc"
EXACT = {"rtol": 0, "atol": 1e-12, "equal_nan": True}
VARIANTS: dict[str, tuple[str, str]] = {
    "official": ("stable", "vspw"),
    "stable": ("stable", "all"),
    "correct": ("correct", "all"),
}
SCORES = {
    "official": "official",
    "stable": "stable_all_windows",
    "correct": "correct_all_windows",
}


def mean(windows: np.ndarray) -> float | None:
    return None if np.isnan(windows).all() else float(np.nanmean(windows))


def shares(truth: np.ndarray, predicted: np.ndarray, length: int, variant: str) -> np.ndarray:
    """Return VC of every window; ids are labels already."""
    share, windows = VARIANTS[variant]
    labels = np.unique(predicted)
    found = consistency(
        truth, predicted, Match(labels, labels), [length], windows=windows, void=None
    )
    return np.asarray(getattr(found[length], share))


def test_case(case: Any, header: Mapping[str, Any], stored: Callable[..., list]) -> None:
    case.knows("kind", [case.entry["kind"]], ("VC", "VC_pooled", "TC"))
    if case.entry["kind"] == "VC":
        check_windows(case)
    elif case.entry["kind"] == "VC_pooled":
        check_pooled(case, header, stored)
    else:
        check_flow(case)


def check_windows(case: Any) -> None:
    entry = case.fields("name", "kind", "T", "H", "W", "vc")
    arrays = [f"vc{c}_{variant}_windows" for c in entry["vc"] for variant in VARIANTS]
    found = case.arrays("gt", "pred", *arrays)
    assert found["gt"].shape == (entry["T"], entry["H"], entry["W"])
    for length, expected in entry["vc"].items():
        case.knows("field", expected, (*SCORES.values(), "n_windows", "n_windows_full"))
        for variant in VARIANTS:
            ours = shares(found["gt"], found["pred"], int(length), variant)
            np.testing.assert_allclose(ours, found[f"vc{length}_{variant}_windows"], **EXACT)
            assert mean(ours) == pytest.approx(expected[SCORES[variant]], abs=1e-12)
            count = "n_windows" if variant == "official" else "n_windows_full"
            assert len(ours) == expected[count]


def check_pooled(case: Any, header: Mapping[str, Any], stored: Callable[..., list]) -> None:
    """The windows of all videos of the set, in order; the set may hold only some of them."""
    entry = case.fields("name", "kind", "clip", "value", "note")
    windows = case.arrays(f"vc{entry['clip']}_all")[f"vc{entry['clip']}_all"]
    assert mean(windows) == pytest.approx(entry["value"], abs=1e-12)
    for video in (e for e in header["cases"] if e["kind"] == "VC" and e["T"] > entry["clip"]):
        gt, pred = stored(f"{video['name']}/gt", f"{video['name']}/pred")
        ours = shares(gt, pred, entry["clip"], "official")
        starts = range(len(windows) - len(ours) + 1)
        assert any(np.allclose(windows[s : s + len(ours)], ours, **EXACT) for s in starts), video[
            "name"
        ]


def check_flow(case: Any) -> None:
    entry = case.fields("name", "kind", "tc_vspw", "tc_etc_aggregation")
    found = case.arrays("pred", "flow", "warped", "confusion")
    pred, tables = found["pred"], []
    classes = range(len(found["confusion"]))
    for t, flow in enumerate(np.moveaxis(found["flow"], 1, -1)):
        warped = warp_labels(pred[t + 1], flow, sampling="vspw", outside=0)
        np.testing.assert_array_equal(warped, found["warped"][t])
        tables.append(contingency(pred[t], warped, void=None, labels=classes, clusters=classes))
    total = merge(tables)
    assert total.table.tolist() in (found["confusion"].tolist(), found["confusion"].T.tolist())
    score = mean_iou(class_counts(total, match(total, "identity")), "skip-unpredicted")
    assert score == pytest.approx(entry["tc_vspw"], abs=1e-12)
    assert score == pytest.approx(entry["tc_etc_aggregation"], abs=1e-9)
