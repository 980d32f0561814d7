"""Retrieval on features whose truth is known."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tvseg_bench.benchmark.errors import NotApplicableError
from tvseg_bench.benchmark.evaluation import RunContext
from tvseg_bench.benchmark.types import Score
from tvseg_bench.protocols.common.labelled_patches import Patches
from tvseg_bench.protocols.retrieval import HUMMINGBIRD, STANDARD, RetrievalConfig
from tvseg_bench.protocols.retrieval.evaluation import Memory, Retrieval, fill_memory

PRESETS = {
    "standard": STANDARD,
    "hummingbird": HUMMINGBIRD.model_copy(update={"score_size": 48}),
}
CPU = torch.device("cpu")


def evaluate(
    data: Any, preset: str = "standard", seed: int = 0, train: Any = None, **changes: Any
) -> Score:
    config = RetrievalConfig.model_validate({**PRESETS[preset].model_dump(), **changes})
    run = RunContext(seed=seed, device="cpu", training=train)
    return Retrieval(config).evaluate(data, run)


@pytest.fixture
def data(features: Callable[..., Any], moving_blocks: Any) -> Any:
    return features([moving_blocks(2, order) for order in ([1, 2], [2, 1], [1, 2], [2, 1])])


@pytest.mark.parametrize("preset", PRESETS)
def test_features_that_know_the_labels_come_close_to_the_oracle(preset: str, data: Any) -> None:
    score = evaluate(data, preset)
    assert score.metrics["miou"] > score.references["oracle/miou"] - 0.05
    assert score.metrics["miou"] > 2 * score.references["constant/miou"]


def test_features_that_know_nothing_do_not(
    features: Callable[..., Any], moving_blocks: Any, data: Any
) -> None:
    blind = features([moving_blocks(2, [1, 2])] * 4, noise=80.0)
    assert evaluate(blind).metrics["miou"] < evaluate(data).metrics["miou"] - 0.2


@pytest.mark.parametrize("preset", PRESETS)
def test_every_clip_has_its_row_and_rows_make_the_score(preset: str, data: Any) -> None:
    score = evaluate(data, preset)
    assert [row.clip for row in score.clips] == [clip.name for clip in data.dataset.clips]
    tp, fp, fn = (sum(np.array(r.counts[key]) for r in score.clips) for key in ("tp", "fp", "fn"))
    assert score.metrics["miou"] == pytest.approx(np.mean(tp / (tp + fp + fn)))
    assert [part["clips_used"] for part in score.details["learnt"]] == [2, 2]


def test_a_bounded_memory_is_bounded_and_drawn_by_the_seed(data: Any) -> None:
    scores = [evaluate(data, train=data, memory_size=40, seed=seed) for seed in (0, 0, 1)]
    assert scores[0] == scores[1]
    assert [s.details["learnt"][0]["patches"] for s in scores] == [40] * 3
    assert scores[0].clips != scores[2].clips
    whole = evaluate(data, train=data, memory_size="all").details["learnt"][0]
    assert whole["memory"] == whole["patches_seen"] == 8 * 36


def test_a_fraction_of_the_clips_fills_the_memory(data: Any) -> None:
    quarter = evaluate(data, train=data, fraction=0.25).details["learnt"][0]
    assert (quarter["clips_used"], quarter["frames"]) == (1, 2)


def test_fewer_patches_than_neighbours(data: Any) -> None:
    score = evaluate(data, train=data, memory_size=8, k=30)
    assert score.details["learnt"][0]["k"] == 8


def test_the_approximate_search_says_what_it_misses(data: Any) -> None:
    exact = evaluate(data, train=data, k=5)
    near = evaluate(data, train=data, k=5, backend="faiss-ivf", cells=4, probes=4)
    found = near.details["learnt"][0]
    assert found["recall"] == 1
    assert found["recall_queries"] == 8 * 36
    assert near.metrics["miou"] == pytest.approx(exact.metrics["miou"], abs=1e-3)
    few = evaluate(
        data, train=data, k=5, backend="faiss-ivf", cells=4, probes=1, recall_queries=100
    ).details["learnt"][0]
    assert few["probes"] == 1
    assert few["recall_queries"] == 100
    assert 0 < few["recall"] <= 1
    assert "recall" not in exact.details["learnt"][0]


@pytest.mark.parametrize("preset", PRESETS)
def test_predictions_on_void_count_for_nothing(
    preset: str, features: Callable[..., Any], moving_blocks: Any, data: Any
) -> None:
    truth = moving_blocks(2, [1, 2])
    truth[:, 24:] = 255
    scores = []
    for value in (0.0, 9.0):
        void = features([truth])
        void.clips[0].tokens[:, 4:] = value
        scores.append(evaluate(void, preset, train=data))
    assert scores[0].clips == scores[1].clips


def test_void_in_the_memory_is_left_out_in_standard_and_label_0_as_published(
    features: Callable[..., Any], moving_blocks: Any, data: Any
) -> None:
    truth = moving_blocks(2, [1, 2])
    truth[:, 24:] = 255
    memories = []
    for value in (0.0, 9.0):
        void = features([truth])
        void.clips[0].tokens[:, 3:] = value
        memories.append(void)
    standard = [evaluate(data, train=memory) for memory in memories]
    assert standard[0] == standard[1]
    assert standard[0].details["learnt"][0]["memory"] == 2 * 18
    published = evaluate(data, "hummingbird", train=memories[0])
    assert published.details["learnt"][0]["memory"] == 2 * 36


def test_supervised_labels_are_matched_as_published_only_in_the_preset(data: Any) -> None:
    """A memory whose labels are exchanged is wrong, unless predictions may be renamed."""
    exchanged = replace(
        data,
        dataset=replace(
            data.dataset,
            clips=[
                replace(clip, semantic=lambda t, clip=clip: np.array([0, 2, 1])[clip.semantic(t)])
                for clip in data.dataset.clips
            ],
        ),
    )
    exchanged.clips = [
        replace(row, clip=clip)
        for row, clip in zip(data.clips, exchanged.dataset.clips, strict=True)
    ]
    assert evaluate(data, train=exchanged).metrics["miou_fg"] < 0.1
    renamed = evaluate(data, "hummingbird", train=exchanged)
    assert renamed.metrics["miou"] > 0.5
    assert renamed.details["matched_to"] == [0, 2, 1]


def test_what_cannot_be_remembered_is_said(
    features: Callable[..., Any], moving_blocks: Any, card: Any, data: Any
) -> None:
    flat = features([np.zeros((1, 48, 48), np.uint8)] * 2)
    with pytest.raises(NotApplicableError, match="hold fewer than two classes"):
        evaluate(flat)
    one = replace(
        data, clips=data.clips[:1], dataset=replace(data.dataset, clips=data.dataset.clips[:1])
    )
    with pytest.raises(NotApplicableError, match="holds 1 clip"):
        evaluate(one)
    own = card(clip_labels="instance", dataset_labels=None)
    ids = features([moving_blocks(2, [1, 2])] * 2, card=own, kind="instance")
    with pytest.raises(NotApplicableError, match=r"davis_semantics\.json would name them"):
        evaluate(ids)


# ------------------------------------------------------------------------------- memory


def patches(n: int, seed: int, order: np.ndarray | None = None) -> Patches:
    rng = np.random.default_rng(seed)
    tokens = rng.normal(size=(n, 4)).astype("f4")
    tokens[n // 2 :] = tokens[: n - n // 2]
    shares = rng.dirichlet([0.2, 0.2, 0.2], n).astype("f4")
    order = np.arange(n) if order is None else order
    return Patches(np.arange(3), tokens[order], shares[order], np.ones(n, "f4"), frames=1, seen=n)


def memory(found: Patches, **changes: Any) -> Memory:
    return fill_memory(found, STANDARD.model_copy(update=changes), 0, CPU, clips=1)


@settings(deadline=None, max_examples=20)
@given(st.integers(2, 60), st.integers(1, 40), st.integers(0, 99))
def test_the_order_of_the_memory_changes_nothing(n: int, k: int, seed: int) -> None:
    """Not even where equal features with other labels tie for the last place."""
    order = np.random.default_rng(seed + 1).permutation(n)
    queries = patches(9, seed + 2).tokens
    for duplicates in ("merge", "keep"):
        first, second = (
            memory(patches(n, seed, o), k=k, duplicates=duplicates).votes(queries)
            for o in (None, order)
        )
        np.testing.assert_allclose(first, second, atol=1e-6)


def test_equal_features_are_one_entry_with_the_mean_of_their_labels() -> None:
    found = patches(20, 0)
    asked = memory(found)
    assert len(asked.keys) == 10
    assert asked.details["patches"] == 20
    votes = memory(found, k=1).votes(found.tokens[:10])
    np.testing.assert_allclose(votes, (found.shares[:10] + found.shares[10:]) / 2, atol=1e-6)
    assert len(memory(found, duplicates="keep").keys) == 20


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 30), st.integers(1, 29), st.integers(0, 99))
def test_the_batch_of_queries_changes_nothing(n: int, cut: int, seed: int) -> None:
    asked = memory(patches(50, seed), k=7)
    queries = patches(n, seed + 2).tokens
    parts = np.concatenate([asked.votes(queries[:cut]), asked.votes(queries[cut:])])
    np.testing.assert_allclose(asked.votes(queries), parts, atol=1e-5)


@settings(deadline=None, max_examples=20)
@given(st.floats(0.01, 100), st.integers(0, 99))
def test_the_length_of_features_changes_nothing(factor: float, seed: int) -> None:
    asked, queries = memory(patches(50, seed), k=7), patches(5, seed + 2).tokens
    scaled = (queries * np.float32(factor)).astype("f4")
    np.testing.assert_allclose(asked.votes(scaled), asked.votes(queries), atol=1e-3)


def test_features_of_zero_are_harmless() -> None:
    found = patches(20, 0)
    found.tokens[3] = 0
    votes = memory(found).votes(np.zeros((2, 4), "f4"))
    np.testing.assert_allclose(votes.sum(-1), 1, atol=1e-5)
