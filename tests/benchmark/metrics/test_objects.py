"""FG-ARI and mBO against scikit-learn and a loop over masks."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import adjusted_rand_score

from tvseg_bench.benchmark.metrics.contingency import contingency
from tvseg_bench.benchmark.metrics.objects import foreground_ari, mean_best_overlap
from tvseg_bench.benchmark.types import VOID

shape = (3, 6, 7)
truths = hnp.arrays(np.int64, shape, elements=st.sampled_from([0, 1, 2, 5, VOID]))
maps = hnp.arrays(np.int64, shape, elements=st.integers(0, 4))
many = settings(max_examples=60, deadline=None)


@many
@given(truths, maps)
def test_fg_ari_is_scikit_learn_s_on_the_pixels_of_objects(
    truth: np.ndarray, ids: np.ndarray
) -> None:
    found = foreground_ari(contingency(truth, ids))
    shown = (truth != 0) & (truth != VOID)
    if len(np.unique(truth[shown])) < 2:
        assert found is None
    else:
        assert found is not None
        assert abs(found - adjusted_rand_score(truth[shown], ids[shown])) < 1e-9


@many
@given(truths, maps)
def test_mbo_is_the_best_iou_of_masks(truth: np.ndarray, ids: np.ndarray) -> None:
    known = truth != VOID
    best = []
    for label in set(np.unique(truth)) - {0, VOID}:
        mask = truth == label
        overlaps = [
            (mask & (ids == i)).sum() / ((mask | (ids == i)) & known).sum()
            for i in np.unique(ids[known])
        ]
        best.append(max(overlaps))
    found = mean_best_overlap(contingency(truth, ids))
    if not best:
        assert found is None
    else:
        assert found is not None
        assert abs(found - np.mean(best)) < 1e-12


@many
@given(truths, maps)
def test_what_lies_on_the_background_is_no_matter_of_fg_ari(
    truth: np.ndarray, ids: np.ndarray
) -> None:
    other = np.where(truth == 0, 9, ids)
    assert foreground_ari(contingency(truth, ids)) == foreground_ari(contingency(truth, other))


@many
@given(truths, st.integers(1, 6))
def test_a_finer_segment_never_fits_better_than_the_object(truth: np.ndarray, cut: int) -> None:
    """Cutting the true objects in two lowers both scores, or leaves them."""
    halves = truth * 2 + (np.arange(shape[2]) < cut)
    table, whole = contingency(truth, halves), contingency(truth, truth)
    for score in (foreground_ari, mean_best_overlap):
        fine, perfect = score(table), score(whole)
        assert (fine is None) == (perfect is None)
        assert fine is None or perfect is None or fine <= perfect + 1e-12
