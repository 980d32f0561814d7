from __future__ import annotations

import numpy as np
import pytest

from tvseg_bench.benchmark.clustering import kmeans_upsampled
from tvseg_bench.benchmark.clustering.centre_relocation import (
    measure_centres,
    move_centres,
    relocate_centres,
)
from tvseg_bench.benchmark.clustering.patch_kernels import greedy_seeds, weighted_lloyd


def prepared(seed, n, depth=3, kinds=None):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, depth)).astype(np.float32)
    if kinds:
        x = np.repeat(10 * rng.normal(size=(kinds, depth)), n // kinds, 0).astype(np.float32) + (
            0.1 * x
        )
    points = np.concatenate([x, np.ones((n, 1), np.float32)], 1)
    return points, np.einsum("nd,nd->n", x, x), rng.uniform(0.5, 2, n)


def inertia_of(points, mass, centers):
    x = points[:, :-1].astype(np.float64)
    return (mass * ((x[:, None] - centers[None]) ** 2).sum(2).min(1)).sum()


def test_a_centre_is_worth_what_the_inertia_rises_by_without_it():
    points, norms, mass = prepared(0, 700)
    x = points[:, :-1].astype(np.float64)
    centers = points[:20, :-1].copy()
    owner, second = np.empty(700, np.int32), np.empty(700, np.int32)
    apart, error, missed = np.empty(700, np.float32), np.empty(20), np.empty(20)
    measure_centres(points, norms, mass, centers, owner, second, apart, error, missed)
    distance = ((x[:, None] - centers[None]) ** 2).sum(2)
    order = distance.argsort(1)
    np.testing.assert_array_equal(owner, order[:, 0])
    np.testing.assert_array_equal(second, order[:, 1])
    np.testing.assert_allclose(apart, distance.min(1), atol=1e-5)
    whole = inertia_of(points, mass, centers)
    for j in range(20):
        assert error[j] == pytest.approx((mass * distance.min(1))[owner == j].sum(), rel=1e-4)
        without = inertia_of(points, mass, np.delete(centers, j, 0))
        assert missed[j] == pytest.approx(without - whole, rel=1e-4, abs=1e-4)


def test_relocation_finds_the_groups_that_a_bad_start_missed():
    points, norms, mass = prepared(1, 1200, kinds=150)
    centers = points[:150, :-1].copy()  # all of them in a few groups
    stuck = weighted_lloyd(points, norms, mass, centers, 50, 1e-6)
    seeded = np.empty_like(centers)
    greedy_seeds(points, norms, mass, np.random.default_rng(0).random((150, 3)), seeded)
    rival = weighted_lloyd(points, norms, mass, seeded, 50, 1e-6)
    given = centers.copy()
    inertia, found = relocate_centres(points, norms, mass, centers, stuck, [1])
    assert inertia < 0.2 * stuck
    assert inertia_of(points, mass, found) == pytest.approx(inertia, rel=1e-3)
    np.testing.assert_array_equal(given, centers)
    better, _ = relocate_centres(points, norms, mass, seeded, rival, [1])
    assert better <= rival


def test_moving_leaves_what_has_no_error_alone():
    points, norms, mass = prepared(2, 300)
    points[:, :-1] = 1.0
    centers = np.ones((200, 3), np.float32)
    assert move_centres(points, norms * 0 + 3, mass, centers, np.full(40, 0.5)) == 0


def test_many_clusters_end_below_the_restarts_of_plain_lloyd(explicit, blobs):
    f = blobs(4, 2, 12, 12, 6, objects=60)
    ours = kmeans_upsampled(f, (48, 48), 150, seed=3)
    pixels = explicit.pixels(f, (48, 48))
    from sklearn.cluster import KMeans

    rival = KMeans(150, n_init=2, max_iter=50, random_state=0).fit(pixels)
    assert ours.inertia < rival.inertia_
    again = kmeans_upsampled(f, (48, 48), 150, seed=3, threads=3)
    assert (ours.inertia, ours.empty) == (again.inertia, 0)
    np.testing.assert_array_equal(ours.labels, again.labels)
