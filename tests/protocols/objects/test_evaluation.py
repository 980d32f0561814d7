"""`objects` on segments whose truth is known."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import tvseg_bench
from tvseg_bench.benchmark.errors import NotApplicableError
from tvseg_bench.benchmark.evaluation import RunContext, SharedCache
from tvseg_bench.benchmark.registry import protocols
from tvseg_bench.benchmark.types import VOID, Score
from tvseg_bench.protocols.kmeans import clusters
from tvseg_bench.protocols.objects import STANDARD, ObjectsConfig


def evaluate(features: Any, shared: SharedCache | None = None, **changes: Any) -> Score:
    config = ObjectsConfig.model_validate({**STANDARD.model_dump(), "n_init": 2, **changes})
    return protocols["objects"].build(config).evaluate(features, RunContext(shared=shared))


@pytest.fixture
def instances(features: Callable[..., Any]) -> Callable[..., Any]:
    """Return a maker of feature sets whose masks are of objects."""

    def make(truths: Sequence[np.ndarray], **changes: Any) -> Any:
        return features(truths, kind="instance", **changes)

    return make


@pytest.fixture
def segments(instances: Any) -> Callable[..., Any]:
    """Return a maker of feature sets that hold ids [T, H, W] as a model gives them."""

    def make(truths: Sequence[np.ndarray], ids: Sequence[np.ndarray]) -> Any:
        made = instances(truths)
        pairs = zip(made.clips, ids, strict=True)
        held = [replace(c, tokens=np.asarray(own, np.float32)[..., None]) for c, own in pairs]
        return replace(made, clips=held)

    return make


@pytest.fixture
def truths(moving_blocks: Any) -> list[np.ndarray]:
    return [moving_blocks(3, [1, 2]), moving_blocks(4, [3, 1, 2])]


def test_features_that_know_the_objects_come_close_to_the_oracle(
    instances: Any, truths: Any
) -> None:
    score = evaluate(instances(truths))
    for metric, value in score.metrics.items():
        assert value > score.references[f"oracle/{metric}"] - 0.15, metric
        assert value > score.references[f"constant/{metric}"] + 0.3, metric
    assert score.references["constant/fg_ari"] == 0
    assert score.details["objects"] == 2.5
    assert len(score.frames) == 7


def test_perfect_segments_of_any_name_are_perfect(segments: Any, truths: Any) -> None:
    names = np.array([70, 3, 16_000_000, 12])
    score = evaluate(segments(truths, [names[t] for t in truths]), segments="model")
    assert set(score.metrics.values()) == {1.0}


def test_objects_that_change_their_segment_lose_over_the_clip_only(
    segments: Any, truths: Any
) -> None:
    ids = [np.stack([(mask + t) % 4 for t, mask in enumerate(truth)]) for truth in truths]
    score = evaluate(segments(truths, ids), segments="model")
    assert score.metrics["fg_ari_frame"] == score.metrics["mbo_frame"] == 1.0
    assert score.metrics["fg_ari"] < 0.5
    assert score.metrics["mbo"] < 0.8


def test_clusters_of_frames_keep_no_ids(instances: Any, truths: Any) -> None:
    """A segment lies in one of three frames, so that it covers a third of an object at most."""
    data = instances([np.repeat(truth[:1], 3, axis=0) for truth in truths], noise=0.0)
    score = evaluate(data, segments="kmeans-frame")
    assert 0.2 < score.metrics["mbo"] <= 1 / 3
    assert score.metrics["mbo_frame"] > 0.5
    assert score.metrics["fg_ari"] < score.metrics["fg_ari_frame"]
    assert evaluate(data).metrics["mbo"] > 2 * score.metrics["mbo"]


def test_one_object_says_nothing_of_fg_ari(instances: Any, moving_blocks: Any) -> None:
    score = evaluate(instances([moving_blocks(3, [1])]))
    assert score.metrics["fg_ari"] is None
    assert score.metrics["fg_ari_frame"] is None
    assert score.metrics["mbo"] > score.references["constant/mbo"]
    assert "says nothing" in score.clips[0].note
    assert score.details["clips_with_two_objects"] == 0


def test_a_frame_with_one_object_is_left_out_of_the_mean(segments: Any, truths: Any) -> None:
    truth = truths[0].copy()
    truth[1][truth[1] == 2] = 0
    ids = truth.copy()
    ids[0][ids[0] == 2] = 1  # the two objects are one segment: no agreement beyond chance
    score = evaluate(segments([truth], [ids]), segments="model")
    assert [frame.metrics["fg_ari_frame"] for frame in score.frames] == [0.0, None, 1.0]
    assert score.metrics["fg_ari_frame"] == 0.5


def test_void_changes_nothing(segments: Any, truths: Any) -> None:
    rng = np.random.default_rng(0)
    hidden = [rng.random(t.shape) < 0.2 for t in truths]
    void = [np.where(h, VOID, t) for h, t in zip(hidden, truths, strict=True)]
    other = [np.where(h, 9, t) for h, t in zip(hidden, truths, strict=True)]
    assert evaluate(segments(void, other), segments="model").metrics["fg_ari"] == 1.0


def test_clips_without_an_object_are_no_score(instances: Any, truths: Any) -> None:
    empty = np.zeros_like(truths[0])
    score = evaluate(instances([empty, truths[0]]))
    assert score.clips[0].metrics["mbo"] is None
    assert score.clips[0].note == "it shows no object"
    with pytest.raises(NotApplicableError, match="shows an object"):
        evaluate(instances([empty]))


def test_void_everywhere_in_a_frame(instances: Any, truths: Any) -> None:
    truth = truths[0].copy()
    truth[1] = VOID
    for how in ("kmeans-frame", "kmeans-clip"):
        score = evaluate(instances([truth]), segments=how)
        said = [frame.metrics["fg_ari_frame"] is not None for frame in score.frames]
        assert said == [True, False, True]
        assert score.frames[1].metrics["mbo_frame"] is None


@pytest.mark.parametrize("scope", ["frame", "clip"])
def test_clusters_are_those_of_kmeans_and_made_once(
    scope: str, instances: Any, truths: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    fit = clusters.cluster_frames

    def counted(*args: Any) -> Any:
        made.append(args)
        return fit(*args)

    monkeypatch.setattr(clusters, "cluster_frames", counted)
    data, shared = instances(truths), SharedCache()
    kmeans = protocols[f"kmeans-{scope}"]
    config = kmeans.presets["standard"].model_copy(update={"n_init": 2})
    kmeans.build(config).evaluate(data, RunContext(shared=shared))
    n = len(made)
    assert n == (7 if scope == "frame" else 2)
    how = f"kmeans-{scope}"
    assert evaluate(data, shared, segments=how).metrics == evaluate(data, segments=how).metrics
    assert len(made) == 2 * n
    evaluate(data, shared, segments=how, n_init=3)
    assert len(made) == 3 * n


def test_a_run_of_moving_shapes_holds_pictures(tmp_path: Any) -> None:
    overrides = {"protocol.objects.n_init": 1, "protocol.objects.size": 64}
    report = tvseg_bench.run(
        "baseline/pixels", "objects", "moving-shapes", limit=4, output=tmp_path,
        overrides=overrides,
    )  # fmt: skip
    (result,) = report.results
    assert result.status == "ok", result.reason
    assert result.metrics["fg_ari"].lowest == -1
    assert list(tmp_path.glob(f"media/{result.cell_id}/*.png"))
