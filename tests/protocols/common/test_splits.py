"""Clips to learn from and clips to score are never the same."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tvseg_bench.benchmark.errors import NotApplicableError
from tvseg_bench.protocols.common.feature_sets import Subset
from tvseg_bench.protocols.common.splits import folds, fraction, halves


@pytest.fixture
def many(features: Callable[..., Any], moving_blocks: Any) -> Any:
    return features([moving_blocks(1, [1, 2])] * 20)


@given(st.integers(2, 50), st.integers(0, 99))
def test_halves_divide_the_clips(n: int, seed: int) -> None:
    first, second = halves(n, seed)
    assert sorted(first + second) == list(range(n))
    assert len(second) - len(first) in (0, 1)
    assert halves(n, seed) == (first, second)


def test_every_clip_is_scored_once_and_never_by_what_saw_it(many: Any) -> None:
    found = folds(many, None, seed=3)
    scored = sorted(position for fold in found for position in fold.positions)
    assert scored == list(range(20))
    for fold in found:
        names = [{clip.clip.name for clip in part} for part in (fold.train, fold.test)]
        assert not names[0] & names[1]
        assert [clip.clip.name for clip in fold.test] == [f"clip{i}" for i in fold.positions]


def test_a_training_split_is_used_whole(many: Any, toy: Any) -> None:
    (fold,) = folds(toy, many, seed=0)
    assert fold.train is many
    assert fold.test is toy


def test_too_few_clips_are_said(many: Any, toy: Any) -> None:
    one = replace(toy, clips=toy.clips[:1])
    with pytest.raises(
        NotApplicableError, match=r"toy:val holds 1 clip and has no training split"
    ):
        folds(one, None, seed=0)
    with pytest.raises(NotApplicableError, match="training split val of toy:val holds no clip"):
        folds(toy, replace(many, clips=[]), seed=0)


@pytest.mark.parametrize("chosen", [(0,), (3, 7), tuple(range(0, 20, 2))])
def test_a_subset_is_a_feature_set(many: Any, chosen: tuple[int, ...]) -> None:
    part = Subset(many, chosen)
    assert len(part) == len(list(part)) == len(part.dataset.clips) == len(chosen)
    for index, (walked, position) in enumerate(zip(part, chosen, strict=True)):
        assert walked.index == part[index].index == index
        assert walked.clip.name == part[index].clip.name == f"clip{position}"
        assert part.dataset.clips[index].name == walked.clip.name
        np.testing.assert_array_equal(walked.tokens, many[position].tokens)


def test_fractions_are_nested_and_never_empty(many: Any) -> None:
    names = [
        {clip.clip.name for clip in fraction(many, share, seed=5)} for share in (0.01, 0.3, 1)
    ]
    assert [len(n) for n in names] == [1, 6, 20]
    assert names[0] < names[1] < names[2]
    assert names[1] != {clip.clip.name for clip in fraction(many, 0.3, seed=6)}
