"""The linear probe on features whose truth is known."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from tvseg_bench.benchmark.errors import ModelError, NotApplicableError
from tvseg_bench.benchmark.evaluation import RunContext
from tvseg_bench.benchmark.types import Score
from tvseg_bench.protocols.linear import (
    DINOV3,
    LEOPART,
    NECO,
    STANDARD,
    TIMET,
    LinearConfig,
)
from tvseg_bench.protocols.linear.evaluation import LinearProbe

PRESETS = {
    "standard": STANDARD,
    "leopart": LEOPART,
    "neco": NECO,
    "timet": TIMET,
    "dinov3": DINOV3.model_copy(update={"length": 60, "warmup_steps": 5}),
}
SGD = ("leopart", "neco", "timet")


def evaluate(
    data: Any, preset: str = "standard", seed: int = 0, train: Any = None, **changes: Any
) -> Score:
    config = PRESETS[preset]
    config = LinearConfig.model_validate({**config.model_dump(), **changes})
    run = RunContext(seed=seed, device="cpu", training=train)
    return LinearProbe(config).evaluate(data, run)


@pytest.fixture
def data(features: Callable[..., Any], moving_blocks: Any) -> Any:
    return features([moving_blocks(2, order) for order in ([1, 2], [2, 1], [1, 2], [2, 1])])


@pytest.mark.parametrize("preset", PRESETS)
def test_features_that_know_the_labels_come_close_to_the_oracle(preset: str, data: Any) -> None:
    # few frames make few steps of an epoch
    longer = {"length": 60, "drop_epochs": 50, "lr": 0.05} if preset in SGD else {}
    score = evaluate(data, preset, **longer)
    assert score.metrics["miou"] > score.references["oracle/miou"] - 0.1
    assert score.metrics["miou"] > 2 * score.references["constant/miou"]


def test_features_that_know_nothing_do_not(
    features: Callable[..., Any], moving_blocks: Any, data: Any
) -> None:
    blind = features([moving_blocks(2, [1, 2])] * 4, noise=80.0)
    assert evaluate(blind).metrics["miou"] < evaluate(data).metrics["miou"] - 0.2


@pytest.mark.parametrize("preset", PRESETS)
def test_same_seed_same_numbers(preset: str, data: Any) -> None:
    changes = {} if preset == "standard" else {"length": 3}
    first, second = (evaluate(data, preset, seed=4, **changes) for _ in range(2))
    assert first == second


def test_a_convex_probe_has_no_seed_of_its_own(data: Any) -> None:
    found = evaluate(data, train=data, probe_seeds=3)
    assert found.details["probe_seeds"]["sd"] == 0
    assert evaluate(data, train=data, seed=5).metrics == found.metrics


def test_the_spread_of_a_trained_probe_is_told(data: Any) -> None:
    found = evaluate(data, "leopart", probe_seeds=3, length=2)
    values = found.details["probe_seeds"]["miou"]
    assert len(set(values)) == 3
    assert values[0] == found.metrics["miou"]
    assert found.details["probe_seeds"]["sd"] == pytest.approx(np.std(values, ddof=1))


def test_a_training_split_is_learnt_from(
    features: Callable[..., Any], moving_blocks: Any, data: Any
) -> None:
    score = evaluate(data, train=features([moving_blocks(2, [1, 2])]))
    assert score.details["training"] == "val"
    assert [part["clips"] for part in score.details["learnt"]] == [1]
    assert score.metrics["miou"] > score.references["oracle/miou"] - 0.1
    swapped = features([moving_blocks(2, [1, 2]) % 2])
    ignorant = evaluate(data, train=swapped)
    assert ignorant.details["learnt"][0]["labels"] == [0, 1]
    assert ignorant.per_class["iou"][2] == 0, "a class that was never seen is never right"


def test_every_clip_has_its_row_and_rows_make_the_score(data: Any) -> None:
    score = evaluate(data)
    assert [row.clip for row in score.clips] == [clip.name for clip in data.dataset.clips]
    assert [row.n_frames for row in score.clips] == [2] * 4
    tp, fp, fn = (sum(np.array(r.counts[key]) for r in score.clips) for key in ("tp", "fp", "fn"))
    assert score.metrics["miou"] == pytest.approx(np.mean(tp / (tp + fp + fn)))
    assert np.sum(score.details["contingency"]) == 8 * 48 * 48


def with_void(data: Any, rows: int, value: float) -> Any:
    """Set the features of the patches below some rows."""
    clips = []
    for clip in data.clips:
        tokens = clip.tokens.copy()
        tokens[:, rows:] = value
        clips.append(replace(clip, tokens=tokens))
    return replace(data, clips=clips)


def void_below(truth: np.ndarray, pixels: int) -> np.ndarray:
    truth = truth.copy()
    truth[:, pixels:] = 255
    return truth


def test_features_of_void_teach_nothing(features: Callable[..., Any], moving_blocks: Any) -> None:
    data = features([void_below(moving_blocks(2, [1, 2]), 32)] * 2)
    scores = [evaluate(data, train=with_void(data, 4, value)) for value in (0.0, 9.0)]
    assert scores[0] == scores[1]


@pytest.mark.parametrize("preset", SGD)
def test_pixels_of_void_teach_nothing(
    preset: str, features: Callable[..., Any], moving_blocks: Any
) -> None:
    """Bilinear pixels see the next row of patches: one more row has to be void."""
    data = features([void_below(moving_blocks(2, [1, 2]), 24)] * 2)
    scores = [
        evaluate(data, preset, train=with_void(data, 4, value), length=3) for value in (0.0, 9.0)
    ]
    assert scores[0].metrics == scores[1].metrics


@pytest.mark.parametrize("preset", PRESETS)
def test_predictions_on_void_count_for_nothing(
    preset: str, features: Callable[..., Any], moving_blocks: Any, data: Any
) -> None:
    changes = {} if preset == "standard" else {"length": 3}
    void = features([void_below(moving_blocks(2, [1, 2]), 24)])
    scores = [
        evaluate(with_void(void, 4, value), preset, train=data, **changes) for value in (0.0, 9.0)
    ]
    assert scores[0].clips == scores[1].clips


def test_clips_are_scored_the_same_in_any_company(data: Any) -> None:
    train = data
    whole = evaluate(data, train=train).clips
    for index in range(4):
        alone = replace(
            data,
            clips=data.clips[index : index + 1],
            dataset=replace(data.dataset, clips=data.dataset.clips[index : index + 1]),
        )
        assert evaluate(alone, train=train).clips[0].counts == whole[index].counts


def test_what_cannot_be_learnt_is_said(
    features: Callable[..., Any], moving_blocks: Any, card: Any, data: Any
) -> None:
    flat = features([np.zeros((1, 48, 48), np.uint8)] * 2)
    for preset in PRESETS:
        with pytest.raises(NotApplicableError, match="hold fewer than two classes"):
            evaluate(flat, preset)
    void = features([np.full((1, 48, 48), 255, np.uint8)] * 2)
    with pytest.raises(NotApplicableError, match="hold fewer than two classes"):
        evaluate(void)
    with pytest.raises(NotApplicableError, match="nothing but void"):
        evaluate(void, train=data)
    own = card(clip_labels="instance", dataset_labels=None)
    ids = features([moving_blocks(2, [1, 2])] * 2, card=own, kind="instance")
    with pytest.raises(NotApplicableError, match=r"davis_semantics\.json would name them"):
        evaluate(ids)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": "sgd"}, "optimizer=sgd learns from targets=pixels, not patch-shares"),
        ({"targets": "pixels"}, "optimizer=lbfgs learns from targets=patch-shares, not pixels"),
        ({"scaling": "batchnorm"}, "lbfgs takes scaling=standardise or none, not batchnorm"),
    ],
)
def test_combinations_that_mean_nothing_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        LinearConfig.model_validate({**STANDARD.model_dump(), **changes})


def test_unstandardised_features_are_fitted_too(data: Any) -> None:
    assert evaluate(data, scaling="none").metrics["miou"] > 0.5


def test_a_class_that_is_nowhere_counts_as_the_preset_says(
    features: Callable[..., Any], moving_blocks: Any
) -> None:
    one = features([moving_blocks(2, [1, 1])] * 2)
    two_of_three = evaluate(one, score_size=48).metrics["miou"]
    zero = evaluate(one, score_size=48, absent_class="zero").metrics["miou"]
    assert zero == pytest.approx(two_of_three * 2 / 3)


@pytest.mark.parametrize("name", ["linear", "retrieval"])
def test_presets_are_read_without_numpy(name: str) -> None:
    code = (
        f"import sys; from tvseg_bench.protocols.{name} import register; "
        "assert not {'numpy', 'torch', 'scipy'} & set(sys.modules), 'heavy'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_probe_that_diverges_says_so(data: Any) -> None:
    with pytest.raises(ModelError, match=r"the probe diverged.*type a smaller one"):
        evaluate(data, "leopart", lr=1e30)
