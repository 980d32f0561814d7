from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tvseg_bench.benchmark.clustering import (
    assign_upsampled,
    kmeans_upsampled,
)
from tvseg_bench.benchmark.errors import ModelError, UsageError

shapes = st.fixed_dictionaries(
    {
        "frames": st.integers(1, 3),
        "rows": st.integers(1, 6),
        "cols": st.integers(1, 6),
        "dims": st.integers(1, 9),
    }
)
sizes = st.tuples(st.integers(1, 29), st.integers(1, 29))
laws = settings(deadline=None, max_examples=40)


def starting_points(features, k, seed):
    rows = features.reshape(-1, features.shape[-1])
    rng = np.random.default_rng(seed)
    return rows[rng.integers(len(rows), size=k)] + 0.1 * rng.normal(size=(k, rows.shape[1]))


def tied(distance, within):
    """Whether some pixel has two nearest centres, within rounding."""
    nearest = np.sort(distance, axis=1)
    return distance.shape[1] > 1 and bool((nearest[:, 1] - nearest[:, 0] <= within).any())


@laws
@given(shape=shapes, size=sizes, k=st.integers(1, 30), seed=st.integers(0, 999))
def test_float64_equals_explicit_lloyd_in_every_iteration(explicit, shape, size, k, seed):
    f = np.random.default_rng(seed).normal(size=tuple(shape.values())) + 10.0
    init = starting_points(f, k, seed)
    pixels = explicit.pixels(f, size)
    scale = (pixels**2).sum(1)
    centers = init
    for n in range(1, 6):
        distance = explicit.distances(pixels, centers)
        result = kmeans_upsampled(f, size, k, init=init, max_iter=n, tol=0.0)
        if not tied(distance, 1e-9 * scale):  # a tie may fall either way, and the paths part
            np.testing.assert_allclose(
                result.centers, explicit.lloyd(pixels, centers, 1), rtol=1e-9, atol=1e-9
            )
        centers = result.centers
        distance = explicit.distances(pixels, centers)
        labels = result.labels.ravel()
        assert result.inertia == pytest.approx(distance.min(1).sum(), rel=1e-8, abs=1e-8)
        assert (distance[np.arange(len(labels)), labels] - distance.min(1) <= 1e-9 * scale).all()
        if not tied(distance, 1e-9 * scale):
            assert result.empty == k - len(np.unique(labels))


@laws
@given(shape=shapes, size=sizes, k=st.integers(1, 30), seed=st.integers(0, 999))
def test_one_float32_step_sums_to_1e_5(explicit, shape, size, k, seed):
    f = np.random.default_rng(seed).normal(size=tuple(shape.values())).astype(np.float32)
    init = starting_points(f, k, seed).astype(np.float32)
    result = kmeans_upsampled(f, size, k, init=init, max_iter=1, tol=0.0)
    pixels = explicit.pixels(f, size)
    if tied(explicit.distances(pixels, init), 1e-5):
        return
    np.testing.assert_allclose(
        result.centers, explicit.lloyd(pixels, init, 1), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("size", [(56, 56), (61, 97), (9, 50), (3, 2)])
@pytest.mark.parametrize("k", [1, 2, 7, 40])
def test_float32_labels_differ_in_at_most_1e_5(explicit, blobs, size, k):
    f = blobs(3, 4, 9, 7, 20)
    centers = starting_points(f, k, 1).astype(np.float32)
    labels = assign_upsampled(f, centers, size)
    expected = explicit.distances(explicit.pixels(f, size), centers).argmin(1)
    assert labels.dtype == np.int32
    assert labels.shape == (4, *size)
    assert (labels.ravel() != expected).mean() <= 1e-5


def test_result_is_consistent_and_no_worse_than_explicit_restarts(explicit, blobs):
    f = blobs(0, 2, 8, 8, 12)
    result = kmeans_upsampled(f, (40, 40), 4, seed=1)
    pixels = explicit.pixels(f, (40, 40))
    assert result.inertia == pytest.approx(
        explicit.distances(pixels, result.centers).min(1).sum(), rel=1e-5
    )
    assert result.converged
    rng = np.random.default_rng(0)
    rivals = []
    for _ in range(5):
        centers = explicit.lloyd(pixels, pixels[rng.integers(len(pixels), size=4)], 30)
        rivals.append(explicit.distances(pixels, centers).min(1).sum())
    assert result.inertia <= min(rivals) * 1.001


def test_seeds_repeat_and_inputs_stay_untouched(blobs):
    f = blobs(1, 3, 6, 8, 5)
    before = f.copy()
    one, two = (kmeans_upsampled(f, (33, 45), 5, seed=7) for _ in range(2))
    np.testing.assert_array_equal(one.labels, two.labels)
    np.testing.assert_array_equal(one.centers, two.centers)
    assert one.inertia == two.inertia
    np.testing.assert_array_equal(f, before)


@laws
@given(offset=st.floats(-1e3, 1e3), seed=st.integers(0, 99))
def test_a_shift_of_all_features_changes_no_label(blobs, offset, seed):
    f = blobs(seed, 1, 5, 5, 4, dtype=np.float64)
    init = starting_points(f, 3, seed)
    plain = kmeans_upsampled(f, (20, 20), 3, init=init)
    moved = kmeans_upsampled(f + offset, (20, 20), 3, init=init + offset)
    np.testing.assert_array_equal(plain.labels, moved.labels)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_constant_features_use_one_cluster(dtype):
    f = np.full((2, 4, 4, 3), 5.0, dtype)
    result = kmeans_upsampled(f, (16, 16), 6)
    assert result.empty == 5
    assert result.inertia == pytest.approx(0.0, abs=1e-6)
    assert len(np.unique(result.labels)) == 1
    assert np.isfinite(result.centers).all()


@pytest.mark.parametrize("k", [4, 5, 50])
def test_duplicates_and_more_clusters_than_distinct_features(k):
    f = np.zeros((2, 4, 4, 2), np.float32)
    f[:, :2] = [3.0, 1.0]
    result = kmeans_upsampled(f, (4, 4), k)
    used = len(np.unique(result.labels))
    assert used == 2
    assert result.empty == k - used
    assert result.inertia == pytest.approx(0.0, abs=1e-6)


def test_one_cluster_is_the_mean(explicit, blobs):
    f = blobs(2, 2, 3, 5, 6)
    result = kmeans_upsampled(f, (11, 13), 1)
    np.testing.assert_allclose(result.centers[0], explicit.pixels(f, (11, 13)).mean(0), rtol=1e-5)
    assert not result.labels.any()


def test_tensors_arrays_and_half_precision_agree(blobs):
    f = blobs(5, 2, 5, 5, 4).astype(np.float16)
    array = kmeans_upsampled(f, (20, 20), 3)
    tensor = kmeans_upsampled(torch.from_numpy(f), (20, 20), 3)
    single = kmeans_upsampled(f.astype(np.float32), (20, 20), 3)
    np.testing.assert_array_equal(array.labels, tensor.labels)
    np.testing.assert_array_equal(array.labels, single.labels)
    assert array.centers.dtype == np.float32


def test_assigning_frame_by_frame_gives_the_same(blobs):
    f = blobs(6, 3, 5, 7, 4)
    result = kmeans_upsampled(f, (20, 28), 4)
    np.testing.assert_array_equal(assign_upsampled(f, result.centers, (20, 28)), result.labels)
    alone = [assign_upsampled(f[i : i + 1], result.centers, (48, 85))[0] for i in range(3)]
    np.testing.assert_array_equal(assign_upsampled(f, result.centers, (48, 85)), np.stack(alone))


def test_labels_can_be_left_out(blobs):
    f = blobs(6, 1, 5, 7, 4)
    without = kmeans_upsampled(f, (20, 28), 4, labels="none")
    assert without.labels is None
    np.testing.assert_array_equal(without.centers, kmeans_upsampled(f, (20, 28), 4).centers)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_broken_features_name_clip_and_frame(bad):
    f = np.zeros((3, 2, 2, 4), np.float32)
    f[2, 1, 0, 3] = bad
    with pytest.raises(ModelError, match="of bear hold NaN or infinity in frame 2"):
        kmeans_upsampled(f, (4, 4), 2, name="bear")
    with pytest.raises(ModelError, match="in frame 2"):
        assign_upsampled(f, np.zeros((2, 4), np.float32), (4, 4))


def test_wrong_calls_say_what_is_wrong():
    f = np.zeros((1, 2, 2, 4), np.float32)
    with pytest.raises(ModelError, match=r"shape \[2, 2, 4\]"):
        kmeans_upsampled(f[0], (4, 4), 2)
    with pytest.raises(UsageError, match="0x4"):
        kmeans_upsampled(f, (0, 4), 2)
    with pytest.raises(UsageError, match="k=0"):
        kmeans_upsampled(f, (4, 4), 0)
    with pytest.raises(UsageError, match=r"init have the shape \[3, 4\], expected \[2, 4\]"):
        kmeans_upsampled(f, (4, 4), 2, init=np.zeros((3, 4)))


@laws
@given(shape=shapes, size=sizes, k=st.integers(1, 12), seed=st.integers(0, 999))
def test_torch_backend_equals_the_compiled_one(explicit, shape, size, k, seed):
    f = np.random.default_rng(seed).normal(size=tuple(shape.values())) + 3.0
    init = starting_points(f, k, seed)
    compiled, torched = (
        kmeans_upsampled(f, size, k, init=init, max_iter=1, tol=0.0, backend=b)
        for b in ("compiled", "torch")
    )
    pixels = explicit.pixels(f, size)
    if tied(explicit.distances(pixels, init), 1e-9):
        return
    np.testing.assert_allclose(torched.centers, compiled.centers, rtol=1e-9, atol=1e-9)
    assert torched.inertia == pytest.approx(compiled.inertia, rel=1e-9, abs=1e-9)
    if tied(explicit.distances(pixels, compiled.centers), 1e-9):
        return
    np.testing.assert_array_equal(torched.labels, compiled.labels)
    assert (torched.n_iter, torched.empty) == (compiled.n_iter, compiled.empty)


@pytest.mark.parametrize(("seed", "k"), [(0, 2), (1, 4), (2, 3)])
def test_torch_backend_searches_as_well(blobs, seed, k):
    f = blobs(seed, 2, 5, 6, 4)
    ours, theirs = (kmeans_upsampled(f, (20, 30), k, backend=b) for b in ("compiled", "torch"))
    assert theirs.inertia == pytest.approx(ours.inertia, rel=1e-3)
    assert theirs.labels.shape == ours.labels.shape
    assert len(np.unique(theirs.labels)) == len(theirs.centers)


@pytest.mark.parametrize("k", [3, 40])
def test_threads_change_nothing(blobs, k):
    f = blobs(4, 23, 6, 8, 10)
    one, many = (kmeans_upsampled(f, (48, 64), k, threads=t, n_init=2) for t in (1, 4))
    np.testing.assert_array_equal(one.centers, many.centers)
    np.testing.assert_array_equal(one.labels, many.labels)
    assert one.inertia == many.inertia
