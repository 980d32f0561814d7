import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from tvseg_bench.benchmark.metrics.contingency import Contingency, contingency
from tvseg_bench.benchmark.metrics.rand_index import adjusted_rand_index

quick = settings(max_examples=60, deadline=None)
pairs = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=1, max_size=30)


def index(pairs: list[tuple[int, int]]) -> float:
    first, second = np.array(pairs).T
    return adjusted_rand_index(contingency(first, second, void=None))


@quick
@given(pairs)
def test_equals_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    first, second = np.array(pairs).T
    assert index(pairs) == pytest.approx(adjusted_rand_score(first, second), abs=1e-12)


@quick
@given(pairs, st.permutations(range(4)))
def test_names_and_order_do_not_matter(pairs: list[tuple[int, int]], names: list[int]) -> None:
    assert index(pairs) == index([(b, a) for a, b in pairs])
    assert index(pairs) == index([(names[a], b) for a, b in pairs])
    assert index([(a, names[a]) for a, _ in pairs]) == 1.0


def test_as_many_pixels_as_a_data_set_has() -> None:
    half = 2**40
    even = Contingency(np.arange(2), np.arange(2), np.full((2, 2), half))
    assert abs(adjusted_rand_index(even)) < 1e-9
    same = Contingency(np.arange(2), np.arange(2), np.diag([half, half]))
    assert adjusted_rand_index(same) == 1.0
