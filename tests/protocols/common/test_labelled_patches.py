"""Labelled patches: bounded, drawn clip by clip, void nowhere counted."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tvseg_bench.protocols.common.labelled_patches import collect, fewest, pick_patches

DEEP = 8


def test_all_patches_of_all_frames(toy: Any) -> None:
    found = collect(toy, "semantic", 0, limit=None)
    assert found.frames == 10
    assert len(found.tokens) == found.seen == 10 * 36
    assert found.labels.tolist() == [0, 1, 2]
    np.testing.assert_allclose(found.shares.sum(1), 1, atol=1e-6)
    np.testing.assert_array_equal(found.mass, 1)
    np.testing.assert_array_equal(
        found.tokens, np.concatenate([c.tokens.reshape(-1, c.tokens.shape[-1]) for c in toy])
    )


@pytest.mark.parametrize("pick", ["uniform", "rare-first"])
def test_the_limit_holds_and_every_frame_gives_as_much(toy: Any, pick: Any) -> None:
    found = collect(toy, "semantic", 0, limit=57, pick=pick)
    assert len(found.tokens) == 50
    assert found.seen == 360
    assert len(collect(toy, "semantic", 0, limit=3, pick=pick).tokens) == 10


def test_a_clip_gives_the_same_alone_and_in_company(toy: Any) -> None:
    alone = replace(
        toy,
        clips=toy.clips[1:2],
        dataset=replace(toy.dataset, clips=toy.dataset.clips[1:2]),
    )
    together = collect(toy, "semantic", 0, limit=50)
    single = collect(alone, "semantic", 0, limit=20)
    np.testing.assert_array_equal(single.tokens, together.tokens[15:35])
    other = collect(alone, "semantic", 1, limit=20)
    assert not np.array_equal(single.tokens, other.tokens)


def test_rare_labels_come_first() -> None:
    true = np.zeros((DEEP, DEEP), np.int64)
    true[0, 0] = 1
    tokens = np.arange(DEEP * DEEP, dtype="f4").reshape(DEEP, DEEP, 1)
    rng = np.random.default_rng(0)
    first = [
        0 in pick_patches(tokens, true, rng.random(DEEP * DEEP), 6, "rare-first").tokens
        for _ in range(50)
    ]
    assert np.mean(first) > 0.9


def test_void_is_left_out_or_made_a_label(
    features: Callable[..., Any], moving_blocks: Any
) -> None:
    truth = moving_blocks(2, [1, 2])
    truth[:, 36:] = 255
    data = features([truth, truth])
    left_out = collect(data, "semantic", 0, limit=None)
    assert 255 not in left_out.labels
    assert len(left_out.tokens) == 4 * 30
    assert sorted(set(left_out.mass.tolist())) == [0.5, 1.0]
    np.testing.assert_allclose(left_out.shares.sum(1), 1, atol=1e-6)
    made_zero = collect(data, "semantic", 0, limit=None, void="to-zero")
    assert len(made_zero.tokens) == 4 * 36
    assert (made_zero.mass == 1).all()


def test_frames_of_void_alone_give_nothing(features: Callable[..., Any]) -> None:
    data = features([np.full((2, 48, 48), 255, np.uint8)])
    found = collect(data, "semantic", 0, limit=10)
    assert found.tokens.shape == (0, 12)
    assert found.labels.size == 0


def test_masks_at_the_size_of_the_input(features: Callable[..., Any], moving_blocks: Any) -> None:
    truth = moving_blocks(1, [1, 2])
    wide = np.repeat(np.repeat(truth, 3, axis=1), 3, axis=2)
    data = features([wide], patch=24)
    small = collect(replace(data, patch_size=8), "semantic", 0, limit=None, masks="input")
    same = collect(features([truth]), "semantic", 0, limit=None)
    np.testing.assert_array_equal(small.shares, same.shares)


def test_fewest_takes_no_more_than_there_are() -> None:
    assert len(fewest(np.ones(3, int), np.ones(3), 9)) == 3
