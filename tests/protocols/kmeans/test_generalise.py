"""Clusters and their labels fitted on other clips than are scored."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.spatial.distance import cdist
from sklearn.metrics import jaccard_score

import tvseg_bench.protocols  # noqa: F401
from tvseg_bench.benchmark.errors import NotApplicableError
from tvseg_bench.benchmark.evaluation import RunContext
from tvseg_bench.benchmark.metrics.contingency import Contingency
from tvseg_bench.benchmark.metrics.matching import Match
from tvseg_bench.benchmark.registry import protocols
from tvseg_bench.benchmark.types import Score
from tvseg_bench.protocols.kmeans import generalise

NAMES = ["kmeans-dataset", "overcluster-dataset"]
PATCH = 8


def config_of(name: str, preset: str = "standard", **changes: Any) -> Any:
    standard = protocols[name].presets[preset]
    values = {**standard.model_dump(), "fit_split": "training", **changes}
    return type(standard).model_validate(values)


def evaluate(
    name: str, features: Any, training: Any = None, seed: int = 0, **changes: Any
) -> Score:
    config = config_of(name, **changes)
    run = RunContext(seed=seed, training=training)
    return protocols[name].build(config).evaluate(features, run)


def of_patches(rng: np.random.Generator, n: int, classes: int) -> list[np.ndarray]:
    """Return truths of n clips whose labels fill whole patches."""
    cells = rng.integers(0, classes, (n, 2, 5, 6)).astype(np.uint8)
    return [cell.repeat(PATCH, 1).repeat(PATCH, 2) for cell in cells]


@pytest.mark.parametrize("seed", range(4))
def test_equals_a_direct_computation_on_random_features(
    seed: int, features: Callable[..., Any]
) -> None:
    rng = np.random.default_rng(seed)
    # the features of both splits share their directions, and overlap between the classes
    made = features(of_patches(rng, 6, 4), noise=2.0, seed=seed)
    train, test = replace(made, clips=made.clips[:3]), replace(made, clips=made.clips[3:])
    changes = {"k": 9, "pca_dims": 0, "fit_size": "grid", "upsample": "labels-nearest"}
    score = evaluate("overcluster-dataset", test, train, seed, **changes)

    learnt = generalise.learn(train, "semantic", config_of("overcluster-dataset", **changes), seed)
    centers = learnt.clusters.centers

    def patches(part: Any) -> tuple[np.ndarray, np.ndarray]:
        tokens = np.concatenate([c.tokens.reshape(-1, c.tokens.shape[-1]) for c in part.clips])
        true = [c.clip.semantic(t)[::PATCH, ::PATCH] for c in part.clips for t in c.frames]
        return cdist(tokens, centers).argmin(1), np.concatenate([m.ravel() for m in true])

    ids, true = patches(train)
    label = [int(np.bincount(true[ids == j], minlength=4).argmax()) for j in range(9)]
    ids, true = patches(test)
    predicted = np.array(label)[ids]
    expected = jaccard_score(true, predicted, average=None, labels=np.unique(true))
    assert score.metrics["miou"] == pytest.approx(expected.mean(), abs=1e-12)
    assert score.per_class["iou"] == pytest.approx(expected.tolist(), abs=1e-12)
    assert score.details["learnt"][0]["matched_to"] == label


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("preset", ["standard", "timet"])
def test_fitted_on_the_scored_clips_it_is_what_it_was(name: str, preset: str, toy: Any) -> None:
    changes = {"preset": preset, **({"k": 7} if name == "overcluster-dataset" else {})}
    fitted = evaluate(name, toy, toy, **changes)
    alone = evaluate(name, toy, fit_split=None, **changes)
    assert fitted.metrics == pytest.approx(alone.metrics, abs=1e-12)
    assert fitted.references == pytest.approx(alone.references, abs=1e-12)
    assert fitted.per_class == alone.per_class


@pytest.mark.parametrize("name", NAMES)
def test_the_labels_are_those_of_the_clips_that_were_fitted(
    name: str, features: Callable[..., Any], moving_blocks: Any
) -> None:
    train, test = (features([moving_blocks(3, [1, 2])] * 2) for _ in range(2))
    few = {"k": 3}
    right = evaluate(name, test, train, **few)
    assert right.metrics["miou_fg"] > 0.5

    def swapped(clip: Any) -> Any:
        other = np.array([0, 2, 1], np.uint8)
        return replace(clip, semantic=lambda t, read=clip.semantic: other[read(t)])

    clips = [replace(c, clip=swapped(c.clip)) for c in train.clips]
    dataset = replace(train.dataset, clips=[c.clip for c in clips])
    wrong = evaluate(name, test, replace(train, clips=clips, dataset=dataset), **few)
    assert wrong.metrics["miou_fg"] < 0.1
    assert wrong.per_class["iou"][0] == right.per_class["iou"][0]


def test_a_class_that_was_not_fitted_is_missed(
    features: Callable[..., Any], moving_blocks: Any
) -> None:
    train, test = features([moving_blocks(3, [1])] * 2), features([moving_blocks(3, [1, 2])] * 2)
    score = evaluate("kmeans-dataset", test, train)
    assert score.details["learnt"][0]["k"] == 2
    assert score.per_class["labels"] == [0, 1, 2]
    assert score.per_class["iou"][2] == 0
    assert score.references["oracle/miou"] < 0.7, "no cluster can have that name"


def test_halves_score_each_other(toy: Any) -> None:
    score = evaluate("kmeans-dataset", toy, seed=1)
    assert [row.clip for row in score.clips] == ["clip0", "clip1", "clip2"]
    assert score.details["training"] == "halves"
    assert sorted(one["clips"] for one in score.details["learnt"]) == [1, 2]
    counts = [np.array([row.counts[x] for x in ("tp", "fp", "fn")]) for row in score.clips]
    tp, fp, fn = sum(counts)
    assert score.metrics["miou"] == pytest.approx(np.mean(tp / (tp + fp + fn)))


def test_one_clip_has_no_other(features: Callable[..., Any], moving_blocks: Any) -> None:
    alone = features([moving_blocks(3, [1, 2])])
    with pytest.raises(NotApplicableError, match="holds 1 clip and has no training split here"):
        evaluate("kmeans-dataset", alone)
    nothing = features([np.zeros((2, 48, 48), np.uint8)] * 2)
    two = features([moving_blocks(3, [1, 2])] * 2)
    with pytest.raises(NotApplicableError, match="fewer than two classes"):
        evaluate("kmeans-dataset", two, nothing)


def test_an_incomplete_last_batch_is_not_scored(toy: Any) -> None:
    score = evaluate("kmeans-dataset", toy, toy, last_batch="drop", batch_clips=2)
    assert [row.clip for row in score.clips] == ["clip0", "clip1"]
    assert score.details["learnt"][0]["clips"] == 3


def test_a_projection_of_each_batch_is_refused() -> None:
    with pytest.raises(ValidationError, match="choose pca_scope=dataset or pca_dims=0"):
        config_of("kmeans-dataset", pca_scope="batch")
    assert config_of("kmeans-dataset", pca_scope="batch", pca_dims=0).fit_split == "training"


@pytest.mark.parametrize(
    ("unmatched", "expected"), [("void", [4, -1, -1]), ("background", [4, -1, 0])]
)
def test_a_cluster_without_fitted_pixels_is_left_over(unmatched: str, expected: list[int]) -> None:
    config = config_of("kmeans-dataset", unmatched=unmatched)
    found = Match(np.array([0, 2]), np.array([4, -1]))
    made = generalise.completed(found, [0, 2, 5], config)
    assert made.clusters.tolist() == [0, 2, 5]
    assert made.assigned.tolist() == expected


def test_predicted_labels_add_up() -> None:
    rng = np.random.default_rng(0)
    table = Contingency(np.array([0, 3]), np.arange(6), rng.integers(0, 9, (2, 6)))
    assigned = np.array([3, -1, 0, 7, 3, -1])
    made = generalise.relabelled(table, Match(np.arange(6), assigned))
    assert made.labels.tolist() == [0, 3, 7]
    for column, label in enumerate(made.clusters.tolist()):
        expected = [*table.table[:, assigned == label].sum(axis=1), 0]
        assert made.table[:, column].tolist() == expected
