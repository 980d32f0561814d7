"""Label propagation on features whose truth is known, scored as the official tool does."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import tvseg_bench.protocols  # noqa: F401
from tvseg_bench.benchmark.errors import NotApplicableError
from tvseg_bench.benchmark.evaluation import RunContext
from tvseg_bench.benchmark.metrics.davis_jf import semi_supervised, statistics, unsupervised
from tvseg_bench.benchmark.registry import ProtocolEntry, protocols
from tvseg_bench.benchmark.types import VOID, Score

PRESETS = ["standard", "dino", "dinov3"]
SMALL = {"radius": 3, "n_context": 2}


def build(preset: str = "standard", **changes: Any) -> Any:
    entry: ProtocolEntry = protocols["propagation"]
    values = {**entry.presets[preset].model_dump(), **SMALL, **changes}
    return entry.build(type(entry.presets[preset]).model_validate(values))


def evaluate(features: Any, preset: str = "standard", **changes: Any) -> Score:
    return build(preset, **changes).evaluate(features, RunContext())


def predicted(
    features: Any, preset: str = "standard", index: int = 0, **changes: Any
) -> list[np.ndarray]:
    """Return the label maps of one clip, as they are written to files."""
    maps: list[np.ndarray] = []
    name = features.dataset.clips[index].name

    def collect(clip: Any, frame: int, labels: Any) -> None:
        if clip.name == name:
            maps.append(labels)

    build(preset, **changes).evaluate(features, RunContext(predictions=collect))
    return maps


def held(truth: np.ndarray, n: int) -> np.ndarray:
    """Return a clip of one frame, held."""
    return np.repeat(truth[None], n, axis=0)


@pytest.fixture
def instances(features: Callable[..., Any], moving_blocks: Any) -> Any:
    """Three clips with instances and features that know them."""
    truths = [moving_blocks(5, [1, 2]), moving_blocks(4, [1]), moving_blocks(5, [1, 2, 3])]
    return features(truths, kind="instance", patch=4)


@pytest.mark.parametrize("preset", PRESETS)
def test_features_that_know_the_objects_follow_them(preset: str, instances: Any) -> None:
    score = evaluate(instances, preset)
    assert score.metrics["j"] > 0.7
    assert score.metrics["j"] > score.references["oracle/j"] - 0.1
    assert score.metrics["jf"] > score.references["first-frame/jf"]
    assert score.references["constant/jf"] == 0
    assert score.details["labels"] == "instance"
    assert [len(row.metrics) for row in score.clips] == [3, 3, 3]


@pytest.mark.parametrize("preset", PRESETS)
def test_features_that_know_nothing_lose_them(
    preset: str, features: Callable[..., Any], moving_blocks: Any
) -> None:
    blind = features([moving_blocks(6, [1, 2])], kind="instance", patch=4, noise=100.0)
    seeing = features([moving_blocks(6, [1, 2])], kind="instance", patch=4)
    assert evaluate(blind, preset).metrics["jf"] < evaluate(seeing, preset).metrics["jf"] - 0.2


@pytest.mark.parametrize("preset", PRESETS)
def test_a_static_clip_is_followed_exactly(preset: str, features: Callable[..., Any]) -> None:
    """Objects made of whole patches, features without noise: nothing can be lost."""
    patches = np.array([[0, 1, 1, 0], [0, 1, 1, 0], [2, 2, 0, 0], [2, 2, 0, 3]], np.uint8)
    truth = held(patches.repeat(8, 0).repeat(8, 1), 4)
    clip = features([truth], kind="instance", noise=0.0)
    exact = {"upsampling": "nearest", "topk": 1, "size": 32}
    score = evaluate(clip, preset, **exact)
    assert score.metrics == {"jf": 1.0, "j": 1.0, "f": 1.0}
    maps = predicted(clip, preset, **exact)
    np.testing.assert_array_equal(maps, truth)


@pytest.mark.parametrize("preset", PRESETS)
def test_scores_are_those_of_the_official_tool(preset: str, instances: Any) -> None:
    """From the label maps that are written, by the metric functions that pass its cases."""
    score = evaluate(instances, preset)
    rows = []
    for index, clip in enumerate(instances):
        truth = np.stack([clip.clip.instance(t) for t in clip.frames])
        maps = np.stack(predicted(instances, preset, index))
        np.testing.assert_array_equal(maps[0], truth[0])
        inner = slice(1, None if preset == "standard" else -1)
        found = semi_supervised(truth[inner], maps[inner], int(truth[0].max()))
        assert score.clips[index].metrics["j"] == pytest.approx(found.j.mean(), abs=1e-12)
        assert score.clips[index].metrics["f"] == pytest.approx(found.f.mean(), abs=1e-12)
        rows += list(zip(found.j, found.f, strict=True))
    j, f = (np.mean([statistics(row[i]).mean for row in rows]) for i in range(2))
    assert score.details["davis"]["J&F-Mean"] == pytest.approx((j + f) / 2, abs=1e-12)
    decay = np.mean([statistics(row[0]).decay for row in rows])
    assert score.details["davis"]["J-Decay"] == pytest.approx(decay, abs=1e-12)
    if preset != "standard":
        assert score.metrics["jf"] == pytest.approx((j + f) / 2, abs=1e-12)
    else:
        mean = np.mean([row.metrics["jf"] for row in score.clips])
        assert score.metrics["jf"] == pytest.approx(mean, abs=1e-12)


def test_unsupervised_scores_are_those_of_the_official_tool(
    features: Callable[..., Any], moving_blocks: Any
) -> None:
    truth = moving_blocks(4, [1, 2, 3])
    truth[:, 40:, :20] = VOID
    clip = features([truth], kind="instance", patch=4, noise=0.6)
    score = evaluate(clip, "dino", task="unsupervised")
    found = unsupervised(truth, np.stack(predicted(clip, "dino", task="unsupervised")), 3)
    assert score.clips[0].metrics["j"] == pytest.approx(found.j.mean(), abs=1e-12)
    assert score.clips[0].metrics["f"] == pytest.approx(found.f.mean(), abs=1e-12)
    assert len(score.frames) == 4


@pytest.mark.parametrize("preset", PRESETS)
def test_permuted_ids_give_the_same_scores(
    preset: str, features: Callable[..., Any], moving_blocks: Any
) -> None:
    clip = features([moving_blocks(4, [1, 2, 3])], kind="instance", patch=4, noise=0.5)
    order = np.array([0, 3, 1, 2], np.uint8)
    truth = order[np.stack([clip.clips[0].clip.instance(t) for t in range(4)])]
    renamed = replace(clip.clips[0].clip, instance=lambda t: truth[t])
    other = replace(clip, clips=[replace(clip.clips[0], clip=renamed)])
    one, two = evaluate(clip, preset), evaluate(other, preset)
    assert one.metrics == pytest.approx(two.metrics, abs=1e-12)
    by_id = {row["id"]: row["j_mean"] for row in two.details["objects"]}
    for row in one.details["objects"]:
        assert by_id[int(order[row["id"]])] == row["j_mean"]


def test_a_clip_scores_the_same_alone_and_in_company(instances: Any) -> None:
    together = evaluate(instances)
    for index in range(3):
        alone = evaluate(replace(instances, clips=[instances.clips[index]]))
        assert alone.clips[0].metrics == together.clips[index].metrics


def test_sparse_ids_keep_their_names(features: Callable[..., Any], moving_blocks: Any) -> None:
    truth = moving_blocks(3, [7, 200])
    clip = features([truth], kind="instance", patch=4)
    assert [row["id"] for row in evaluate(clip).details["objects"]] == [7, 200]
    assert set(np.unique(predicted(clip))) == {0, 7, 200}
    official = evaluate(clip, "dino").details["objects"]
    assert [row["id"] for row in official] == list(range(1, 201))


def test_void_is_neither_followed_nor_scored(
    features: Callable[..., Any], moving_blocks: Any
) -> None:
    truth = moving_blocks(4, [1, 2])
    clip = features([truth], kind="instance", patch=4, noise=0.4)
    clean = predicted(clip)
    hidden = truth.copy()
    for t in range(1, 4):
        hidden[t][clean[t] != truth[t]] = VOID
    masked = replace(clip.clips[0].clip, instance=lambda t: hidden[t])
    other = replace(clip, clips=[replace(clip.clips[0], clip=masked)])
    assert evaluate(clip).metrics["jf"] < 1
    assert evaluate(other).metrics == {"jf": 1.0, "j": 1.0, "f": 1.0}
    assert evaluate(other, void="background").metrics["jf"] < 1


def test_objects_that_come_later_are_background(
    features: Callable[..., Any], moving_blocks: Any
) -> None:
    truth = moving_blocks(4, [1, 2])
    truth[0][truth[0] == 2] = 0
    clip = features([truth], kind="instance", patch=4)
    for preset in PRESETS:
        score = evaluate(clip, preset)
        assert [row["id"] for row in score.details["objects"]] == [1]
        assert 2 not in np.unique(predicted(clip, preset))


def test_classes_are_objects_where_there_are_no_instances(
    features: Callable[..., Any], moving_blocks: Any, card: Callable[..., Any]
) -> None:
    truth = moving_blocks(4, [1, 2])
    score = evaluate(features([truth], patch=4))
    assert score.details["labels"] == "semantic"
    assert [row["id"] for row in score.details["objects"]] == [1, 2]
    everything = features([truth], patch=4, card=card(background=None))
    assert [row["id"] for row in evaluate(everything).details["objects"]] == [0, 1, 2]


def test_masks_of_any_size_and_shape(features: Callable[..., Any]) -> None:
    truth = np.zeros((3, 50, 31), np.uint8)
    truth[:, 10:40, 8:20] = 1
    for preset in PRESETS:
        clip = features([np.zeros((3, 48, 32), np.uint8)], kind="instance", patch=8)
        other = replace(clip.clips[0].clip, instance=lambda t: truth[t])
        found = replace(clip, clips=[replace(clip.clips[0], clip=other)])
        assert [m.shape for m in predicted(found, preset)] == [(50, 31)] * 3
        assert evaluate(found, preset).metrics["jf"] is not None


def test_frames_have_rows_that_make_the_clip(instances: Any) -> None:
    for preset, inner in (("standard", 0), ("dino", 1)):
        score = evaluate(instances, preset)
        for clip in score.clips:
            frames = [row for row in score.frames if row.clip == clip.clip]
            assert [row.frame for row in frames] == list(range(1, clip.n_frames - inner))
            mean = np.mean([row.metrics["jf"] for row in frames])
            assert clip.metrics["jf"] == pytest.approx(mean, abs=1e-12)


def test_clips_that_say_nothing_are_named(
    features: Callable[..., Any], moving_blocks: Any
) -> None:
    good = moving_blocks(3, [1])
    empty, void = np.zeros_like(good), np.full_like(good, VOID)
    score = evaluate(features([good, good[:1], empty, void], kind="instance", patch=4))
    notes = ["", "a single frame", "no object", "nothing but void"]
    for row, note in zip(score.clips, notes, strict=True):
        assert note in row.note
        assert (row.metrics["jf"] is None) == bool(note)
    assert score.details["clips_left_out"] == 3
    assert score.metrics["jf"] == score.clips[0].metrics["jf"]
    two = evaluate(features([good, good[:2]], kind="instance", patch=4), "dino")
    assert "2 frames, none of which is to be scored" in two.clips[1].note


def test_data_that_say_nothing_are_refused_in_one_sentence(
    features: Callable[..., Any], moving_blocks: Any
) -> None:
    stills = features([moving_blocks(1, [1])] * 2, kind="instance")
    with pytest.raises(NotApplicableError, match="toy:val holds still images"):
        evaluate(stills)
    empty = features([np.zeros((3, 48, 48), np.uint8)], kind="instance")
    with pytest.raises(NotApplicableError, match="'clip0': its first frame holds no object"):
        evaluate(empty)
    with pytest.raises(NotApplicableError, match="no semantic masks"):
        evaluate(features([moving_blocks(3, [1])], kind="instance"), labels="semantic")
    maskless = features([moving_blocks(3, [1])])
    bare = replace(maskless.clips[0], clip=replace(maskless.clips[0].clip, semantic=None))
    with pytest.raises(NotApplicableError, match="no semantic masks"):
        evaluate(replace(maskless, clips=[bare]))


def test_presets_state_what_they_show_the_model(instances: Any) -> None:
    views = {preset: build(preset).view(instances.dataset) for preset in PRESETS}
    resized = [v.resize for v in views.values()]
    assert resized == ["short-side", "short-side-64", "short-side-up"]
    assert [v.size for v in views.values()] == [480, 480, 960]
    assert [v.statistics for v in views.values()] == ["card", "timet", "card"]
    assert [v.interpolation for v in views.values()] == ["bilinear", "opencv", "bicubic"]
    assert {v.frames for v in views.values()} == {None}
