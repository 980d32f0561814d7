from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tvseg_bench.benchmark.metrics.contingency import Contingency, contingency
from tvseg_bench.benchmark.metrics.persistence import Persistence, persistence

quick = settings(max_examples=40, deadline=None)
SHAPE = (4, 3, 4)
tubes = hnp.arrays(np.uint8, SHAPE, elements=st.integers(0, 2))
ids = hnp.arrays(np.int32, SHAPE, elements=st.integers(0, 3))


def tables(truth: np.ndarray, clusters: np.ndarray) -> list[Contingency]:
    return [
        contingency(a, b, void=None).select(labels=[1, 2])
        for a, b in zip(truth, clusters, strict=True)
    ]


@quick
@given(tubes, ids)
def test_counts_what_the_definition_counts(truth: np.ndarray, clusters: np.ndarray) -> None:
    found = persistence(tables(truth, clusters))
    assert set(found) == {int(i) for i in np.unique(truth)} - {0}
    for label, one in found.items():
        inside = [c[t == label] for t, c in zip(truth, clusters, strict=True)]
        shares = [np.bincount(x, minlength=4) / len(x) if len(x) else None for x in inside]
        overlaps = [
            np.minimum(a, b).sum() for a, b in pairwise(shares) if a is not None and b is not None
        ]
        expected = np.mean(overlaps) if overlaps else None
        assert one.overlap == (None if expected is None else pytest.approx(expected))
        assert one.dominant == np.bincount(np.concatenate(inside)).max() / (truth == label).sum()


@quick
@given(tubes, ids, st.permutations(range(4)))
def test_renaming_clusters_changes_nothing(
    truth: np.ndarray, clusters: np.ndarray, names: list[int]
) -> None:
    renamed = 10 * np.array(names)[clusters]
    assert persistence(tables(truth, clusters)) == persistence(tables(truth, renamed))


@quick
@given(tubes, ids)
def test_a_static_clip_overlaps_by_exactly_one(truth: np.ndarray, clusters: np.ndarray) -> None:
    still = [np.broadcast_to(x[0], SHAPE) for x in (truth, clusters)]
    assert {one.overlap for one in persistence(tables(*still)).values()} <= {1.0}


def test_an_object_that_moves_keeps_its_clusters() -> None:
    truth, clusters = np.zeros((3, 1, 6), int), np.zeros((3, 1, 6), int)
    for t in range(3):
        truth[t, 0, 2 * t : 2 * t + 2] = 1
        clusters[t, 0, 2 * t : 2 * t + 2] = [4, 5]
    assert persistence(tables(truth, clusters)) == {1: Persistence(1.0, 0.5)}
