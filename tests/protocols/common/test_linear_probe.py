"""The convex fit: an optimum, whatever way leads there."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from tvseg_bench.benchmark.clustering import fit_projection
from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.protocols.common.linear_probe import Probe, conditioned, fit_logistic, folded

DECAY = 0.05


def problem(seed: int, n: int = 60, depth: int = 5, classes: int = 3) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, depth)) @ rng.normal(size=(depth, depth)) + 3 * rng.normal(size=depth)
    targets = rng.dirichlet(np.full(classes, 0.3), n)
    mass = rng.uniform(0.1, 1, n)
    return tuple(a.astype(np.float32) for a in (x, targets, mass))


def probe_of(x: np.ndarray, targets: np.ndarray, mass: np.ndarray, decay: float = DECAY) -> Probe:
    projection = fit_projection(x, x.shape[1])
    scale, penalty = conditioned(projection, decay)
    fit = fit_logistic((projection(x) * scale).astype("f4"), targets, mass, penalty)
    assert fit.converged
    return folded(np.arange(targets.shape[1]), fit, projection, scale)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 99))
def test_it_is_the_optimum_that_scikit_learn_finds(seed: int) -> None:
    x, targets, mass = problem(seed)
    standard = ((x - x.mean(0)) / x.std(0)).astype(np.float64)
    classes = targets.shape[1]
    theirs = LogisticRegression(C=1 / (DECAY * mass.sum()), tol=1e-9, max_iter=5000)
    theirs.fit(
        np.repeat(standard, classes, axis=0),
        np.tile(np.arange(classes), len(x)),
        sample_weight=(targets * mass[:, None]).ravel(),
    )
    expected = theirs.predict_proba(standard)
    scores = probe_of(x, targets, mass)(x)
    ours = np.exp(scores - scores.max(1, keepdims=True))
    np.testing.assert_allclose(ours / ours.sum(1, keepdims=True), expected, atol=2e-3)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 99), st.integers(0, 99))
def test_the_order_of_rows_changes_nothing(seed: int, other: int) -> None:
    x, targets, mass = problem(seed)
    order = np.random.default_rng(other).permutation(len(x))
    first, second = probe_of(x, targets, mass), probe_of(x[order], targets[order], mass[order])
    np.testing.assert_allclose(first(x), second(x), atol=1e-3)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 99), st.floats(0.1, 10))
def test_the_scale_of_features_changes_nothing(seed: int, factor: float) -> None:
    x, targets, mass = problem(seed)
    scaled = (x * np.float32(factor) + 1).astype(np.float32)
    first, second = probe_of(x, targets, mass)(x), probe_of(scaled, targets, mass)(scaled)
    np.testing.assert_allclose(first, second, atol=5e-3)


def test_a_row_without_mass_changes_nothing() -> None:
    x, targets, mass = problem(0)
    mass[-1] = 0
    penalty = np.full(x.shape[1], DECAY)
    fits = []
    for value in (0.0, 5.0):
        x[-1] = value
        fits.append(fit_logistic(x, targets, mass, penalty))
    np.testing.assert_array_equal(fits[0].weights, fits[1].weights)


def test_nothing_to_learn_from_is_said() -> None:
    x, targets, mass = problem(0)
    with pytest.raises(UsageError, match="fitted on nothing"):
        fit_logistic(x, targets, 0 * mass, np.ones(x.shape[1]))


def test_features_of_another_model_are_refused() -> None:
    probe = probe_of(*problem(0))
    with pytest.raises(UsageError, match="fitted on 5 dimensions and is given 4"):
        probe(np.zeros((2, 4), np.float32))
