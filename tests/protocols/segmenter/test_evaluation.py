"""`segmenter` on ids whose truth is known."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tvseg_bench.benchmark.errors import NotApplicableError
from tvseg_bench.benchmark.evaluation import RunContext
from tvseg_bench.benchmark.metrics.contingency import contingency
from tvseg_bench.benchmark.metrics.iou import class_counts, mean_iou
from tvseg_bench.benchmark.metrics.matching import match
from tvseg_bench.benchmark.registry import protocols
from tvseg_bench.benchmark.types import VOID, Score
from tvseg_bench.protocols.segmenter import STANDARD, STEGO, SegmenterConfig

SCOPES = ["frame", "clip", "dataset"]


def evaluate(features: Any, preset: SegmenterConfig = STANDARD, **changes: Any) -> Score:
    config = SegmenterConfig.model_validate({**preset.model_dump(), **changes})
    assert config.view(features.dataset).output == "segments"
    return protocols["segmenter"].build(config).evaluate(features, RunContext())


@pytest.fixture
def segments(features: Callable[..., Any]) -> Callable[..., Any]:
    """Return a maker of feature sets that hold ids [T, H, W] as a segmenter gives them."""

    def make(truths: Sequence[np.ndarray], ids: Sequence[np.ndarray], **changes: Any) -> Any:
        made = features(truths, **changes)
        clips = [
            replace(clip, tokens=np.asarray(own, np.float32)[..., None])
            for clip, own in zip(made.clips, ids, strict=True)
        ]
        return replace(made, clips=clips)

    return make


@pytest.fixture
def truths(moving_blocks: Any) -> list[np.ndarray]:
    return [moving_blocks(3, [1, 2]), moving_blocks(4, [2, 1])]


NAMES = np.array([70, 3, 16_000_000])


@pytest.mark.parametrize("scope", SCOPES)
def test_perfect_ids_of_any_name_are_perfect(scope: str, segments: Any, truths: Any) -> None:
    score = evaluate(segments(truths, [NAMES[t] for t in truths]), scope=scope)
    assert score.metrics == {"miou": 1.0, "miou_fg": 1.0}
    assert score.details["accuracy"] == 1.0
    assert score.references["constant/miou"] < 0.34
    assert 0.5 < score.references["oracle/miou"] < 1.0
    assert len(score.frames) == (7 if scope == "frame" else 0)


def test_ids_that_change_from_clip_to_clip_only_do_for_clips(segments: Any, truths: Any) -> None:
    data = segments(truths, [truths[0], np.array([1, 2, 0])[truths[1]]])
    assert evaluate(data, scope="clip").metrics["miou"] == 1.0
    assert evaluate(data, scope="dataset").metrics["miou"] < 0.7


def test_ids_are_brought_to_the_size_of_the_truth(segments: Any, truths: Any) -> None:
    even = [np.repeat(np.repeat(t[:, ::4, ::4], 4, 1), 4, 2) for t in truths]
    coarse = evaluate(segments(even, [t[:, ::4, ::4] for t in even]))
    assert coarse.metrics["miou"] == 1.0
    fine = [np.repeat(np.repeat(t, 2, 1), 2, 2) for t in truths]
    assert evaluate(segments(truths, fine)).metrics["miou"] == 1.0
    assert evaluate(segments(truths, fine), score_size=24).metrics["miou"] == 1.0


@pytest.mark.parametrize("preset", [STANDARD, STEGO])
@pytest.mark.parametrize("scope", SCOPES)
def test_void_pixels_change_nothing(
    preset: SegmenterConfig, scope: str, segments: Any, truths: Any
) -> None:
    holes = [np.where(np.arange(48) > 40, VOID, t) for t in truths]
    other = [np.where(t == VOID, 99, t) for t in holes]
    scores = [evaluate(segments(holes, ids), preset, scope=scope) for ids in (truths, other)]
    assert scores[0] == scores[1]
    assert scores[0].metrics["miou"] == 1.0


def test_stego_counts_pixels_and_drops_surplus_ids(segments: Any) -> None:
    rng = np.random.default_rng(0)
    truth = rng.choice([0, 0, 0, 1, 2, VOID], (2, 48, 48)).astype(np.uint8)
    ids = rng.integers(0, 5, truth.shape)
    score = evaluate(segments([truth], [ids]), STEGO)
    kept = (truth != VOID) & (ids < 3)
    table = contingency(truth[kept], ids[kept], labels=range(3), clusters=range(3))
    counts = class_counts(table, match(table, "hungarian-count"))
    assert score.metrics["miou"] == mean_iou(counts, "skip-unpredicted")
    assert score.details["clusters"] == [0, 1, 2]
    assert np.sum(score.details["contingency"]) == kept.sum()
    assert len(evaluate(segments([truth], [ids])).details["clusters"]) == 5


def test_stego_leaves_out_what_is_neither_true_nor_predicted(segments: Any) -> None:
    truth = np.zeros((1, 48, 48), np.uint8)
    truth[:, :24] = 1
    assert evaluate(segments([truth], [truth]), STEGO).metrics["miou"] == 1.0
    split = truth.copy()
    split[:, :12] = 2
    predicted = evaluate(segments([truth], [split]), STEGO).metrics["miou"]
    assert predicted == pytest.approx((1 + 0.5 + 0) / 3), "an absent class that is predicted is 0"
    skipped = evaluate(segments([truth], [split]), STEGO, absent_class="skip").metrics["miou"]
    assert skipped == pytest.approx((1 + 0.5) / 2)


def test_rows_hold_what_the_score_is_made_of(segments: Any, truths: Any) -> None:
    rng = np.random.default_rng(0)
    data = segments(truths, [(t + (rng.random(t.shape) < 0.2)) % 4 for t in truths])
    whole = evaluate(data)
    tp, fp, fn = (sum(np.array(r.counts[key]) for r in whole.clips) for key in ("tp", "fp", "fn"))
    assert whole.metrics["miou"] == pytest.approx(np.mean(tp / (tp + fp + fn)))
    assert whole.resample == "counts"
    for scope in ("frame", "clip"):
        score = evaluate(data, scope=scope)
        rows = [row.metrics["miou"] for row in score.clips]
        assert score.metrics["miou"] == pytest.approx(np.mean(rows))
    assert whole.per_class["names"] == ["background", "disc", "square"]


def test_silent_units_are_left_out_and_counted(segments: Any, truths: Any) -> None:
    data = segments(
        [truths[0], 0 * truths[1], np.full_like(truths[1], VOID)], [truths[0], *[truths[1]] * 2]
    )
    score = evaluate(data, scope="clip")
    assert [row.note for row in score.clips] == ["", "a single class", "nothing but void"]
    assert score.metrics["miou"] == 1.0
    assert (score.details["units"], score.details["units_scored"]) == (3, 1)


@pytest.mark.parametrize("scope", SCOPES)
def test_nothing_to_tell_apart_is_said(scope: str, segments: Any, truths: Any) -> None:
    with pytest.raises(NotApplicableError, match="nothing to tell apart"):
        evaluate(segments([0 * truths[0]], [truths[0]]), scope=scope)


def test_a_clips_own_objects_are_no_classes(segments: Any, truths: Any, card: Any) -> None:
    own = card(clip_labels="instance", dataset_labels=None)
    data = segments(truths, truths, card=own, kind="instance")
    with pytest.raises(NotApplicableError, match=r"davis_semantics\.json would name them"):
        evaluate(data)
    assert evaluate(data, scope="clip").metrics["miou"] == 1.0
    assert evaluate(data, STEGO, scope="clip").metrics["miou"] == 1.0
