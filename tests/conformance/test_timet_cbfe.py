"""Cluster-based foreground extraction of TimeT (cluster_based_foreground_extraction.py)."""

from typing import Any

import numpy as np
import pytest

from tvseg_bench.benchmark.clustering.foreground_clusters import (
    ClusterPixels,
    cluster_precision,
    count_pixels,
    foreground_clusters,
    jaccard,
    tune_threshold,
)
from tvseg_bench.protocols.foreground import ForegroundConfig
from tvseg_bench.protocols.foreground.mask_scores import objects

pytestmark = pytest.mark.conformance

MANIFEST = "timet_cbfe"
FIELDS = (
    *("case", "k", "candidates", "threshold"),
    *("jaccard_with_boundary", "jaccard_without_boundary"),
)
ARRAYS = ("gt", "attention", "clusters", "precs", "mask")
FLOAT32 = 1e-6
VOID_RULES = {"jaccard_with_boundary": "foreground", "jaccard_without_boundary": "exclude"}


def against_attention(case: Any) -> np.ndarray:
    found = case.arrays(*ARRAYS)
    pairs = zip(found["clusters"], found["attention"], strict=True)
    return cluster_precision(count_pixels(((c, a, None) for c, a in pairs), case.entry["k"]))


def against_truth(case: Any, void: str) -> ClusterPixels:
    found = case.arrays(*ARRAYS)
    config = ForegroundConfig.model_validate({"void": void})
    pairs = zip(found["clusters"], found["gt"], strict=True)
    return count_pixels(((c, *objects(t, 0, config)) for c, t in pairs), case.entry["k"])


def test_cluster_precision(case: Any) -> None:
    expected = case.arrays(*ARRAYS)["precs"]
    np.testing.assert_allclose(against_attention(case), expected, rtol=0, atol=1e-12)


def test_threshold_and_cuts(case: Any) -> None:
    entry = case.fields(*FIELDS)
    tuned = tune_threshold(against_attention(case), against_truth(case, "foreground"))
    assert tuned.threshold == entry["threshold"]
    ours = sorted(tuned.candidates, key=lambda cut: -cut[1])
    assert [start for _, start, _ in ours] == [start for _, start, _ in entry["candidates"]]
    np.testing.assert_allclose(ours, entry["candidates"], rtol=0, atol=FLOAT32)


def test_foreground_and_its_jaccard(case: Any) -> None:
    found, entry = case.arrays(*ARRAYS), case.fields(*FIELDS)
    chosen = foreground_clusters(against_attention(case), entry["threshold"])
    np.testing.assert_array_equal(chosen[found["clusters"]], found["mask"].astype(bool))
    for name, void in VOID_RULES.items():
        ours = jaccard(against_truth(case, void), chosen).mean()
        assert ours == pytest.approx(entry[name], abs=FLOAT32), name
