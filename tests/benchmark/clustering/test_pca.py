from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from tvseg_bench.benchmark.clustering import Moments, fit_projection
from tvseg_bench.benchmark.errors import ModelError

laws = settings(deadline=None, max_examples=30)


def mixed(seed, n, d):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 50.0).astype(np.float32)


@laws
@given(seed=st.integers(0, 99), n=st.integers(2, 60), d=st.integers(1, 30), k=st.integers(1, 40))
def test_equals_scikit_learn_up_to_sign(seed, n, d, k):
    x = mixed(seed, n, d)
    ours = fit_projection(x, k)(x)
    kept = min(k, d, n - 1)
    assert ours.shape == (n, kept)
    scaled = StandardScaler().fit_transform(x.astype(np.float64))
    theirs = PCA(kept, svd_solver="full").fit_transform(scaled)
    np.testing.assert_allclose(ours @ ours.T, theirs @ theirs.T, rtol=1e-3, atol=1e-3)


def test_variances_are_leading_eigenvalues_and_signs_are_fixed():
    x = mixed(0, 500, 12)
    projection = fit_projection(x, 5)
    np.testing.assert_allclose(projection(x).var(0), projection.variances, rtol=1e-4)
    largest = np.abs(projection.components).argmax(1)
    assert (projection.components[np.arange(5), largest] > 0).all()
    np.testing.assert_allclose(
        projection.components @ projection.components.T, np.eye(5), atol=1e-12
    )


@laws
@given(seed=st.integers(0, 99), cuts=st.lists(st.integers(0, 80), max_size=4))
def test_pieces_in_any_grouping_give_the_same(seed, cuts):
    x = mixed(seed, 80, 6)
    ends = [0, *sorted(cuts), 80]
    moments = Moments()
    for a, b in pairwise(ends):
        if b > a:
            moments.update(x[a:b])
    assert moments.count == 80
    np.testing.assert_allclose(moments.mean, x.astype(np.float64).mean(0), rtol=1e-10)
    np.testing.assert_allclose(
        moments.comoment / 80, np.cov(x.astype(np.float64).T, bias=True), rtol=1e-8, atol=1e-8
    )


def test_constant_columns_are_divided_by_one_and_carry_nothing():
    x = mixed(1, 100, 8)
    x[:, 3] = 7.123
    projection = fit_projection(x, 50)
    assert projection.scale[3] == 1.0
    assert projection(x).shape == (100, 7)
    assert np.allclose(projection.components[:, 3], 0.0)
    everything = np.full((10, 4), 3.3, np.float32)
    np.testing.assert_allclose(fit_projection(everything, 4)(everything), 0.0, atol=1e-6)


def test_shape_is_kept_and_wrong_input_is_refused():
    x = mixed(2, 24, 5)
    projection = fit_projection(x, 3)
    assert projection(x.reshape(2, 3, 4, 5)).shape == (2, 3, 4, 3)
    assert projection(x).dtype == np.float32
    with pytest.raises(ModelError, match="fitted on 5 dimensions and is given 4"):
        projection(x[:, :4])
    with pytest.raises(ModelError, match="no features"):
        Moments().projection(3)
    moments = Moments()
    moments.update(x)
    with pytest.raises(ModelError, match="5 dimensions are followed by features of 4"):
        moments.update(x[:, :4])
    x[3, 2] = np.nan
    with pytest.raises(ModelError, match="NaN"):
        fit_projection(x, 3)


def test_blas_has_one_thread_while_a_projection_is_fitted_and_used(monkeypatch):
    from tvseg_bench.benchmark.clustering import pca
    from tvseg_bench.benchmark.clustering.threads import _controller

    seen = []

    class Watched(type(pca.single_blas)):
        def __enter__(self):
            super().__enter__()
            libraries = _controller().info()
            seen.append({lib["num_threads"] for lib in libraries if lib["user_api"] == "blas"})

    monkeypatch.setattr(pca, "single_blas", Watched())
    for rows in (10, 100):  # fewer rows than dimensions, and more
        x = mixed(3, rows, 20)
        fit_projection(x, 5)(x)
    assert seen == [{1}] * len(seen)
    assert len(seen) >= 5
