"""How much the place explains, against a regression with every patch written out."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import PolynomialFeatures

import tvseg_bench.protocols  # noqa: F401
from tvseg_bench.benchmark.evaluation import RunContext
from tvseg_bench.benchmark.registry import protocols
from tvseg_bench.benchmark.statistics.clip_tables import MeanTable, table
from tvseg_bench.benchmark.statistics.intervals import interval
from tvseg_bench.benchmark.types import Score
from tvseg_bench.protocols.kmeans import POSITION_METRICS
from tvseg_bench.protocols.kmeans.position import PlaceSums, sums_of_ids, sums_of_values

NAMES = [name for name in protocols if name.startswith(("kmeans-", "overcluster-"))]
GRID = (5, 7)
quick = settings(max_examples=20, deadline=None)
maps = hnp.arrays(np.int64, (3, *GRID), elements=st.integers(0, 3))
known_maps = hnp.arrays(np.int64, (3, *GRID), elements=st.integers(-1, 3))


def regressed(values: np.ndarray, kept: np.ndarray | None = None) -> float:
    """Return the R² of values [T, rows, cols, D], a row of the regression per patch."""
    frames, rows, cols, dims = values.shape
    place = np.stack(np.meshgrid(np.arange(rows), np.arange(cols), indexing="ij"), -1)
    x = np.tile(place.reshape(-1, 2), (frames, 1))
    y, chosen = values.reshape(-1, dims), slice(None) if kept is None else kept.ravel()
    x, y = PolynomialFeatures(2).fit_transform(x)[chosen], y[chosen]
    rest = y - LinearRegression().fit(x, y).predict(x)
    return float(1 - (rest**2).sum() / ((y - y.mean(axis=0)) ** 2).sum())


def assert_same(first: PlaceSums, second: PlaceSums) -> None:
    for name in ("places", "products", "squares"):
        np.testing.assert_allclose(getattr(first, name), getattr(second, name), atol=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_features_are_regressed_on_their_place(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(3, 2, (3, *GRID, 4)) + seed * np.linspace(-1, 1, 7)[:, None] ** 2
    found = sums_of_values(values.astype(np.float32)).r2()
    assert found == pytest.approx(regressed(values), abs=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_clusters_are_regressed_by_their_memberships(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, 6, (3, *GRID))
    ids[:, :2] //= 3
    one_hot = np.eye(6)[ids]
    assert sums_of_ids(ids, 6).r2() == pytest.approx(regressed(one_hot), abs=1e-9)
    known = rng.random(ids.shape) < 0.7
    assert sums_of_ids(np.where(known, ids, -1), 6).r2() == pytest.approx(
        regressed(one_hot, known), abs=1e-9
    )


@quick
@given(maps)
def test_memberships_are_values(ids: np.ndarray) -> None:
    assert_same(sums_of_ids(ids, 4), sums_of_values(np.eye(4)[ids]))


@quick
@given(known_maps, st.integers(0, 3), st.permutations(range(4)))
def test_parts_add_up_and_names_do_not_matter(ids: np.ndarray, cut: int, names: list[int]) -> None:
    whole = sums_of_ids(ids, 4)
    assert_same(sums_of_ids(ids[:cut], 4) + sums_of_ids(ids[cut:], 4), whole)
    renamed = np.where(ids < 0, -1, np.array(names)[ids])
    value, other = whole.r2(), sums_of_ids(renamed, 4).r2()
    assert (value is None) == (other is None)
    if value is not None:
        assert 0 <= value <= 1
        assert other == pytest.approx(value, abs=1e-9)


@quick
@given(maps)
def test_a_mirrored_frame_has_the_same(ids: np.ndarray) -> None:
    value = sums_of_ids(ids, 4).r2()
    for mirrored in (ids[:, ::-1], ids[:, :, ::-1], ids[::-1]):
        other = sums_of_ids(mirrored, 4).r2()
        assert other == (value if value is None else pytest.approx(value, abs=1e-9))


def test_a_quadratic_is_explained_and_one_cluster_is_nothing() -> None:
    v, u = np.meshgrid(np.linspace(-1, 1, 5), np.linspace(-1, 1, 7), indexing="ij")
    bowl = (u * u + 2 * u * v - v)[None, ..., None]
    assert sums_of_values(bowl).r2() == pytest.approx(1)
    assert sums_of_values(np.full((2, *GRID, 3), 0.1, np.float32)).r2() is None
    assert sums_of_ids(np.zeros((2, *GRID), int), 1).r2() is None
    assert sums_of_ids(np.full((2, *GRID), -1), 3).r2() is None
    left = np.arange(14).reshape(1, 2, 7) % 7 < 3
    assert sums_of_ids(left.astype(int), 2).r2() == pytest.approx(regressed(np.eye(2)[left * 1]))


def test_a_grid_of_one_row_has_no_second_direction() -> None:
    ids = np.array([[[0, 0, 1, 1, 2]]])
    x = PolynomialFeatures(2).fit_transform(np.arange(5)[:, None])
    y = np.eye(3)[ids.ravel()]
    rest = y - LinearRegression().fit(x, y).predict(x)
    expected = 1 - (rest**2).sum() / ((y - y.mean(0)) ** 2).sum()
    assert sums_of_ids(ids, 3).r2() == pytest.approx(expected)


def evaluate(name: str, features: Any, **changes: Any) -> Score:
    standard = protocols[name].presets["standard"]
    config = type(standard).model_validate({**standard.model_dump(), **changes})
    return protocols[name].build(config).evaluate(features, RunContext())


@pytest.mark.parametrize("name", NAMES)
def test_stands_beside_every_score_of_clusters(name: str, toy: Any) -> None:
    score = evaluate(name, toy, **({"k": 8} if name == "overcluster-dataset" else {}))
    for metric in POSITION_METRICS:
        rows = [row.metrics[metric] for row in score.clips]
        assert score.metrics[metric] == pytest.approx(np.mean(rows))
        card = protocols[name].metrics[metric]
        assert isinstance(table(score.clips, metric, card, score.resample), MeanTable)
        assert interval(score, metric, card).rows == "value"
    assert 0 < score.references["oracle/position_r2_clusters"] < 1
    assert next(iter(score.metrics)) == "miou"


@pytest.mark.parametrize("name", ["kmeans-clip", "kmeans-dataset"])
def test_features_of_the_place_are_told_from_features_of_the_thing(name: str, toy: Any) -> None:
    def of_place(clip: Any) -> Any:
        rows, cols = clip.tokens.shape[1:3]
        v, u = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, cols), indexing="ij")
        tokens = np.stack([u, v, u * u], -1)[None].repeat(len(clip.frames), 0)
        return replace(clip, tokens=tokens.astype(np.float32))

    placed = evaluate(name, replace(toy, clips=[of_place(c) for c in toy.clips]), k=3)
    things = evaluate(name, toy, k=3)
    assert placed.metrics["position_r2"] == pytest.approx(1, abs=1e-5)
    for metric in POSITION_METRICS:
        assert placed.metrics[metric] > things.metrics[metric] + 0.1
    if name == "kmeans-dataset":
        together = placed.details["position_r2_of_all_clips"]
        assert together["features"] == pytest.approx(1, abs=1e-5)
        assert together["labels"] < 1


@pytest.mark.parametrize("upsample", ["features-bilinear", "labels-nearest"])
def test_clusters_are_those_of_the_patches(
    upsample: str, features: Callable[..., Any], moving_blocks: Any
) -> None:
    """With directions that know the labels, the clusters are the labels at patch centres."""
    data = features([moving_blocks(2, [1, 2])], noise=0.0)
    score = evaluate("kmeans-clip", data, upsample=upsample, fit_size="grid", pca_dims=0)
    assert score.metrics["position_r2_clusters"] == pytest.approx(
        score.references["oracle/position_r2_clusters"]
    )
