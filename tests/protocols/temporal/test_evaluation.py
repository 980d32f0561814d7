"""`temporal` on features whose truth is known."""

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from tvseg_bench.benchmark import clustering
from tvseg_bench.benchmark.errors import DataError, NotApplicableError
from tvseg_bench.benchmark.evaluation import RunContext, SharedCache
from tvseg_bench.benchmark.metrics.consistency import consistency
from tvseg_bench.benchmark.metrics.matching import Match
from tvseg_bench.benchmark.registry import protocols
from tvseg_bench.benchmark.results.key import CellKey
from tvseg_bench.benchmark.results.provenance import Provenance
from tvseg_bench.benchmark.results.result import from_score
from tvseg_bench.benchmark.types import VOID, ModelCard, Score
from tvseg_bench.protocols.kmeans import STANDARD as KMEANS
from tvseg_bench.protocols.kmeans.evaluation import KMeansUnits
from tvseg_bench.protocols.temporal import METRICS, STANDARD, VSPW, TemporalConfig
from tvseg_bench.protocols.temporal.evaluation import Temporal
from tvseg_bench.protocols.temporal.measures import agreement, flow_scores, measure
from tvseg_bench.protocols.temporal.objects_over_time import clip_truth, motion

WORTH_NOTHING_ALONE = ("vc2", "vc4", "vc8", "persistence", "dominant", "flow_consistency")
FAST = {"n_init": 2, "reseeds": 1}


def evaluate(features: Any, preset: TemporalConfig = STANDARD, **changes: Any) -> Score:
    config = TemporalConfig.model_validate({**preset.model_dump(), **FAST, **changes})
    return Temporal(config).evaluate(features, RunContext())


def with_flow(features: Any, motion: tuple[float, float]) -> Any:
    """Give every clip the same flow everywhere, and every object its own instance id."""

    def moved(clip: Any) -> Any:
        height, width = clip.semantic(0).shape
        flow = np.broadcast_to(np.array(motion, np.float32), (height, width, 2))
        return replace(clip, flow=lambda t: flow, instance=clip.semantic, categories={1: 4, 2: 5})

    clips = [replace(c, clip=moved(c.clip)) for c in features.clips]
    dataset = replace(features.dataset, clips=[c.clip for c in clips])
    return replace(features, clips=clips, dataset=dataset)


def still(features: Any, n: int = 9) -> Any:
    """Repeat the first frame of every clip."""

    def held(clip: Any) -> Any:
        mask = clip.clip.semantic(0)
        inner = replace(clip.clip, n_frames=n, semantic=lambda t: mask)
        tokens = np.repeat(clip.tokens[:1], n, axis=0)
        return replace(clip, clip=inner, frames=tuple(range(n)), tokens=tokens)

    clips = [held(c) for c in features.clips]
    dataset = replace(features.dataset, clips=[c.clip for c in clips])
    return replace(features, clips=clips, dataset=dataset)


@pytest.fixture
def clips(features: Callable[..., Any], moving_blocks: Any) -> Any:
    return features([moving_blocks(10, [1, 2]), moving_blocks(4, [2, 1])], noise=0.3)


def test_clusters_are_those_of_kmeans_clip(clips: Any) -> None:
    ours = evaluate(clips)
    few = KMEANS.model_copy(update={"n_init": 2})
    theirs = KMeansUnits(few, "clip").evaluate(clips, RunContext())
    for metric in ("miou", "miou_fg"):
        assert ours.metrics[metric] == theirs.metrics[metric]
        for reference in ("constant", "oracle"):
            name = f"{reference}/{metric}"
            assert ours.references[name] == theirs.references[name]


def test_every_metric_has_its_constant_map_and_its_oracle(clips: Any) -> None:
    score = evaluate(with_flow(clips, (0.0, 2.0)))
    assert tuple(score.metrics) == tuple(METRICS)
    assert set(score.references) == {f"{r}/{m}" for r in ("constant", "oracle") for m in METRICS}
    assert all(tuple(row.metrics) == tuple(METRICS) for row in score.clips)
    absent = {m for m, value in score.metrics.items() if value is None}
    assert absent == {"vc16_iou", "vc16_correct", "vc16"}


def test_the_constant_map_is_shown_for_what_it_is(clips: Any) -> None:
    """Perfectly consistent, right about most pixels that hold still, and no good."""
    score = evaluate(with_flow(clips, (0.0, 2.0)))
    constant = {m: score.references[f"constant/{m}"] for m in METRICS}
    assert all(constant[m] == 1.0 for m in (*WORTH_NOTHING_ALONE, "largest_cluster", "seed_ari"))
    assert constant["flip_rate"] == constant["frame_gap"] == 0.0
    assert constant["vc8_correct"] > score.metrics["vc8_correct"]
    assert constant["vc8_iou"] <= 1 / 3
    assert score.metrics["vc8_iou"] > constant["vc8_iou"]
    assert constant["tube_iou"] == constant["aq"] == constant["stq"] == constant["vpq"] == 0.0


def test_a_static_clip_is_perfectly_consistent(clips: Any) -> None:
    score = evaluate(with_flow(still(clips), (0.0, 0.0)))
    for metric in ("vc2", "vc4", "vc8", "persistence", "flow_consistency"):
        assert score.metrics[metric] == 1.0, metric
    assert score.metrics["flip_rate"] == 0.0
    assert score.metrics["frame_gap"] == pytest.approx(0, abs=1e-12)
    assert score.metrics["drift"] == pytest.approx(0, abs=1e-12)


def measured(features: Any, clusters: list[np.ndarray]) -> dict[str, float | None]:
    clip = features.clips[0]
    truth = clip_truth(clip, features.dataset.card.clip_labels, STANDARD, 0)
    return measure(truth, clusters, STANDARD).metrics


def test_the_truth_itself_is_perfect(clips: Any) -> None:
    data = with_flow(clips, (0.0, 2.0))
    clip = data.clips[0].clip
    found = measured(data, [clip.semantic(t) for t in range(10)])
    for metric in ("vc8_iou", "vc8_correct", "vc8", "tube_iou", "aq", "stq", "vpq", "persistence"):
        assert found[metric] == 1.0, metric
    assert found["drift"] == found["frame_gap"] == found["flip_rate"] == 0.0


def test_renaming_clusters_changes_nothing(clips: Any) -> None:
    rng = np.random.default_rng(0)
    data = with_flow(clips, (0.0, 2.0))
    true = [data.clips[0].clip.semantic(t) for t in range(10)]
    ids = [np.where(rng.random(x.shape) < 0.2, rng.integers(0, 3, x.shape), x) for x in true]
    names = np.array([9, 200, 4])
    before, after = measured(data, ids), measured(data, [names[x].astype(np.uint8) for x in ids])
    assert before == {m: None if v is None else pytest.approx(v) for m, v in after.items()}
    assert before["vpq"] > 0.5


def test_void_pixels_change_nothing(features: Any, moving_blocks: Any) -> None:
    truth = moving_blocks(9, [1, 2])
    truth[:, 40:] = VOID
    truth[3:6, :, :5] = VOID
    data = with_flow(features([truth]), (0.0, 2.0))
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 3, truth.shape)
    other = np.where(truth == VOID, rng.integers(0, 9, truth.shape), ids)
    assert measured(data, list(ids)) == measured(data, list(other))
    clip = clip_truth(data.clips[0], "semantic", STANDARD, 0)
    moved = motion(data.clips[0], clip, None)
    before, after = flow_scores(clip, [list(ids), list(other)], moved)
    assert before == after
    assert agreement(clip, list(ids), list(other)) == pytest.approx(1.0)
    assert evaluate(data).references["constant/flow_consistency"] == 1.0


def test_a_false_alarm_is_not_excused_by_void(features: Any) -> None:
    truth = np.zeros((4, 48, 48), np.uint8)
    truth[:, 4:20, 4:20], truth[:, 4:20, 24:40], truth[:, 30:] = 1, 2, VOID
    data = with_flow(features([truth]), (0.0, 0.0))
    inner = replace(data.clips[0].clip, categories={1: 4, 2: 4})
    data = replace(data, clips=[replace(data.clips[0], clip=inner)])
    ids = np.where(truth == VOID, 0, truth)
    ids[:, 4:20, 24:36] = 0
    spread = np.where(truth == VOID, 2, ids)
    found = [measured(data, list(maps))["vpq"] for maps in (ids, spread)]
    assert found == [0.5, 0.5], "one object hit, one missed, one false alarm"


def test_clusters_that_are_named_anew_in_every_frame_lose_the_gap(clips: Any) -> None:
    clip = clips.clips[0].clip
    swapped = [np.roll([0, 1, 2], t % 2)[clip.semantic(t)] for t in range(10)]
    found = measured(clips, swapped)
    assert found["frame_gap"] > 0.3
    assert found["vc2"] == 0.0
    assert found["flip_rate"] == 1.0


def test_drift_is_positive_where_the_clip_gets_worse(clips: Any) -> None:
    clip = clips.clips[0].clip
    forward = [clip.semantic(t) if t < 5 else np.zeros((48, 48), int) for t in range(10)]
    backward = [clip.semantic(t) if t >= 5 else np.zeros((48, 48), int) for t in range(10)]
    assert measured(clips, forward)["drift"] == pytest.approx(
        -measured(clips, backward)["drift"], abs=0.1
    )
    assert measured(clips, forward)["drift"] > 0.5


def test_windows_as_published(clips: Any) -> None:
    """Pooled over the windows of all clips, the last of each left out, void counted."""
    rows = evaluate(clips, VSPW)
    pooled = []
    for clip, row in zip(clips.clips, rows.clips, strict=True):
        truth = np.stack([clip.clip.semantic(t) for t in clip.frames])
        windows = max(len(truth) - 2, 0)
        pooled += [row.metrics["vc2"]] * windows
        one = Match(np.zeros(1, int), np.zeros(1, int))
        constant = consistency(truth, 0 * truth, one, [2], windows="vspw", void=None)
        assert len(constant[2].stable) == windows
    assert rows.metrics["vc2"] == pytest.approx(np.mean(pooled))
    assert rows.metrics["vc2"] != pytest.approx(np.mean([r.metrics["vc2"] for r in rows.clips]))
    assert rows.metrics["flip_rate"] == pytest.approx(1 - rows.metrics["vc2"])
    assert rows.clips[1].metrics["vc4"] is None, "a clip of four frames has no window of four"


def test_short_and_silent_clips_say_why(features: Any, moving_blocks: Any) -> None:
    one = moving_blocks(3, [1])
    data = features([one, one[:1], np.zeros_like(one), np.full_like(one, VOID)])
    score = evaluate(data)
    assert [row.note for row in score.clips] == [
        "3 frames are too few for vc4, vc8, vc16",
        "a single frame",
        "a single class",
        "nothing but void",
    ]
    assert score.metrics["vc2_iou"] == score.clips[0].metrics["vc2_iou"] is not None
    assert score.metrics["vc8_iou"] is None
    assert set(score.clips[1].metrics.values()) == {None}
    assert (score.details["units"], score.details["units_scored"]) == (4, 1)


def test_what_cannot_be_followed_is_said(features: Any, moving_blocks: Any) -> None:
    truth = moving_blocks(3, [1])
    with pytest.raises(NotApplicableError, match="still images, in which nothing moves"):
        evaluate(features([truth[:1], truth[:1]]))
    with pytest.raises(NotApplicableError, match="nothing to follow"):
        evaluate(features([0 * truth]))
    masks = [np.ones((48, 48), int), np.ones((40, 48), int), np.ones((48, 48), int)]
    data = features([truth])
    uneven = replace(data.clips[0], clip=replace(data.clips[0].clip, semantic=masks.__getitem__))
    with pytest.raises(DataError, match=r"frame 1 of clip 'clip0' is 40x48, that of its first"):
        evaluate(replace(data, clips=[uneven]))


def test_instances_of_a_data_set_without_classes(
    features: Any, moving_blocks: Any, card: Any
) -> None:
    own = card(clip_labels="instance", dataset_labels=None)
    score = evaluate(features([moving_blocks(4, [1, 2])], card=own, kind="instance"))
    assert score.details["objects"] == ["instance"]
    assert score.metrics["stq"] is not None
    assert score.metrics["vpq"] is not None
    assert score.metrics["tube_iou"] == pytest.approx(score.metrics["miou_fg"])


def test_classes_are_objects_where_there_are_no_instances(clips: Any) -> None:
    score = evaluate(clips)
    assert score.details["objects"] == ["semantic"]
    assert score.metrics["stq"] is score.metrics["vpq"] is None
    assert score.metrics["tube_iou"] == pytest.approx(score.metrics["miou_fg"])


# ------------------------------------------------------------------------------------- flow


def write_flow(folder: Path, name: str, frames: int, motion: tuple[float, float]) -> None:
    (folder / name).mkdir(parents=True)
    flow = np.broadcast_to(np.array(motion, "<f4"), (48, 48, 2))
    for t in range(frames):
        head = struct.pack("<fii", 202021.25, 48, 48)
        (folder / name / f"{t:05d}.flo").write_bytes(head + flow.tobytes())


def test_flow_files_give_what_the_data_sets_own_flow_gives(clips: Any, tmp_path: Path) -> None:
    write_flow(tmp_path, "clip0", 9, (0.0, 2.0))
    own = evaluate(with_flow(clips, (0.0, 2.0)))
    files = evaluate(clips, flow_dir=tmp_path)
    assert (
        files.metrics["flow_consistency"]
        == files.clips[0].metrics["flow_consistency"]
        == own.clips[0].metrics["flow_consistency"]
    )
    assert files.clips[1].note.endswith("no folder of flow")
    assert files.details["clips_with_flow"] == 1
    wrong = evaluate(with_flow(clips, (5.0, -9.0))).metrics["flow_consistency"]
    assert wrong < own.metrics["flow_consistency"]


def test_flow_that_fits_no_clip_or_misses_a_frame_is_named(clips: Any, tmp_path: Path) -> None:
    write_flow(tmp_path / "other", "camel", 9, (0.0, 2.0))
    with pytest.raises(DataError, match=r"holds no flow of toy: there is no folder 'clip0'"):
        evaluate(clips, flow_dir=tmp_path / "other")
    write_flow(tmp_path / "part", "clip0", 8, (0.0, 2.0))
    with pytest.raises(DataError, match=r"there is no flow from frame 8 of clip 'clip0'"):
        evaluate(clips, flow_dir=tmp_path / "part")
    with pytest.raises(ValidationError, match="there is no folder"):
        TemporalConfig(flow_dir=tmp_path / "nowhere")


def test_flow_needs_neighbours_and_the_size_of_the_frames(clips: Any) -> None:
    data = with_flow(clips, (0.0, 2.0))
    apart = replace(data.clips[0], frames=(0, 2, 4), tokens=data.clips[0].tokens[[0, 2, 4]])
    score = evaluate(replace(data, clips=[apart]))
    assert score.metrics["flow_consistency"] is None
    assert score.clips[0].note.endswith("no flow between frames that are apart")
    small = evaluate(data, score_size=24)
    assert small.metrics["flow_consistency"] is None
    assert small.clips[0].note.endswith("flow needs score_size=gt")


def test_a_result_states_which_flow_and_no_path(tmp_path: Path) -> None:
    assert STANDARD.model_dump()["flow_dir"] is None
    write_flow(tmp_path / "raft", "clip0", 2, (0.0, 2.0))
    config = TemporalConfig(flow_dir=tmp_path / "raft")
    name, _, digest = config.model_dump()["flow_dir"].partition("@")
    assert name == "raft"
    assert len(digest) == 16
    write_flow(tmp_path / "raft", "clip1", 2, (0.0, 2.0))
    assert config.model_dump()["flow_dir"] != f"raft@{digest}", "other flow is another cell"


# ----------------------------------------------------------------------------------- results


def test_same_seed_same_numbers_in_any_company(clips: Any) -> None:
    first, second = (evaluate(clips) for _ in range(2))
    assert first == second
    alone = evaluate(replace(clips, clips=clips.clips[1:]))
    assert alone.clips[0] == first.clips[1]


def test_seeds_that_disagree_are_seen(features: Any, moving_blocks: Any) -> None:
    truths = [moving_blocks(2, [1, 2])]
    one_start = {"n_init": 1, "reseeds": 3, "k": 6}
    clear = evaluate(features(truths), k=3, n_init=10).metrics["seed_ari"]
    blurred = evaluate(features(truths, noise=50.0), **one_start).metrics["seed_ari"]
    assert clear == pytest.approx(1.0)
    assert blurred < 0.9
    assert evaluate(features(truths), reseeds=0).metrics["seed_ari"] is None


def test_the_score_makes_a_result(clips: Any) -> None:
    score = evaluate(with_flow(clips, (0.0, 2.0)))
    key = CellKey(
        model="toy/a",
        revision="1",
        protocol="temporal",
        protocol_version=1,
        params=STANDARD.model_dump(),
        dataset="toy",
        split="val",
        dataset_version=1,
        manifest_sha256="0" * 64,
        resolution={},
        seed=0,
    )
    card = ModelCard(name="toy/a", patch_size=8, embed_dim=12)
    made = Provenance(suite="0", started=None)
    cards = protocols["temporal"].metrics
    result = from_score(key, score, card=card, provenance=made, metrics=cards)
    assert result.headline == "vc8_iou"
    assert result.metrics["vc2"].value == score.metrics["vc2"]


def test_clusters_and_masks_of_an_earlier_evaluation_are_not_made_again(
    clips: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted, read = [], []
    fit = clustering.kmeans_upsampled

    def counting(*args: Any, **options: Any) -> Any:
        fitted.append(options["seed"])
        return fit(*args, **options)

    def watched(clip: Any) -> Any:
        def semantic(t: int) -> Any:
            read.append(t)
            return clip.semantic(t)

        return replace(clip, semantic=semantic)

    monkeypatch.setattr(clustering, "kmeans_upsampled", counting)
    watched_clips = [replace(c, clip=watched(c.clip)) for c in clips.clips]
    dataset = replace(clips.dataset, clips=[c.clip for c in watched_clips])
    data = replace(clips, clips=watched_clips, dataset=dataset)
    run, few = RunContext(shared=SharedCache()), {"n_init": 2}
    KMeansUnits(KMEANS.model_copy(update=few), "clip").evaluate(data, run)
    assert fitted == [0, 0]
    score = Temporal(STANDARD.model_copy(update=FAST)).evaluate(data, run)
    assert fitted == [0, 0, 1, 1]
    Temporal(VSPW.model_copy(update=FAST)).evaluate(data, run)
    assert fitted == [0, 0, 1, 1]
    assert len(read) == sum(len(c.frames) for c in clips.clips)
    assert score.metrics == evaluate(clips).metrics
