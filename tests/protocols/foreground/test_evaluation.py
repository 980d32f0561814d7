"""Cluster-based foreground extraction on features whose truth is known."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from tvseg_bench.benchmark.errors import NotApplicableError
from tvseg_bench.benchmark.evaluation import RunContext
from tvseg_bench.benchmark.statistics.intervals import interval
from tvseg_bench.benchmark.types import Score
from tvseg_bench.protocols.foreground import ENTRIES, ForegroundConfig

PUBLISHED = ("timet", "leopart")
FEW = {"k": 20, "n_init": 5}


def evaluate(
    features: Any, preset: str = "standard", seed: int = 0, train: Any = None, **changes: Any
) -> Score:
    entry = ENTRIES["foreground"]
    values = {**entry.presets[preset].model_dump(), **FEW, **changes}
    evaluation = entry.build(ForegroundConfig.model_validate(values))
    return evaluation.evaluate(features, RunContext(seed=seed, training=train))


def with_attention(features: Any, heads: int = 2, noise: float = 0.1) -> Any:
    """Return the features with attention that is high on most objects."""
    rng = np.random.default_rng(0)
    step, clips = features.patch_size, []
    for clip in features.clips:
        read = clip.clip.semantic or clip.clip.instance
        truth = np.stack([read(t) for t in clip.frames])[:, step // 2 :: step, step // 2 :: step]
        there = (truth > 0) & (truth < 255)
        maps = there[:, None] + noise * rng.random((len(truth), heads, *truth.shape[1:]))
        clips.append(replace(clip, attention=(maps / 50).astype(np.float32)))
    return replace(features, clips=clips)


@pytest.fixture
def seen(toy: Any) -> Any:
    return with_attention(toy)


@pytest.mark.parametrize("preset", ["standard", *PUBLISHED])
def test_features_that_know_the_objects_come_close_to_the_oracle(preset: str, seen: Any) -> None:
    score = evaluate(seen, preset, train=seen)
    assert score.metrics["fg_iou"] > score.references["oracle/fg_iou"] - 0.1
    assert score.metrics["fg_iou"] > 1.5 * score.references["constant/fg_iou"]
    assert score.details["mask_source"] == "attention"


def test_features_that_know_nothing_do_not(
    features: Callable[..., Any], moving_blocks: Any
) -> None:
    truths = [moving_blocks(3, [1, 2]), moving_blocks(3, [2, 1])]
    blind, seeing = (
        evaluate(with_attention(features(truths, noise=noise))) for noise in (50.0, 0.05)
    )
    assert blind.metrics["fg_iou"] < seeing.metrics["fg_iou"] - 0.15


def test_clusters_mend_what_attention_gets_wrong(
    features: Callable[..., Any], moving_blocks: Any
) -> None:
    """Masks that miss half of the objects of each frame: what looks alike is added."""
    data = with_attention(features([moving_blocks(4, [1, 2]), moving_blocks(4, [2, 1])]))
    clips = []
    for clip in data.clips:
        patchy = clip.attention.copy()
        patchy[:, :, 1::3] = 0
        clips.append(replace(clip, attention=patchy))
    score = evaluate(replace(data, clips=clips))
    assert score.metrics["fg_iou"] > score.metrics["noisy_iou"] + 0.05


@pytest.mark.parametrize("preset", ["standard", *PUBLISHED])
def test_same_seed_same_numbers(preset: str, seen: Any) -> None:
    first, second = (evaluate(seen, preset, seed=3, train=seen) for _ in range(2))
    assert first == second


# --------------------------------------------------------------------------- noisy masks


def test_without_attention_a_stated_substitute_is_used(toy: Any, seen: Any) -> None:
    assert evaluate(toy).details["mask_source"] == "first-component"
    headless = [replace(c, attention=np.zeros((3, 0, 6, 6), np.float32)) for c in toy.clips]
    assert evaluate(replace(toy, clips=headless)) == evaluate(toy)
    assert evaluate(seen).details["mask_source"] == "attention"
    for source in ("first-component", "centre-prior"):
        score = evaluate(seen, mask_source=source)
        assert score == evaluate(toy, mask_source=source)
        assert score.details["mask_source"] == source


def test_attention_that_is_asked_for_is_not_substituted(toy: Any) -> None:
    with pytest.raises(NotApplicableError, match="choose mask_source=first-component"):
        evaluate(toy, mask_source="attention")


def test_the_view_asks_for_attention_only_where_it_may_be_used(toy: Any) -> None:
    wanted = {"auto": "if-any", "attention": True, "first-component": False, "centre-prior": False}
    for source, attention in wanted.items():
        config = ForegroundConfig.model_validate({"mask_source": source})
        assert config.view(toy.dataset).attention == attention


def test_the_first_component_is_turned_away_from_the_border(
    features: Callable[..., Any],
) -> None:
    """Whatever the sign of the component, the object in the middle is the foreground."""
    truth = np.zeros((3, 64, 64), np.uint8)
    truth[:, 16:48, 16:48] = 1
    for seed in range(4):
        data = features([truth], seed=seed)
        score = evaluate(data, mask_source="first-component", mask_mass=1.0, mask_blur=0)
        assert score.metrics["noisy_iou"] == pytest.approx(1.0)


# ------------------------------------------------------------------------------- threshold


def test_standard_reads_no_label_before_the_score(seen: Any) -> None:
    """Other truth, same foreground: details say how many clusters were chosen."""
    clips = [replace(c.clip, semantic=lambda t: np.eye(48, dtype=np.uint8)) for c in seen.clips]
    other = replace(
        seen,
        clips=[replace(f, clip=c) for f, c in zip(seen.clips, clips, strict=True)],
        dataset=replace(seen.dataset, clips=clips),
    )
    assert evaluate(other).details == evaluate(seen).details


def test_a_threshold_of_zero_takes_all_and_of_more_than_any_nothing(seen: Any) -> None:
    everything = evaluate(seen, fixed_threshold=0)
    assert everything.metrics["fg_iou"] == pytest.approx(everything.references["constant/fg_iou"])
    masked = evaluate(seen, fixed_threshold=1, mask_source="centre-prior", mask_mass=0.01)
    assert masked.metrics["fg_iou"] == 0
    assert masked.details["foreground_clusters"] == 0


@pytest.mark.parametrize("preset", PUBLISHED)
def test_the_published_threshold_comes_from_the_training_truth(preset: str, seen: Any) -> None:
    score = evaluate(seen, preset, train=seen)
    cuts = score.details["cuts"]
    assert [start for _, start, _ in cuts] == [11, 12, 13, 14]
    best = max(cuts, key=lambda cut: cut[2])
    assert score.details["threshold"] == pytest.approx(round(best[0] / 0.05) * 0.05)
    assert score.details["tuned_on"] == "toy:val, 3 clips"


@pytest.mark.parametrize("preset", PUBLISHED)
def test_without_a_training_split_half_of_the_clips_are_scored(preset: str, seen: Any) -> None:
    score = evaluate(seen, preset)
    assert len(score.clips) == 2
    assert score.details["tuned_on"] == "toy:val, 1 clips"
    alone = replace(seen, clips=seen.clips[:1])
    with pytest.raises(NotApplicableError, match="has no training split"):
        evaluate(alone, preset)


def test_training_clips_join_the_clusters_only_where_published(
    seen: Any, features: Callable[..., Any], moving_blocks: Any
) -> None:
    other = with_attention(features([moving_blocks(3, [5])], seed=9))
    kwargs = {"fixed_threshold": 0.5, "kmeans": "exact"}
    apart, joined = (
        evaluate(seen, "timet", train=other, training=t, **kwargs) for t in ("apart", "joined")
    )
    assert apart.details["tuned_on"] == joined.details["tuned_on"] == "toy:val, 1 clips"
    assert apart.details["cuts"] != joined.details["cuts"]


# --------------------------------------------------------------------------- what is scored


def test_any_label_but_background_and_void_is_foreground(
    features: Callable[..., Any], moving_blocks: Any, card: Any
) -> None:
    truth = moving_blocks(3, [1, 2])
    merged = np.where(truth > 0, 7, 0).astype(np.uint8)
    own = card(clip_labels="instance", dataset_labels=None)
    tokens = features([truth])
    scores = []
    for kind, labels in (("semantic", truth), ("semantic", merged), ("instance", truth)):
        data = features([labels], kind=kind, **({"card": own} if kind == "instance" else {}))
        clips = [replace(data.clips[0], tokens=tokens.clips[0].tokens)]
        scores.append(evaluate(replace(data, clips=clips)))
    assert scores[0].metrics == scores[1].metrics == scores[2].metrics


def test_void_counts_as_the_convention_says(
    features: Callable[..., Any], moving_blocks: Any
) -> None:
    truth = moving_blocks(2, [1, 2])
    truth[:, :, 44:] = 255
    tokens = features([np.where(truth == 255, 0, truth)]).clips[0].tokens
    data = features([truth])
    data = replace(data, clips=[replace(data.clips[0], tokens=tokens)])
    source = {"mask_source": "centre-prior"}
    rows = {v: evaluate(data, void=v, **source) for v in ("exclude", "foreground", "background")}
    pixels = {v: [sum(s.frames[0].counts[n][0] for n in ("tp", "fn"))] for v, s in rows.items()}
    assert pixels["exclude"] == pixels["background"]
    assert pixels["foreground"][0] == pixels["exclude"][0] + 48 * 4
    assert rows["foreground"].metrics["fg_iou"] < rows["exclude"].metrics["fg_iou"]


def test_void_pixels_move_no_standard_number(
    features: Callable[..., Any], moving_blocks: Any
) -> None:
    plain = moving_blocks(2, [1, 2])
    voided = plain.copy()
    voided[:, 40:] = 255
    rows = []
    for hidden in (3, 9):
        truth = voided.copy()
        tokens = features([np.where(voided == 255, hidden, plain)]).clips[0].tokens
        data = features([truth])
        shown = features([plain]).clips[0].tokens
        tokens[:, :5] = shown[:, :5]
        score = evaluate(replace(data, clips=[replace(data.clips[0], tokens=shown)]))
        rows.append(score.frames[0].counts)
    assert rows[0] == rows[1]
    assert sum(rows[0][n][0] for n in ("tp", "fn")) == (plain[0, :40] > 0).sum()


def test_a_frame_without_objects_is_left_out_or_zero(
    features: Callable[..., Any], moving_blocks: Any
) -> None:
    truth = moving_blocks(2, [1, 2])
    truth[1] = 0
    data = features([truth, np.zeros_like(truth)])
    score = evaluate(data)
    assert [row.metrics["fg_iou"] is None for row in score.frames] == [False, True, True, True]
    assert score.frames[1].note == "no object"
    assert score.clips[1].metrics["fg_iou"] is None
    assert score.clips[1].note == "no frame shows an object"
    assert score.metrics["fg_iou"] == score.frames[0].metrics["fg_iou"]
    published = evaluate(data, no_object="zero")
    assert [row.metrics["fg_iou"] for row in published.frames[1:]] == [0.0] * 3


def test_nothing_to_find_is_said(features: Callable[..., Any]) -> None:
    empty = features([np.zeros((2, 48, 48), np.uint8), np.full((2, 48, 48), 255, np.uint8)])
    with pytest.raises(NotApplicableError, match="no frame of toy:val shows an object"):
        evaluate(empty)


def test_without_a_background_there_is_no_foreground(
    features: Callable[..., Any], moving_blocks: Any, card: Any
) -> None:
    data = features([moving_blocks(2, [1])], card=card(background=None))
    with pytest.raises(NotApplicableError, match="every label of toy is a class"):
        evaluate(data)


def test_missing_masks_are_said(toy: Any) -> None:
    bare = [replace(c, semantic=None) for c in toy.dataset.clips]
    with pytest.raises(NotApplicableError, match="has no semantic masks"):
        evaluate(replace(toy, dataset=replace(toy.dataset, clips=bare)))


def test_references_in_closed_form(features: Callable[..., Any]) -> None:
    truth = np.zeros((1, 48, 48), np.uint8)
    truth[:, :12] = 1
    score = evaluate(features([truth]))
    assert score.references["constant/fg_iou"] == pytest.approx(0.25)
    pooled_ties_go_to_background = 8 / 12
    assert score.references["oracle/fg_iou"] == pytest.approx(pooled_ties_go_to_background)


@pytest.mark.parametrize("size", ["gt", 24, 100])
def test_rows_hold_what_the_score_is_made_of(size: Any, seen: Any) -> None:
    score = evaluate(seen, score_size=size)
    for row in score.frames:
        tp, fp, fn = (row.counts[name][0] for name in ("tp", "fp", "fn"))
        assert row.metrics["fg_iou"] == pytest.approx(tp / (tp + fp + fn))
    for clip in score.clips:
        own = [row.metrics["fg_iou"] for row in score.frames if row.clip == clip.clip]
        assert clip.metrics["fg_iou"] == pytest.approx(np.mean(own))
    assert score.metrics["fg_iou"] == pytest.approx(
        np.mean([clip.metrics["fg_iou"] for clip in score.clips])
    )
    for name in score.metrics:
        assert interval(score, name).lo is not None


@pytest.mark.parametrize("kmeans", ["exact", "faiss-sampled"])
@pytest.mark.parametrize("distance", ["euclidean", "spherical"])
@pytest.mark.parametrize("upsample", ["bilinear-features", "nearest-labels"])
def test_every_way_of_clustering_finds_the_objects(
    kmeans: str, distance: str, upsample: str, seen: Any
) -> None:
    changes = {"kmeans": kmeans, "distance": distance, "upsample": upsample, "resize": "square"}
    score = evaluate(seen, score_size=96, **changes)
    assert score.metrics["fg_iou"] > score.references["oracle/fg_iou"] - 0.12


def test_frames_of_several_shapes_cannot_be_drawn_from() -> None:
    with pytest.raises(ValidationError, match="resize=square"):
        ForegroundConfig(kmeans="faiss-sampled")
