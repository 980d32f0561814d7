"""Video panoptic quality (mcahny/vps)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from tvseg_bench.benchmark.metrics.vpq import mean_quality, tube_quality

pytestmark = pytest.mark.conformance

MANIFEST = "vpq"
EXACT = 1e-12
FIELDS = ("name", "gt_category", "pred_category", "crowd", "per_nframes", "vpq_mean")
GROUPS = ("all", "things", "stuff")


def test_quality(case: Any, header: Mapping[str, Any]) -> None:
    entry, found = case.fields(*FIELDS), case.arrays("gt", "pred")
    things = {int(k): bool(v["isthing"]) for k, v in header["categories"].items()}
    members = {
        "all": list(things),
        "things": [k for k, thing in things.items() if thing],
        "stuff": [k for k, thing in things.items() if not thing],
    }
    truth, predicted = (
        {int(k): v for k, v in entry[name].items()} for name in ("gt_category", "pred_category")
    )
    means = []
    for length, expected in entry["per_nframes"].items():
        case.knows("kind", expected, (*GROUPS, "per_class"))
        quality = tube_quality(
            found["gt"], found["pred"], truth, predicted, int(length), entry["crowd"]
        )
        for kind, published in expected["per_class"].items():
            case.knows("field", published, ("pq", "sq", "rq", "iou", "tp", "fp", "fn"))
            for name, value in published.items():
                assert getattr(quality[int(kind)], name) == pytest.approx(value, abs=EXACT), name
        for group in GROUPS:
            ours = mean_quality(quality, members[group])
            case.knows("field", expected[group], ("pq", "sq", "rq", "n"))
            for name, value in expected[group].items():
                assert (getattr(ours, name) or 0) == pytest.approx(value, abs=EXACT), (group, name)
        means.append(mean_quality(quality, members["all"]).pq or 0.0)
    assert np.mean(means) == pytest.approx(entry["vpq_mean"], abs=EXACT)
