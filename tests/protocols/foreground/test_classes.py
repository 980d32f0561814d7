"""The fully unsupervised segmentation on features whose truth is known."""

import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from tvseg_bench.benchmark.errors import MissingExtraError, NotApplicableError
from tvseg_bench.benchmark.evaluation import RunContext
from tvseg_bench.benchmark.metrics.contingency import Contingency
from tvseg_bench.benchmark.statistics.intervals import interval
from tvseg_bench.benchmark.types import Score
from tvseg_bench.protocols.foreground import ENTRIES, ForegroundClassesConfig
from tvseg_bench.protocols.foreground.classes import joined

FEW = {"k": 20, "parts": 10, "n_init": 5}
OFFLINE = {"communities": "greedy-modularity", "n_communities": "gt"}
WAYS = [
    ("standard", {}),
    ("standard", {"grouping": "kmeans"}),
    ("timet", {}),
    ("leopart", OFFLINE),
]


def evaluate(
    features: Any, preset: str = "standard", seed: int = 0, train: Any = None, **changes: Any
) -> Score:
    entry = ENTRIES["foreground-classes"]
    values = {**entry.presets[preset].model_dump(), **FEW, **changes}
    evaluation = entry.build(ForegroundClassesConfig.model_validate(values))
    return evaluation.evaluate(features, RunContext(seed=seed, training=train or features))


def with_attention(features: Any) -> Any:
    """Return the features with attention that is high on objects."""
    step, clips = features.patch_size, []
    for clip in features.clips:
        truth = np.stack([clip.clip.semantic(t) for t in clip.frames])
        there = truth[:, None, step // 2 :: step, step // 2 :: step] > 0
        clips.append(replace(clip, attention=(there + 0.01).astype(np.float32)))
    return replace(features, clips=clips)


@pytest.fixture
def seen(toy: Any) -> Any:
    return with_attention(toy)


@pytest.mark.parametrize(("preset", "changes"), WAYS)
def test_features_that_know_the_objects_come_close_to_the_oracle(
    preset: str, changes: dict[str, Any], seen: Any
) -> None:
    score = evaluate(seen, preset, **changes)
    assert score.metrics["miou"] > score.references["oracle/miou"] - 0.12
    assert score.metrics["miou_fg"] > 0.5
    assert score.metrics["miou"] > 2 * score.references["constant/miou"]


@pytest.mark.parametrize(("preset", "changes"), WAYS)
def test_rows_hold_what_the_score_is_made_of(
    preset: str, changes: dict[str, Any], seen: Any
) -> None:
    score = evaluate(seen, preset, seed=1, **changes)
    assert score.resample == "counts"
    tp, fp, fn = (sum(np.array(r.counts[n]) for r in score.clips) for n in ("tp", "fp", "fn"))
    assert score.metrics["miou"] == pytest.approx(np.mean(tp / (tp + fp + fn)))
    assert interval(score, "miou", background=0).lo is not None
    assert score.details["mask_source"] == "attention"
    assert score == evaluate(seen, preset, seed=1, **changes)


def test_parts_side_by_side_become_one_object(features: Callable[..., Any]) -> None:
    """Two objects of two parts each: parts of one object touch, objects are far apart."""
    parts = np.zeros((2, 48, 96), np.uint8)
    parts[:, 16:32, 8:16], parts[:, 16:32, 16:24] = 11, 12
    parts[:, 16:32, 64:72], parts[:, 16:32, 72:80] = 21, 22
    tokens = features([parts]).clips[0].tokens
    data = features([parts // 10])
    data = with_attention(replace(data, clips=[replace(data.clips[0], tokens=tokens)]))
    score = evaluate(data, k=5, parts=4, upsample="nearest-labels", mask_blur=0, mask_mass=0.9)
    assert score.metrics["miou"] == pytest.approx(1.0)
    assert score.details["edges"] == 2
    assert score.details["communities"] == [2]


def test_where_nothing_is_foreground_all_is_background(seen: Any) -> None:
    source = {"mask_source": "centre-prior", "mask_mass": 0.01, "fixed_threshold": 1}
    score = evaluate(seen, **source)
    assert score.details["parts"] == 0
    assert score.details["segments"] == [0]
    assert score.metrics["miou_fg"] == 0.0


def test_absent_classes_count_zero_only_where_published(seen: Any) -> None:
    """The toy data name three classes; the truth of the third clip alone holds two."""
    named = replace(seen.dataset, classes=("background", "disc", "square", "star"))
    data = replace(seen, dataset=named)
    skip, zero = (evaluate(data, absent_class=a).metrics["miou"] for a in ("skip", "zero"))
    assert zero == pytest.approx(skip * 3 / 4)


def test_one_class_of_objects_is_nothing_to_divide(
    features: Callable[..., Any], moving_blocks: Any, card: Any
) -> None:
    data = features([moving_blocks(2, [1])])
    with pytest.raises(NotApplicableError, match="choose the protocol foreground"):
        evaluate(data)
    named = features([moving_blocks(2, [1])], card=card(classes=("background", "object")))
    named = replace(named, clips=())
    with pytest.raises(NotApplicableError, match="fewer than two classes"):
        evaluate(named)


def test_ids_of_a_clips_own_objects_are_no_classes(
    features: Callable[..., Any], moving_blocks: Any, card: Any
) -> None:
    own = card(clip_labels="instance", dataset_labels=None)
    data = features([moving_blocks(3, [1, 2])], card=own, kind="instance")
    with pytest.raises(NotApplicableError, match=r"davis_semantics\.json would name them"):
        evaluate(data)


def test_infomap_is_never_replaced_in_silence(seen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "infomap", None)
    with pytest.raises(MissingExtraError, match=r"tvseg-bench\[communities\]"):
        evaluate(seen, "leopart")


def test_infomap_is_averaged_over_its_runs(seen: Any) -> None:
    if find_spec("infomap") is None:
        pytest.skip("the extra `communities` is not installed")
    score = evaluate(seen, "leopart", n_communities=2, runs=3, markov_time=1.0)
    runs = score.details["miou_of_runs"]
    assert len(runs) == len(score.details["communities"]) == 3
    assert score.metrics["miou"] == pytest.approx(np.mean(runs))


def test_joining_parts_keeps_every_pixel() -> None:
    rng = np.random.default_rng(0)
    table = Contingency(np.arange(3), np.arange(6), rng.integers(0, 9, (3, 6)))
    member = np.array([0, 1, 0, 2, 1])
    merged = joined(table, member)
    assert merged.clusters.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(merged.table.sum(1), table.table.sum(1))
    np.testing.assert_array_equal(merged.table[:, 1], table.table[:, 1] + table.table[:, 3])
    np.testing.assert_array_equal(merged.table[:, 0], table.table[:, 0])
