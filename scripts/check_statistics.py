"""How often intervals hold the truth, and how often equal models are called different.

Scores of clips are drawn from distributions like those that protocols give: symmetric, skewed,
two-peaked, with many zeros, near a bound. Printed beside the suite's own method are those that it
was chosen over.

python scripts/check_statistics.py --trials 20000
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.resampling import draws
from tvseg_bench.benchmark.statistics import (
    LEVEL,
    interval_ends,
    pair_values,
    t_quantile,
    told_apart,
)

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, int]], Floats]
CHUNK = 2000


def mixture(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Return scores of clips of which 30 % fail."""
    fails = rng.random(shape) < 0.3
    return np.where(fails, rng.beta(2, 12, shape), rng.beta(8, 4, shape))


def zeros(share: float) -> Draw:
    """Return scores of which a share is nothing found at all."""
    return lambda rng, shape: np.where(rng.random(shape) < share, 0.0, rng.beta(4, 4, shape))


def beta(a: float, b: float) -> Draw:
    """Return scores of a beta distribution."""
    return lambda rng, shape: rng.beta(a, b, shape)


def logistic(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Return scores whose logits are normal."""
    return 1 / (1 + np.exp(2 - 1.2 * rng.standard_normal(shape)))


DISTRIBUTIONS: dict[str, Draw] = {
    "symmetric, beta(5, 5)": beta(5, 5),
    "right-skewed, beta(1, 4)": beta(1, 4),
    "near 0, beta(0.7, 6)": beta(0.7, 6),
    "left-skewed, beta(8, 2)": beta(8, 2),
    "near 1, beta(12, 1.2)": beta(12, 1.2),
    "two-peaked, beta(0.5, 0.5)": beta(0.5, 0.5),
    "30 % of clips fail": mixture,
    "60 % zeros": zeros(0.6),
    "logit-normal": logistic,
}


def coverage(draw: Draw, n: int, trials: int, resamples: int) -> dict[str, float]:
    """Return the share of intervals that hold the true mean, by method."""
    rng = np.random.default_rng(1)
    truth = float(draw(np.random.default_rng(2), (2_000_000, 1)).mean())
    weights = np.concatenate(
        [(d[:, :, None] == np.arange(n)).sum(axis=1) for d in draws(n, resamples, 0)]
    ).astype(np.float64)
    hits: dict[str, list[Any]] = {}
    for _ in range(trials // CHUNK):
        values = draw(rng, (n, CHUNK))
        for name, (lo, hi) in methods(values, weights @ values / n):
            hits.setdefault(name, []).append((lo <= truth) & (truth <= hi))
    return {name: float(np.concatenate(found).mean()) for name, found in hits.items()}


def methods(values: Floats, drawn: Floats) -> Iterator[tuple[str, tuple[Floats, Floats]]]:
    """Yield each method and its ends, of scores [n, trials] and resampled means [R, trials]."""
    n = len(values)
    mean, error = values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(n)
    yield "ours (logit t)", interval_ends(mean, error, n)
    tail = (1 - LEVEL) / 2
    t = t_quantile(1 - tail, n - 1)
    wide = NormalDist().cdf(-t * np.sqrt(n / (n - 1)))
    for name, p in (("percentile", tail), ("expanded", wide)):
        lo, hi = np.quantile(drawn, [p, 1 - p], axis=0)
        yield name, (lo, hi)
    yield "t", (mean - t * error, mean + t * error)


def false_alarms(models: int, n: int, trials: int) -> tuple[float, float]:
    """Return how often any two of equal models are called different: by Holm, and uncorrected."""
    rng = np.random.default_rng(3)
    holm = alone = 0
    for _ in range(trials):
        hard = rng.normal(0, 1, n)
        scores = 1 / (1 + np.exp(-(hard + rng.normal(0, 0.4, (models, n)))))
        cov, means = np.atleast_2d(np.cov(scores)) / n, scores.mean(axis=1)
        holm += bool(told_apart(means, cov, n).any())
        alone += bool((pair_values(means, cov, n) <= 1 - LEVEL).any())
    return holm / trials, alone / trials


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=20_000)
    parser.add_argument("--resamples", type=int, default=2000)
    parser.add_argument("--clips", type=int, nargs="+", default=[5, 10, 20, 30, 50])
    wanted = parser.parse_args()
    worst: dict[int, list[float]] = {}
    print(f"coverage of nominal {100 * LEVEL:.0f} % intervals, {wanted.trials} trials each")
    for n in wanted.clips:
        for name, draw in DISTRIBUTIONS.items():
            found = coverage(draw, n, wanted.trials, wanted.resamples)
            worst.setdefault(n, []).append(next(iter(found.values())))
            told = "  ".join(f"{k} {100 * v:.1f}" for k, v in found.items())
            print(f"{n:3} clips  {name:27}  {told}", flush=True)
    for n, shares in worst.items():
        print(f"{n:3} clips: ours covers {100 * min(shares):.1f} to {100 * max(shares):.1f} %")
    for models in (2, 5, 10):
        for n in (20, 30):
            trials = wanted.trials // 2
            by_holm, alone = false_alarms(models, n, trials)
            print(
                f"{models:2} equal models, {n} clips: any pair called different in "
                f"{100 * by_holm:.1f} % by Holm, {100 * alone:.1f} % without ({trials} trials)"
            )


if __name__ == "__main__":
    main()
