"""PredsmIoU of TimeT (labels that are there) and of its descendants (a fixed number of classes).

Sources: SMSD75/Timetuning metrics.py and evaluation.py, SMSD75/TimeT_clean eval_metrics.py.
"""

from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import Any

import numpy as np
import pytest

from tvseg_bench.benchmark.metrics.contingency import contingency, merge
from tvseg_bench.benchmark.metrics.iou import ClassCounts, class_counts, mean_iou
from tvseg_bench.benchmark.metrics.matching import match
from tvseg_bench.benchmark.types import VOID

pytestmark = pytest.mark.conformance

MANIFEST = "timet_metrics"
EXACT = 1e-12
FIELDS = (
    *("case", "name", "frames", "h", "w", "gt_unique", "pred_unique"),
    *("has_background", "has_255", "timet", "clean", "protocols"),
)
MODES: dict[str, dict[str, Any]] = {
    "one_to_one": {"matching": "hungarian-iou", "unmatched": "background"},
    "many_to_one_iou": {"matching": "majority-iou"},
    "many_to_one_precision": {"matching": "majority-precision"},
    "linear_probe": {"matching": "identity"},
}
VOIDS = {"all": None, "ignore255": VOID}
EXCLUDED = {"bg0": (0,), "bg1": ()}


def maps(case: Any) -> tuple[np.ndarray, np.ndarray]:
    found = case.arrays("gt", "pred", *(f"reordered_{mode}" for mode in MODES))
    return found["gt"], found["pred"]


def split(case: Any, key: str, *known: Iterable[str]) -> list[str]:
    parts = key.split("/")
    assert len(parts) == len(known), f"{case.where}: unknown kind {key!r}"
    for part, choices in zip(parts, known, strict=True):
        case.knows("kind", [part], list(choices))
    return parts


def present_only(
    gt: np.ndarray, pred: np.ndarray, void: int | None, background: str, mode: str
) -> float:
    """TimeT: mean over the labels that are there; 0 where none is left."""
    table = contingency(gt, pred, void=void)
    counts = class_counts(table, match(table, **MODES[mode]))
    return mean_iou(counts, exclude=EXCLUDED[background]) or 0.0


def agrees(counts: ClassCounts, expected: Mapping[str, Any]) -> None:
    assert counts.tp.tolist() == expected["tp"]
    assert counts.fp.tolist() == expected["fp"]
    assert counts.fn.tolist() == expected["fn"]


def test_case_is_understood(case: Any) -> None:
    entry = case.fields(*FIELDS)
    gt, pred = maps(case)
    assert gt.shape == pred.shape == (entry["frames"], entry["h"], entry["w"])
    table = contingency(gt, pred, void=None)
    assert table.labels.tolist() == entry["gt_unique"]
    assert table.clusters.tolist() == entry["pred_unique"]
    assert entry["has_background"] == (0 in table.labels)
    assert entry["has_255"] == (VOID in table.labels)


def test_labels_that_are_there(case: Any) -> None:
    gt, pred = maps(case)
    for key, expected in case.entry["timet"].items():
        case.knows("field", expected, ("score", "classes", "tp", "fp", "fn", "matched_bg"))
        pixels, background, mode = split(case, key, VOIDS, EXCLUDED, MODES)
        table = contingency(gt, pred, void=VOIDS[pixels])
        matched = match(table, **MODES[mode])
        counts = class_counts(table, matched)
        assert counts.labels.tolist() == expected["classes"], key
        agrees(counts, expected)
        score = present_only(gt, pred, VOIDS[pixels], background, mode)
        assert score == pytest.approx(expected["score"], abs=EXACT), key
        share = share_of_first(mode, matched.assigned, counts.labels)
        assert share == pytest.approx(expected["matched_bg"], abs=EXACT), key


def share_of_first(mode: str, assigned: np.ndarray, labels: np.ndarray) -> float | None:
    """The side value `matched_bg`: clusters on the smallest label, background or not.

    A one-to-one matching always gives it one of the C labels' share, matched or not.
    """
    if mode == "linear_probe":
        return None
    return 1 / labels.size if mode == "one_to_one" else float(np.mean(assigned == labels[0]))


def test_remapped_maps(case: Any) -> None:
    gt, pred = maps(case)
    table = contingency(gt, pred, void=None)
    stored = case.arrays("gt", "pred", *(f"reordered_{mode}" for mode in MODES))
    for mode, options in MODES.items():
        remapped = match(table, **options).apply(pred)
        np.testing.assert_array_equal(remapped, stored[f"reordered_{mode}"], err_msg=mode)


def test_fixed_number_of_classes(case: Any) -> None:
    gt, pred = maps(case)
    for key, expected in case.entry["clean"].items():
        case.knows("field", expected, ("score", "tp", "fp", "fn", "num_pred", "num_gt"))
        pixels, mode = split(case, key, VOIDS, MODES)
        classes = range(expected["num_gt"])
        table = contingency(
            gt,
            pred,
            void=VOIDS[pixels],
            labels=[*classes, VOID],
            clusters=range(expected["num_pred"]),
        )
        counts = class_counts(table, match(table, **MODES[mode], candidates=classes))
        agrees(counts.select(classes), expected)
        score = mean_iou(counts, absent_class="zero", classes=classes)
        assert score == pytest.approx(expected["score"], abs=EXACT), key


def test_protocols(case: Any) -> None:
    gt, pred = maps(case)
    for key, expected in case.entry["protocols"].items():
        shape, protocol, background, mode = split(
            case, key, LAYOUTS, PROTOCOLS, EXCLUDED, (*MODES,)
        )
        clips = LAYOUTS[shape](gt, pred)
        score = PROTOCOLS[protocol](*clips, background, mode)
        assert score == pytest.approx(expected, abs=EXACT), key


LAYOUTS = {
    "1xT": lambda gt, pred: (gt[None], pred[None]),
    "Tx1": lambda gt, pred: (gt[:, None], pred[:, None]),
}


def frame_wise(gt: np.ndarray, pred: np.ndarray, background: str, mode: str) -> float:
    frames = gt.shape[0] * gt.shape[1]
    return clip_wise(
        gt.reshape(frames, *gt.shape[2:]), pred.reshape(frames, *gt.shape[2:]), background, mode
    )


def clip_wise(gt: np.ndarray, pred: np.ndarray, background: str, mode: str) -> float:
    pairs = zip(gt, pred, strict=True)
    return float(np.mean([present_only(g, p, None, background, mode) for g, p in pairs]))


def dataset_wise(gt: np.ndarray, pred: np.ndarray, background: str, mode: str) -> float:
    return present_only(gt, pred, VOID, background, mode)


PROTOCOLS = {"frame-wise": frame_wise, "sample-wise": clip_wise, "dataset-wise": dataset_wise}


def test_propagation(propagation_case: Any) -> None:
    fields = ("case", "bs", "frames", "per_clip_object_scores_gt_as_gt", "evaluate_propagation")
    entry = propagation_case.fields(*fields)
    found = propagation_case.arrays("gt", "pred")
    assert found["gt"].shape[:2] == (entry["bs"], entry["frames"])
    clips = [object_scores(g, p) for g, p in zip(found["gt"], found["pred"], strict=True)]
    for ours, published in zip(clips, entry["per_clip_object_scores_gt_as_gt"], strict=True):
        assert ours == pytest.approx(published, abs=EXACT)
    mean = np.mean([np.mean(scores) for scores in clips])
    assert mean == pytest.approx(entry["evaluate_propagation"], abs=EXACT)


def object_scores(gt: np.ndarray, pred: np.ndarray) -> list[float]:
    """IoU per object of the counts up to each frame, averaged over the frames (no background)."""
    pairs = zip(gt, pred, strict=True)
    frames = [contingency(g, p, void=None, labels=np.unique(gt)) for g, p in pairs]
    grown = accumulate(frames, lambda *tables: merge(tables))
    counts = [class_counts(table, match(table, "identity")) for table in grown]
    return [float(iou) for iou in np.mean([c.iou[c.labels != 0] for c in counts], axis=0)]
