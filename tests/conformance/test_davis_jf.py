"""J, F and their statistics of the DAVIS challenges (davis2017-evaluation)."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from tvseg_bench.benchmark.metrics.boundary import boundary_f, boundary_map
from tvseg_bench.benchmark.metrics.davis_jf import (
    JF,
    SequenceStatistics,
    proposal_scores,
    region_j,
    semi_supervised,
    statistics,
    unsupervised,
)
from tvseg_bench.benchmark.types import VOID

pytestmark = pytest.mark.conformance

MANIFEST = "davis_jf"
SECOND_SCORER = "davis_jf_crosscheck_vosbench.json"
EXACT = {"rtol": 0, "atol": 1e-12, "equal_nan": True}
FIELDS = (
    *("key", "name", "T", "H", "W", "n_objects", "n_objects_first_frame", "n_pred", "void"),
    *("note", "arrays", "J_mean", "F_mean_0008"),
)
ARRAYS = (
    *("gt", "res", "void", "J", "J_void", "F", "F_void", "stats_J", "stats_F"),
    *("semi_J", "semi_F", "unsup_J", "unsup_F", "unsup_scores", "bmap_gt1_f0"),
)


def as_row(s: SequenceStatistics) -> list[float]:
    return [s.mean, s.recall, s.decay]


def test_region_and_boundary(case: Any, header: Mapping[str, Any]) -> None:
    entry, found = case.fields(*FIELDS), case.arrays(*ARRAYS)
    gt, res, void = found["gt"], found["res"], found["void"]
    assert gt.shape == (entry["T"], entry["H"], entry["W"])
    assert bool(void.any()) == entry["void"]
    objects, frames = range(1, entry["n_objects"] + 1), range(len(gt))
    for suffix, ignored in (("", np.zeros_like(void)), ("_void", void)):
        j = [[region_j(gt[t] == k, res[t] == k, ignored[t]) for t in frames] for k in objects]
        np.testing.assert_allclose(j, found[f"J{suffix}"], **EXACT)
        for i, tolerance in enumerate(header["bound_th_values"]):
            f = [
                [boundary_f(gt[t] == k, res[t] == k, ignored[t], tolerance) for t in frames]
                for k in objects
            ]
            np.testing.assert_allclose(f, found[f"F{suffix}"][:, i], **EXACT)
    assert found["J"].mean() == pytest.approx(entry["J_mean"], abs=1e-12)
    assert found["F"][:, 0].mean() == pytest.approx(entry["F_mean_0008"], abs=1e-12)


def test_a_second_scorer_agrees(case: Any, case_set: Any) -> None:
    """The mean J and F over all frames of vos-benchmark, which knows no void."""
    path = case_set.folder / SECOND_SCORER
    if not path.is_file():
        pytest.skip(f"{case_set.folder} has no {SECOND_SCORER}")
    published = json.loads(path.read_text(encoding="utf-8"))["per_object"]
    found = case.arrays(*ARRAYS)
    gt, res = found["gt"], found["res"]
    nothing = np.zeros_like(gt[0])
    for k in range(1, case.entry["n_objects"] + 1):
        expected = published.get(f"{case.name}/{k}")
        if expected is None:
            continue
        pairs = [(truth == k, seen == k) for truth, seen in zip(gt, res, strict=True)]
        j = np.mean([region_j(truth, seen, nothing) for truth, seen in pairs])
        f = np.mean([boundary_f(truth, seen, nothing, 0.008) for truth, seen in pairs])
        assert 100 * j == pytest.approx(expected["vos_J"], abs=1e-9)
        assert 100 * f == pytest.approx(expected["vos_F"], abs=1e-9)


def test_contour_and_statistics(case: Any) -> None:
    found = case.arrays(*ARRAYS)
    np.testing.assert_array_equal(boundary_map(found["gt"][0] == 1), found["bmap_gt1_f0"])
    for values, published in ((found["J"], "stats_J"), (found["F"][:, 0], "stats_F")):
        rows = [as_row(statistics(row, "uint8-compat")) for row in values]
        np.testing.assert_allclose(rows, found[published], **EXACT)


def test_semi_supervised(case: Any) -> None:
    entry, found = case.entry, case.arrays(*ARRAYS)
    n = entry["n_objects_first_frame"]
    assert ("semi_J" in found) == (entry["n_pred"] <= n)
    if "semi_J" in found:
        same(semi_supervised(found["gt"], found["res"], n), found["semi_J"], found["semi_F"])


def test_unsupervised(case: Any) -> None:
    entry, found = case.entry, case.arrays(*ARRAYS)
    truth = np.where(found["void"] > 0, VOID, found["gt"])
    n = entry["n_objects_first_frame"]
    same(unsupervised(truth, found["res"], n), found["unsup_J"], found["unsup_F"])
    scores = proposal_scores(truth, found["res"], n)
    matrix = ((scores.j + scores.f) / 2).mean(-1)
    published = found["unsup_scores"]
    np.testing.assert_allclose(matrix[: len(published)], published, **EXACT)


def same(ours: JF, j: np.ndarray, f: np.ndarray) -> None:
    np.testing.assert_allclose(ours.j, j, **EXACT)
    np.testing.assert_allclose(ours.f, f, **EXACT)


def test_statistics(header: Mapping[str, Any], stored: Callable[..., list[np.ndarray]]) -> None:
    for entry in header.get("db_statistics", []):
        length = entry["L"]
        names = [f"stats/{kind}_{length}" for kind in ("vec", "out", "out_int")]
        values, official, meant = stored(*names)
        np.testing.assert_allclose(as_row(statistics(values, "uint8-compat")), official, **EXACT)
        np.testing.assert_allclose(as_row(statistics(values)), meant, **EXACT)


@pytest.mark.parametrize("task", ["semi-supervised", "unsupervised"])
def test_end_to_end(
    task: str, header: Mapping[str, Any], stored: Callable[..., list[np.ndarray]]
) -> None:
    if "e2e" not in header:
        pytest.skip("davis_jf.json has no end-to-end run here")
    expected = header["e2e"]["results"][task]
    rows: dict[str, list[SequenceStatistics]] = {"J": [], "F": []}
    for name in header["e2e"]["sequences"]:
        for measure, values in zip("JF", scored(task, name, stored), strict=True):
            for i, row in enumerate(values):
                rows[measure].append(statistics(row))
                published = expected[f"per_object_{measure}"][f"{name}_{i + 1}"]
                assert rows[measure][-1].mean == pytest.approx(published, abs=1e-12)
    means = {m: np.mean([as_row(s) for s in found], axis=0) for m, found in rows.items()}
    for measure, values in means.items():
        named = zip(("Mean", "Recall", "Decay"), values, strict=True)
        for key, value in named:
            published = expected["global"][f"{measure}-{key}"]
            assert value == pytest.approx(published, abs=1e-12), (measure, key)
    both = (means["J"][0] + means["F"][0]) / 2
    assert both == pytest.approx(expected["global"]["J&F-Mean"], abs=1e-12)


def scored(task: str, name: str, stored: Callable[..., list[np.ndarray]]) -> tuple[Any, Any]:
    if task == "semi-supervised":
        gt, res = stored(f"e2e/{name}/gt", f"e2e/{name}/res_semi")
        found = semi_supervised(gt[1:-1], res[1:-1], int(gt[0].max()))
    else:
        found = unsupervised(*stored(f"e2e/{name}/gt_unsup_with_255", f"e2e/{name}/res_unsup"))
    return found.j, found.f
