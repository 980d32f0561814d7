"""PredsmIoU, standardised PCA, k-means and the unsupervised segmentation of Leopart.

experiments/utils.py and experiments/fully_unsup_seg.py.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tvseg_bench.benchmark.clustering import fit_projection, published_kmeans
from tvseg_bench.benchmark.clustering.foreground_clusters import (
    cluster_precision,
    count_pixels,
    jaccard,
)
from tvseg_bench.benchmark.metrics.contingency import Contingency, contingency
from tvseg_bench.benchmark.metrics.iou import class_counts, mean_iou
from tvseg_bench.benchmark.metrics.matching import iou_matrix, match, precision_matrix
from tvseg_bench.benchmark.types import VOID
from tvseg_bench.protocols.foreground.communities import cooccurrence

pytestmark = pytest.mark.conformance

MANIFEST = "leopart_metrics"
EXACT = 1e-12
FIELDS = ("name", "num_pred", "num_gt", "note", "results")
MODES: dict[str, dict[str, Any]] = {
    "hung": {"matching": "hungarian-iou", "unmatched": "background"},
    "m2o_iou": {"matching": "majority-iou"},
    "m2o_prec": {"matching": "majority-precision"},
    "linear": {"matching": "identity"},
}
ARRAYS = (
    *("gt", "pred", "iou_mat", "prec_mat", "hung_rows", "hung_cols"),
    *(f"reordered_{mode}" for mode in MODES),
)


def tabulate(case: Any) -> Contingency:
    found = case.arrays(*ARRAYS)
    labels, clusters = range(case.entry["num_gt"]), range(case.entry["num_pred"])
    return contingency(found["gt"], found["pred"], labels=labels, clusters=clusters)


def test_scores(case: Any) -> None:
    entry = case.fields(*FIELDS)
    table = tabulate(case)
    case.knows("kind", entry["results"], MODES)
    for mode, expected in entry["results"].items():
        case.knows("field", expected, ("miou", "tp", "fp", "fn", "matched_bg"))
        matched = match(table, **MODES[mode])
        counts = class_counts(table, matched)
        assert counts.tp.tolist() == expected["tp"], mode
        assert counts.fp.tolist() == expected["fp"], mode
        assert counts.fn.tolist() == expected["fn"], mode
        assert mean_iou(counts, "zero") == pytest.approx(expected["miou"], abs=EXACT), mode
        share = share_of_background(mode, matched.assigned, table.labels.size)
        assert share == pytest.approx(expected["matched_bg"], abs=EXACT), mode


def share_of_background(mode: str, assigned: np.ndarray, classes: int) -> float | None:
    """The side value `matched_bg`: clusters on label 0; 1 / classes for a one-to-one matching."""
    if mode == "linear":
        return None
    return 1 / classes if mode == "hung" else float(np.mean(assigned == 0))


def test_remapped_maps(case: Any) -> None:
    found, table = case.arrays(*ARRAYS), tabulate(case)
    for mode, options in MODES.items():
        remapped = match(table, **options).apply(found["pred"][found["gt"] != VOID])
        np.testing.assert_array_equal(remapped, found[f"reordered_{mode}"], err_msg=mode)


def test_score_matrices(case: Any) -> None:
    found, table = case.arrays(*ARRAYS), tabulate(case)
    np.testing.assert_allclose(iou_matrix(table), found["iou_mat"], rtol=0, atol=EXACT)
    np.testing.assert_allclose(precision_matrix(table), found["prec_mat"], rtol=0, atol=EXACT)
    matched = match(table, "hungarian-iou", unmatched="void")
    assert matched.assigned[found["hung_cols"]].tolist() == found["hung_rows"].tolist()


def test_projection(stored: Callable[..., list[np.ndarray]]) -> None:
    x, y, magnitudes = stored("pca/x", "pca/y", "pca/abs_y")
    ours = fit_projection(x, y.shape[1])(x)
    np.testing.assert_allclose(np.abs(ours), magnitudes, rtol=0, atol=1e-5)


def test_kmeans_inertia(stored: Callable[..., list[np.ndarray]]) -> None:
    points, labels, inertia = stored("pca/y", "kmeans/labels", "kmeans/inertia")
    frames = points[None, :, None, :]
    k = np.unique(labels).size
    ours = published_kmeans(frames, (len(points), 1), k, niter=100, nredo=5, seed=0)
    assert ours.inertia == pytest.approx(float(inertia), rel=0.01)


def test_jaccard_with_and_without_the_boundary(stored: Callable[..., list[np.ndarray]]) -> None:
    """Leopart's boundary is foreground, or else background: it is never left out."""
    truth, predicted, out = stored("eval_jac/gt", "eval_jac/pred", "eval_jac/out")
    marked = (truth != 0, (truth != 0) & (truth != VOID))
    for objects, expected in zip(marked, out, strict=True):
        frames = ((p.astype(int), o, None) for p, o in zip(predicted, objects, strict=True))
        ours = jaccard(count_pixels(frames, 2), np.array([False, True])).mean()
        assert ours == pytest.approx(float(expected), abs=1e-6)


def test_cluster_precision(stored: Callable[..., list[np.ndarray]]) -> None:
    clusters, attention, precision = stored("cbfe/cluster", "cbfe/attn", "cbfe/precs")
    frames = ((c.astype(int), a, None) for c, a in zip(clusters, attention, strict=True))
    ours = cluster_precision(count_pixels(frames, len(precision)))
    np.testing.assert_allclose(ours, precision, rtol=0, atol=1e-6)


def test_cooccurrence(stored: Callable[..., list[np.ndarray]]) -> None:
    clusters, expected = stored("cd/clusters", "cd/cooc_d12")
    ours = cooccurrence(clusters[:, 0], len(expected), "published")
    np.testing.assert_allclose(ours, expected, rtol=0, atol=EXACT)
    meant = cooccurrence(clusters[:, 0], len(expected), "eight")
    assert np.abs(meant - expected).max() > 1e-3
