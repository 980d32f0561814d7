"""Segmentation and tracking quality (deeplab2)."""

from typing import Any

import numpy as np
import pytest

from tvseg_bench.benchmark.metrics.stq import stq, tracks

pytestmark = pytest.mark.conformance

MANIFEST = "stq"
EXACT = 1e-12
SINGLE = 1e-6
FIELDS = (
    *("name", "num_classes", "things", "ignore", "label_bit_shift", "offset"),
    *("STQ", "AQ", "IoU", "STQ_per_seq"),
)


@pytest.mark.parametrize(
    ("summation", "tolerance"), [("float32-compat", EXACT), ("float64", SINGLE)]
)
def test_quality(case: Any, summation: str, tolerance: float) -> None:
    entry, found = case.fields(*FIELDS), case.arrays("gt", "pred", "seq")
    options = {
        "things": entry["things"],
        "n_classes": entry["num_classes"],
        "ignore": entry["ignore"],
        "shift": entry["label_bit_shift"],
        "summation": summation,
    }
    sequences = [
        tracks(found["gt"][found["seq"] == s], found["pred"][found["seq"] == s], **options)
        for s in np.unique(found["seq"])
    ]
    ours = stq(sequences)
    assert ours.aq == pytest.approx(entry["AQ"], abs=tolerance)
    assert ours.iou == pytest.approx(entry["IoU"], abs=EXACT)
    assert ours.stq == pytest.approx(entry["STQ"], abs=tolerance)
    each = [stq([sequence]).stq for sequence in sequences]
    assert each == pytest.approx(entry["STQ_per_seq"], abs=tolerance)
