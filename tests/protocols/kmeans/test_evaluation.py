"""The k-means family on features whose truth is known."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import tvseg_bench.protocols  # noqa: F401
from tvseg_bench.benchmark.errors import NotApplicableError
from tvseg_bench.benchmark.evaluation import RunContext, SharedCache
from tvseg_bench.benchmark.registry import protocols
from tvseg_bench.benchmark.types import Score
from tvseg_bench.protocols.common.feature_sets import Subset
from tvseg_bench.protocols.kmeans.projection import projected

NAMES = [name for name in protocols if name.startswith(("kmeans-", "overcluster-"))]
UNITS = ["kmeans-frame", "kmeans-clip"]


def evaluate(
    name: str,
    features: Any,
    preset: str = "standard",
    seed: int = 0,
    shared: SharedCache | None = None,
    **changes: Any,
) -> Score:
    entry = protocols[name]
    config = type(entry.presets[preset]).model_validate(
        {**entry.presets[preset].model_dump(), **changes}
    )
    return entry.build(config).evaluate(features, RunContext(seed=seed, shared=shared))


def values(score: Score) -> list[float | None]:
    return [row.metrics.get("miou") for row in score.clips]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("preset", ["standard", "timet"])
def test_features_that_know_the_objects_come_close_to_the_oracle(
    name: str, preset: str, toy: Any
) -> None:
    score = evaluate(name, toy, preset, **({"frames": 3} if preset == "timet" else {}))
    assert score.metrics["miou"] > score.references["oracle/miou"] - 0.05
    assert score.metrics["miou"] > 2 * score.references["constant/miou"]


@pytest.mark.parametrize("name", NAMES)
def test_features_that_know_nothing_do_not(
    name: str, features: Callable[..., Any], moving_blocks: Any
) -> None:
    truths = [moving_blocks(3, [1, 2]), moving_blocks(3, [2, 1])]
    few = {"k": 10} if name == "overcluster-dataset" else {}
    blind = evaluate(name, features(truths, noise=50.0), **few)
    seeing = evaluate(name, features(truths), **few)
    assert blind.metrics["miou"] < seeing.metrics["miou"] - 0.15


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_numbers(name: str, toy: Any) -> None:
    first, second = (evaluate(name, toy, seed=3) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("name", UNITS)
def test_a_clip_scores_the_same_alone_and_in_company(name: str, toy: Any) -> None:
    together = values(evaluate(name, toy))
    for index in range(3):
        alone = replace(toy, clips=[toy.clips[index]])
        assert values(evaluate(name, alone)) == [together[index]]


def test_the_release_lets_a_clip_depend_on_its_batch_mates(toy: Any) -> None:
    """Quirk E1: standardisation and PCA over the batch."""
    noisy = replace(
        toy,
        clips=[
            *toy.clips[:2],
            replace(toy.clips[2], tokens=toy.clips[2].tokens * np.linspace(1, 80, 12, dtype="f4")),
        ],
    )
    settings = {"preset": "timet", "kmeans": "exact", "pca_dims": 2}
    clean, dirty = (values(evaluate("kmeans-clip", f, **settings)) for f in (toy, noisy))
    assert clean[0] != dirty[0]
    own = {**settings, "pca_scope": "unit"}
    assert (
        values(evaluate("kmeans-clip", toy, **own))[0]
        == values(evaluate("kmeans-clip", noisy, **own))[0]
    )


def test_the_release_overweights_the_last_batch(
    features: Callable[..., Any], moving_blocks: Any
) -> None:
    """Quirk E2: mean of batch means."""
    many = features([moving_blocks(2, [1, 2])] * 2 + [moving_blocks(2, [1])], noise=1.0)
    score = evaluate("kmeans-clip", many, "timet", batch_clips=2)
    a, b, c = values(score)
    assert a is not None
    assert b is not None
    assert c is not None
    assert score.metrics["miou"] == pytest.approx(((a + b) / 2 + c) / 2)
    assert score.metrics["miou"] != pytest.approx((a + b + c) / 3)


def test_units_of_one_class_are_left_out_and_counted(
    features: Callable[..., Any], moving_blocks: Any
) -> None:
    truth = moving_blocks(3, [1, 2])
    truth[1] = 0
    data = features([truth, np.zeros_like(truth)])
    score = evaluate("kmeans-frame", data)
    assert [row.metrics["miou"] is None for row in score.frames] == [False, True, False] + [
        True
    ] * 3
    assert score.frames[1].note == "a single class"
    assert score.details["units_left_out"] == 4
    assert score.metrics["miou"] == score.clips[0].metrics["miou"]
    assert score.clips[1].metrics["miou"] is None
    released = evaluate("kmeans-frame", data, "timet")
    assert released.frames[1].metrics["miou"] == 1.0, "quirk E6: an empty frame scores 1"


def test_nothing_to_tell_apart_is_said(features: Callable[..., Any]) -> None:
    empty = features([np.zeros((2, 48, 48), np.uint8)])
    for name in NAMES:
        with pytest.raises(NotApplicableError, match="nothing to tell apart"):
            evaluate(name, empty)


def test_ids_of_a_clips_own_objects_are_no_classes_of_a_data_set(
    features: Callable[..., Any], moving_blocks: Any, card: Any
) -> None:
    own = card(clip_labels="instance", dataset_labels=None)
    data = features([moving_blocks(3, [1, 2])], card=own, kind="instance")
    with pytest.raises(NotApplicableError, match=r"davis_semantics\.json would name them"):
        evaluate("kmeans-dataset", data)
    assert evaluate("kmeans-dataset", data, "timet").metrics["miou"] is not None
    assert evaluate("kmeans-clip", data).metrics["miou"] is not None


def test_missing_masks_are_said(features: Callable[..., Any], moving_blocks: Any) -> None:
    data = features([moving_blocks(3, [1, 2])])
    clips = [replace(c, semantic=None) for c in data.dataset.clips]
    bare = replace(data, dataset=replace(data.dataset, clips=clips))
    with pytest.raises(NotApplicableError, match="has no semantic masks"):
        evaluate("kmeans-clip", bare)


def test_void_is_no_class_in_standard_and_one_in_the_release(
    features: Callable[..., Any], moving_blocks: Any
) -> None:
    truth = moving_blocks(2, [1, 2])
    truth[:, 40:, :] = 255
    data = features([truth])
    rows = {
        preset: evaluate("kmeans-clip", data, preset).clips[0] for preset in ("standard", "timet")
    }
    assert rows["standard"].counts["labels"] == [0, 1, 2]
    assert rows["timet"].counts["labels"] == [0, 1, 2, 255]


def test_references_in_closed_form(features: Callable[..., Any]) -> None:
    truth = np.zeros((1, 48, 48), np.uint8)
    truth[:, :12] = 1
    score = evaluate("kmeans-clip", features([truth]))
    assert score.references["constant/miou"] == pytest.approx(0.75 / 2)
    pooled_ties_go_to_the_smaller_label = (8 / 12 + 36 / 40) / 2
    assert score.references["oracle/miou"] == pytest.approx(pooled_ties_go_to_the_smaller_label)


@pytest.mark.parametrize("name", NAMES)
def test_rows_hold_what_the_score_is_made_of(name: str, toy: Any) -> None:
    score = evaluate(name, toy)
    rows = score.frames or score.clips
    if score.resample == "counts":
        tp, fp, fn = (sum(np.array(r.counts[key]) for r in rows) for key in ("tp", "fp", "fn"))
        assert score.metrics["miou"] == pytest.approx(np.mean(tp / (tp + fp + fn)))
        return
    for row in rows:
        tp, fp, fn = (np.array(row.counts[key]) for key in ("tp", "fp", "fn"))
        assert row.metrics["miou"] == pytest.approx(np.mean(tp / (tp + fp + fn)))


def test_background_is_left_out_of_miou_fg_only_where_the_card_names_one(
    features: Callable[..., Any], moving_blocks: Any, card: Any
) -> None:
    truth = moving_blocks(2, [1, 2])
    assert (
        evaluate("kmeans-clip", features([truth], card=card(background=None))).metrics["miou_fg"]
        is None
    )
    score = evaluate("kmeans-clip", features([truth]))
    assert score.metrics["miou_fg"] != score.metrics["miou"]


def test_overcluster_uses_more_clusters(toy: Any) -> None:
    score = evaluate("overcluster-dataset", toy, k=40)
    assert 20 < len(score.details["clusters"]) <= 40
    assert set(score.details["matched_to"]) <= {0, 1, 2}


@pytest.mark.parametrize("name", NAMES)
def test_scored_at_any_size(name: str, toy: Any) -> None:
    whole = evaluate(name, toy).metrics["miou"]
    small = evaluate(name, toy, score_size=24).metrics["miou"]
    assert small == pytest.approx(whole, abs=0.12)


def test_leopart_counts_absent_classes_as_zero_and_drops_the_last_batch(
    features: Callable[..., Any], moving_blocks: Any, card: Any
) -> None:
    many = card(classes=("background", "disc", "square", "never"))
    data = features([moving_blocks(2, [1, 2])] * 5, card=many)
    settings = {"preset": "leopart", "k": 6, "pca_dims": 0}
    whole = evaluate("overcluster-dataset", data, **settings, last_batch="keep")
    present = evaluate(
        "overcluster-dataset", data, **settings, last_batch="keep", absent_class="skip"
    )
    assert whole.metrics["miou"] == pytest.approx(present.metrics["miou"] * 3 / 4)
    assert len(whole.clips) == 5
    dropped = evaluate("overcluster-dataset", data, **settings, batch_clips=2)
    assert len(dropped.clips) == 4
    with pytest.raises(NotApplicableError, match="5 clips make no complete batch of 60"):
        evaluate("overcluster-dataset", data, **settings)


def test_labels_may_be_repeated_instead_of_features_upsampled(toy: Any) -> None:
    smooth, blocky = (
        evaluate("kmeans-clip", toy, upsample=how, fit_size="grid").clips[0].counts
        for how in ("features-bilinear", "labels-nearest")
    )
    assert smooth != blocky
    whole_patches = np.array(blocky["tp"]) + np.array(blocky["fp"])
    assert (whole_patches % 64 == 0).all()


class Counting:
    """A feature set that counts what is read."""

    def __init__(self, inner: Any) -> None:
        self.reads: dict[str, int] = {"features": 0, "masks": 0}
        self.inner, self.patch_size, self.view = inner, inner.patch_size, None
        clips = [replace(c, semantic=self._counted(c.semantic)) for c in inner.dataset.clips]
        self.dataset = replace(inner.dataset, clips=clips)

    def _counted(self, read: Any) -> Any:
        def mask(t: int) -> Any:
            self.reads["masks"] += 1
            return read(t)

        return mask

    def __len__(self) -> int:
        return len(self.inner)

    def __iter__(self) -> Any:
        for features, clip in zip(self.inner, self.dataset.clips, strict=True):
            self.reads["features"] += 1
            yield replace(features, clip=clip)


SWEEP = [("kmeans-clip", {}), ("kmeans-clip", {"k": 5}), ("overcluster-clip", {})]


@pytest.mark.parametrize("limit", [0, 3000, 1 << 30])
def test_cells_that_share_a_cache_give_what_they_give_alone(toy: Any, limit: int) -> None:
    counted, shared = Counting(toy), SharedCache(limit)
    frames = sum(clip.n_frames for clip in toy.dataset.clips)
    cells = [(name, seed, changes) for name, changes in SWEEP for seed in (0, 1)]
    for name, seed, changes in [*cells, ("kmeans-dataset", 0, {}), ("kmeans-frame", 0, {})]:
        together = evaluate(name, counted, seed=seed, shared=shared, **changes)
        alone = evaluate(name, toy, seed=seed, **changes)
        assert together.metrics == alone.metrics
        assert together.references == alone.references
        assert together.per_class == alone.per_class
    assert shared.used <= limit
    if limit == 1 << 30:  # once by clip, twice by data set, once by frame; the masks once
        assert counted.reads == {"features": 4 * len(toy), "masks": frames}
    else:
        assert counted.reads["features"] == (len(cells) + 3) * len(toy)


def test_a_data_set_reads_each_mask_once(toy: Any) -> None:
    alone = Counting(toy)
    evaluate("kmeans-dataset", alone)
    assert alone.reads["masks"] == sum(clip.n_frames for clip in toy.dataset.clips)


def test_slim_clips_hold_no_raw_tokens(toy: Any) -> None:
    config = protocols["kmeans-clip"].presets["standard"]
    assert all(
        clip.tokens.base is None for clip, _ in projected(toy, config, "clip", SharedCache())
    )


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("kmeans-clip", {}),
        ("kmeans-frame", {"pca_scope": "dataset"}),
        ("kmeans-clip", {"pca_scope": "batch", "batch_clips": 2}),
        ("kmeans-dataset", {}),
    ],
)
def test_a_subset_shares_a_cache_with_the_other_clips(
    name: str, changes: dict[str, Any], features: Callable[..., Any], moving_blocks: Any
) -> None:
    """A subset numbers its clips from 0, so what is shared goes by their names."""
    three = features([moving_blocks(3, shown) for shown in ([1, 2], [2, 1], [1])])
    some, shared = Subset(three, (1, 2)), SharedCache()
    evaluate(name, three, shared=shared, **changes)
    together = evaluate(name, some, shared=shared, **changes)
    alone = evaluate(name, some, **changes)
    assert together.metrics == alone.metrics
    assert [row.counts for row in together.clips] == [row.counts for row in alone.clips]
    assert [row.clip for row in together.clips] == ["clip1", "clip2"]
