"""UnsupervisedMetrics (src/utils.py) and ClusterLookup (src/modules.py) of STEGO."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from tvseg_bench.benchmark.metrics.contingency import Contingency, contingency
from tvseg_bench.benchmark.metrics.iou import accuracy, class_counts, mean_iou
from tvseg_bench.benchmark.metrics.matching import Match, match
from tvseg_bench.models.networks.stego_net import nearest_clusters

pytestmark = pytest.mark.conformance

MANIFEST = "stego_metrics"
FIELDS = ("name", "n_classes", "extra_clusters", "hungarian", "result", "error", "map_error")
ARRAYS = ("gt", "pred", "stats", "assign0", "assign1", "histogram", "mapped")
FLOAT32 = 1e-5


def tabulate(case: Any) -> Contingency:
    """Pixels count whose label and cluster are within the classes; extra clusters stay empty."""
    found, classes = case.arrays(*ARRAYS), range(case.entry["n_classes"])
    table = contingency(found["gt"], found["pred"], void=None)
    clusters = range(len(classes) + case.entry["extra_clusters"])
    return table.select(labels=classes, clusters=classes).select(clusters=clusters)


def matched(case: Any, table: Contingency) -> Match:
    return match(table, "hungarian-count" if case.entry["hungarian"] else "identity")


def test_scores(case: Any) -> None:
    entry = case.fields(*FIELDS)
    table = tabulate(case)
    counts = class_counts(table, matched(case, table))
    ours = {"t/mIoU": mean_iou(counts, "skip-unpredicted"), "t/Accuracy": accuracy(counts)}
    if entry["error"] is not None:  # the published code gave no number
        return
    case.knows("kind", entry["result"], ours)
    for name, percent in entry["result"].items():
        assert ours[name] == pytest.approx(percent / 100, abs=FLOAT32), name


def test_tables_and_assignments(case: Any) -> None:
    found, table = case.arrays(*ARRAYS), tabulate(case)
    np.testing.assert_array_equal(table.table.T, found["stats"])
    if not case.entry["hungarian"] or case.entry["error"] is not None:
        return
    matching = matched(case, table)
    assert matching.assigned[found["assign0"]].tolist() == found["assign1"].tolist()
    n = case.entry["n_classes"]
    order = [matching.assigned.tolist().index(label) for label in range(n)]
    np.testing.assert_array_equal(table.table.T[order], found["histogram"][:n, :n])
    assert ("mapped" in found) == (case.entry["map_error"] is None)
    if "mapped" in found:
        np.testing.assert_array_equal(matching.apply(found["pred"]), found["mapped"])


def test_cluster_lookup(stored: Callable[..., list[np.ndarray]]) -> None:
    names = ("clusters", "x", "onehot")
    clusters, codes, onehot = stored(*(f"cluster_lookup/{name}" for name in names))
    nearest = nearest_clusters(torch.from_numpy(codes), torch.from_numpy(clusters))
    np.testing.assert_array_equal(nearest, onehot.argmax(axis=1))
