"""Pixel counts of clips drawn at random: what scores over a data set are made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.statistics.clip_tables import CountTable

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Population:
    """Clips of unequal size that hold some of the classes, found more or less well."""

    classes: int = 11
    held: float = 1.0
    """Share of the clips that hold the commonest class."""
    falls: float = 0.0
    """Class c is held by held / c**falls of the clips: 1 is Zipf's law."""
    sizes: float = 0.5
    """Standard deviation of the logarithm of clips' sizes."""
    level: float = 0.0
    """Logit of the share of a class's pixels found in a middling clip."""
    follows: float = 0.0
    """How much that logit rises with the logarithm of a clip's size."""
    nothing: float = 0.0
    """Share of the classes of clips of which nothing is found."""

    def draw(self, rng: np.random.Generator, clips: int) -> CountTable:
        """Return the counts of a model on so many clips."""
        return next(self.models(rng, clips, 1))

    def models(self, rng: np.random.Generator, clips: int, models: int) -> Iterator[CountTable]:
        """Yield the counts of equally good models on the same clips."""
        shape = clips, self.classes
        size, hard = rng.standard_normal((2, clips, 1))
        shares = self.held / np.arange(1, self.classes + 1) ** self.falls
        drawn = rng.lognormal(7 + self.sizes * size, 0.5, shape) * (rng.random(shape) < shares)
        held = np.floor(drawn)
        for _ in range(models):
            logit = self.level + self.follows * size + 0.7 * hard
            logit = logit + 0.7 * rng.standard_normal(shape)
            tp = np.floor(held * (rng.random(shape) >= self.nothing) / (1 + np.exp(-logit)))
            # what is missed was taken for other classes, mostly those of the clip
            missed = (held - tp).sum(axis=1, keepdims=True)
            taken = rng.gamma(1.0, size=shape) * (0.2 + held / (1 + held.mean(axis=1)[:, None]))
            fp = np.floor(missed * taken / taken.sum(axis=1, keepdims=True))
            yield CountTable(tuple(map(str, range(clips))), np.stack([tp, fp, held - tp]))


POPULATIONS: dict[str, Population] = {
    "object and background": Population(2, sizes=0.3),
    "object and background, sizes 1.0": Population(2, sizes=1.0),
    "object and background, near 0": Population(2, level=-3, sizes=0.6),
    "object and background, near 1": Population(2, level=3, sizes=0.6),
    "object and background, 40 % missed": Population(2, nothing=0.4, sizes=0.6),
    "11 classes in every clip": Population(),
    "11 classes in half of the clips": Population(held=0.5),
    "11 classes in a fifth": Population(held=0.2),
    "11 classes in a fifth, 40 % missed": Population(held=0.2, nothing=0.4),
    "11 classes, larger clips easier": Population(held=0.5, sizes=0.8, follows=1.0),
    "11 classes, larger clips harder": Population(held=0.5, sizes=0.8, follows=-1.0),
    "20 classes in a fifth": Population(20, held=0.2),
    "20 classes in a tenth": Population(20, held=0.1, sizes=0.6),
    "20 classes in a tenth, sizes 1.0": Population(20, held=0.1, sizes=1.0),
    "20 classes, Zipf": Population(20, falls=1.0),
    "20 classes, Zipf, sizes 1.0": Population(20, falls=1.0, sizes=1.0),
}

OTHERS: dict[str, Population] = {
    "27 classes, slowly rarer": Population(27, held=0.7, falls=0.7, sizes=0.2),
    "6 classes, well found": Population(6, held=0.4, sizes=0.7, level=1.5),
    "21 classes, badly found, larger easier": Population(21, falls=0.5, level=-1.5, follows=0.4),
    "3 classes in a third, badly found": Population(3, held=0.3, nothing=0.2, level=-2),
    "2 classes, larger harder": Population(2, sizes=0.7, follows=-0.7, level=1),
    "4 classes, sizes 0.9": Population(4, held=0.6, sizes=0.9, follows=0.3),
}
"""On which nothing was chosen."""
