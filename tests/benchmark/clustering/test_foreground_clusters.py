"""Noisy masks, precision of clusters, and the threshold: laws and closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tvseg_bench.benchmark.clustering.foreground_clusters import (
    ClusterPixels,
    cluster_precision,
    count_pixels,
    foreground_clusters,
    heavy_mask,
    jaccard,
    tune_threshold,
)
from tvseg_bench.benchmark.errors import UsageError

quick = settings(max_examples=40, deadline=None)
seeds = st.integers(0, 2**32 - 1)
K = 5


def images(seed: int, n: int = 3) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(seed)
    return [
        (
            rng.integers(0, K, (6, 4 + i)),
            rng.random((6, 4 + i)) < 0.5,
            rng.random((6, 4 + i)) < 0.8,
        )
        for i in range(n)
    ]


@quick
@given(seeds)
def test_counts_are_those_of_a_loop(seed: int) -> None:
    frames = images(seed)
    table = count_pixels(frames, K)
    for row, (labels, mask, counted) in enumerate(frames):
        for c in range(K):
            assert table.pixels[row, c] == ((labels == c) & counted).sum()
            assert table.hits[row, c] == ((labels == c) & counted & mask).sum()


def test_counts_of_small_types_do_not_overflow() -> None:
    table = count_pixels([(np.full((2, 2), 200, np.uint8), np.ones((2, 2)), None)], 201)
    assert table.hits[0, 200] == 4


@quick
@given(seeds)
def test_what_does_not_count_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames = images(seed)
    other = [
        (np.where(counted, labels, rng.integers(0, K, labels.shape)), mask ^ ~counted, counted)
        for labels, mask, counted in frames
    ]
    for one, two in zip(
        *(vars(count_pixels(f, K)).values() for f in (frames, other)), strict=True
    ):
        np.testing.assert_array_equal(one, two)


@quick
@given(seeds, st.permutations(range(K)))
def test_renamed_clusters_are_as_precise(seed: int, names: list[int]) -> None:
    frames = images(seed)
    renamed = [(np.array(names)[labels], mask, counted) for labels, mask, counted in frames]
    before, after = (cluster_precision(count_pixels(f, K)) for f in (frames, renamed))
    np.testing.assert_array_equal(after[names], before)


@quick
@given(seeds)
def test_precision_and_jaccard_are_fractions_and_perfection_is_one(seed: int) -> None:
    table = count_pixels(images(seed), K)
    precision = cluster_precision(table)
    assert np.nanmin(precision) >= 0
    assert np.nanmax(precision) <= 1
    for threshold in (0.2, 0.5, 0.8):
        values = jaccard(table, foreground_clusters(precision, threshold))
        assert np.nanmin(values, initial=0) >= 0
        assert np.nanmax(values, initial=0) <= 1
    labels = images(seed)[0][0]
    chosen = np.arange(K) % 2 == 1
    perfect = count_pixels([(labels, chosen[labels], None)], K)
    if (labels % 2 == 1).any():
        assert jaccard(perfect, chosen).tolist() == [1.0]


def test_precision_weighs_images_and_not_pixels() -> None:
    table = ClusterPixels(np.array([[1], [0]]), np.array([[1], [99]]))
    assert cluster_precision(table).tolist() == [0.5]


def test_without_images_there_is_nothing() -> None:
    assert np.isnan(cluster_precision(count_pixels([], 3))).all()


# ------------------------------------------------------------------------------ noisy masks


@quick
@given(seeds, st.floats(0.05, 1.0), st.sampled_from([0.0, 0.6]))
def test_a_mask_is_the_smallest_that_holds_the_mass(seed: int, mass: float, sigma: float) -> None:
    values = np.random.default_rng(seed).random((7, 9))
    kept = heavy_mask(values, mass, sigma, smallest=1)
    if sigma == 0:
        assert values[kept].sum() >= mass * values.sum() - 1e-9
        lightest = values[kept].min()
        assert values[kept].sum() - lightest < mass * values.sum() + 1e-9
    assert kept.any()


@quick
@given(seeds, st.floats(0.1, 100))
def test_the_scale_of_attention_says_nothing(seed: int, scale: float) -> None:
    values = np.random.default_rng(seed).random((5, 6))
    powers = 2.0 ** np.round(np.log2(scale))
    np.testing.assert_array_equal(heavy_mask(values, 0.65), heavy_mask(values * powers, 0.65))


@quick
@given(seeds)
def test_a_mirrored_map_has_a_mirrored_mask(seed: int) -> None:
    values = np.random.default_rng(seed).random((8, 6))
    np.testing.assert_array_equal(heavy_mask(values[::-1], 0.65)[::-1], heavy_mask(values, 0.65))


def test_small_components_go_and_corners_connect() -> None:
    values = np.zeros((6, 6))
    values[0, 0] = values[1, 1] = values[2, 2] = 1.0
    values[5, 4:] = 1.0
    kept = heavy_mask(values, 1.0, sigma=0, smallest=3)
    assert np.argwhere(kept).tolist() == [[0, 0], [1, 1], [2, 2]]


def test_the_blur_is_the_published_gaussian() -> None:
    from scipy import ndimage

    values = np.random.default_rng(0).random((9, 11))
    expected = ndimage.gaussian_filter(values, 0.6, mode="mirror", radius=3)
    order = np.argsort(expected, axis=None)
    heavy = np.zeros(values.size, bool)
    heavy[order[np.cumsum(expected.ravel()[order]) / expected.sum() > 0.35]] = True
    np.testing.assert_array_equal(heavy_mask(values, 0.65, 0.6, 1), heavy.reshape(9, 11))


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (2, 2)])
def test_grids_smaller_than_the_kernel(shape: tuple[int, int]) -> None:
    assert heavy_mask(np.ones(shape), 1.0, smallest=1).all()


def test_an_empty_map_has_an_empty_mask() -> None:
    assert not heavy_mask(np.zeros((3, 4)), 0.65).any()


@pytest.mark.parametrize("bad", [np.ones(3), -np.ones((2, 2)), np.full((2, 2), np.nan)])
def test_what_is_no_saliency_is_refused(bad: np.ndarray) -> None:
    with pytest.raises(UsageError, match="has to be"):
        heavy_mask(bad, 0.65)


# -------------------------------------------------------------------------------- threshold


def test_the_best_cut_wins() -> None:
    """20 clusters of one pixel, of which the last eight are objects: the cut at 12 is perfect."""
    precision = np.linspace(0.0, 0.95, 20)
    truth = ClusterPixels((np.arange(20) >= 12)[None].astype(int), np.ones((1, 20), int))
    tuned = tune_threshold(precision, truth)
    assert [start for _, start, _ in tuned.candidates] == [11, 12, 13, 14]
    assert tuned.threshold == pytest.approx(0.6)
    assert tuned.candidates[1][2] == 1.0


def test_a_image_without_objects_scores_zero_in_the_tuning() -> None:
    empty = ClusterPixels(np.zeros((1, 20), int), np.ones((1, 20), int))
    assert [score for _, _, score in tune_threshold(np.linspace(0, 1, 20), empty).candidates] == [
        0.0
    ] * 4


@pytest.mark.parametrize(("k", "images"), [(2, 1), (20, 0)])
def test_too_little_to_tune_on_is_an_error(k: int, images: int) -> None:
    table = ClusterPixels(np.zeros((images, k), int), np.zeros((images, k), int))
    with pytest.raises(UsageError, match=f"{k} clusters in {images} images"):
        tune_threshold(np.zeros(k), table)
