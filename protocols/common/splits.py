"""Clips to learn from and clips to score: different clips always, never frames of one clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tvseg_bench.benchmark.errors import NotApplicableError
from tvseg_bench.benchmark.types import Dataset, FeatureSet
from tvseg_bench.protocols.common.feature_sets import Subset


@dataclass(frozen=True)
class Fold:
    """What is learnt from, and what is scored afterwards."""

    train: FeatureSet
    test: FeatureSet
    positions: tuple[int, ...]
    """Where the scored clips stand in the data set."""


def halves(n: int, seed: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Divide n clips by chance; the first half is the smaller one where n is odd.

    Example:
        >>> halves(5, 0)
        ((2, 4), (0, 1, 3))
        >>> halves(5, 1) == halves(5, 0)
        False
    """
    order = np.random.default_rng(seed).permutation(n).tolist()
    return tuple(sorted(order[: n // 2])), tuple(sorted(order[n // 2 :]))


def check_divisible(dataset: Dataset) -> None:
    """Refuse a data set that has no training split and too few clips to be divided.

    Where its card names training splits, only the run knows whether one of them is there.

    Raises:
        NotApplicableError: the same.
    """
    if not dataset.card.training:
        _check_two(dataset, len(dataset.clips))


def folds(features: FeatureSet, train: FeatureSet | None, seed: int) -> list[Fold]:
    """Return what is learnt from and what is scored; together all clips of `features`.

    With a training split there is one fold. Without, the clips are divided in halves by the seed
    and each half is scored by what was learnt from the other, so that every clip has its row.

    Raises:
        NotApplicableError: there are fewer than two clips and no training split, or a training
            split without clips.
    """
    n = len(features)
    if train is not None:
        if not len(train):
            name = f"{features.dataset.card.name}:{features.dataset.split}"
            raise NotApplicableError(
                f"the training split {train.dataset.split} of {name} holds no clip; "
                "type: tvseg-bench data status"
            )
        return [Fold(train, features, tuple(range(n)))]
    _check_two(features.dataset, n)
    first, second = halves(n, seed)
    return [
        Fold(Subset(features, learnt), Subset(features, scored), scored)
        for learnt, scored in ((first, second), (second, first))
    ]


def _check_two(dataset: Dataset, n: int) -> None:
    if n < 2:
        raise NotApplicableError(
            f"{dataset.card.name}:{dataset.split} holds {n} clip{'' if n == 1 else 's'} and has "
            "no training split here, and nothing may be scored on the clip that it learnt from; "
            "choose a data set with two clips or more, or add its training split"
        )


def fraction(features: FeatureSet, share: float, seed: int) -> FeatureSet:
    """Return that share of the clips, drawn by the seed; at least one, all of them for 1.

    A smaller share of the same seed is a part of a larger one.
    """
    n = len(features)
    wanted = max(1, round(share * n))
    if wanted >= n:
        return features
    order: Sequence[int] = np.random.default_rng([seed, 1]).permutation(n).tolist()
    return Subset(features, tuple(sorted(order[:wanted])))
