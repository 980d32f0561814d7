"""How often intervals hold the truth, and how often equal models are called different.

Scores of clips are drawn from distributions like those that protocols give (symmetric, skewed,
two-peaked, with many zeros, near a bound), and so are pixel counts of clips (rare classes, clips
of unequal size). Printed beside the suite's own method are those that it was chosen over.

python scripts/check_statistics.py --trials 20000
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray
from simulated_counts import OTHERS, POPULATIONS, Population

from tvseg_bench.benchmark.metrics.iou import mean_over_classes
from tvseg_bench.benchmark.statistics.clip_tables import ClipTable, CountTable, MeanTable
from tvseg_bench.benchmark.statistics.comparison import compare_pairs, significantly_different
from tvseg_bench.benchmark.statistics.intervals import (
    LEVEL,
    interval_ends,
    interval_of,
    t_quantile,
)
from tvseg_bench.benchmark.statistics.jackknife import deviations, standard_error

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, int]], Floats]
Ends = tuple[Floats, Floats]
CHUNK = 2000
TAIL = (1 - LEVEL) / 2


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


SCORES: dict[str, Draw] = {
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


def multiplicities(n: int, resamples: int) -> Floats:
    """Return how often each of n clips is drawn in each resample, [resamples, n]."""
    drawn = np.random.default_rng(0).integers(0, n, (resamples, n))
    return np.stack([np.bincount(d, minlength=n) for d in drawn]).astype(np.float64)


def of_means(draw: Draw, n: int, trials: int, resamples: int) -> dict[str, float]:
    """Return the share of intervals that hold the true mean of clips, by method."""
    rng = np.random.default_rng(1)
    truth = float(draw(np.random.default_rng(2), (2_000_000, 1)).mean())
    weights = multiplicities(n, resamples)
    hits: dict[str, list[Any]] = {}
    for _ in range(max(trials // CHUNK, 1)):
        values = draw(rng, (n, CHUNK))
        for name, (lo, hi) in for_means(values, weights @ values / n):
            hits.setdefault(name, []).append((lo <= truth) & (truth <= hi))
    return {name: float(np.concatenate(found).mean()) for name, found in hits.items()}


def for_means(values: Floats, drawn: Floats) -> Iterator[tuple[str, Ends]]:
    """Yield each method and its ends, of scores [n, trials] and resampled means [R, trials]."""
    n = len(values)
    mean, error = values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(n)
    yield "ours", interval_ends(mean, error, n - 1)
    t = t_quantile(1 - TAIL, n - 1)
    wide = NormalDist().cdf(-float(t) * np.sqrt(n / (n - 1)))
    for name, p in (("percentile", TAIL), ("expanded", wide)):
        lo, hi = np.quantile(drawn, [p, 1 - p], axis=0)
        yield name, (lo, hi)
    yield "t", (mean - t * error, mean + t * error)


def of_counts(clips: Population, n: int, trials: int, resamples: int) -> dict[str, float]:
    """Return the share of intervals that hold the true IoU of summed counts, by method."""
    rng = np.random.default_rng(1)
    truth = clips.draw(np.random.default_rng(2), 400_000).value()
    weights = multiplicities(n, resamples)
    hits: dict[str, int] = {}
    for _ in range(trials):
        for name, (lo, hi) in for_counts(clips.draw(rng, n), weights):
            hits[name] = hits.get(name, 0) + bool(lo <= truth <= hi)
    return {name: found / trials for name, found in hits.items()}


def for_counts(rows: CountTable, weights: Floats) -> Iterator[tuple[str, Ends]]:
    """Yield each method and its ends, given the draws [R, n]."""
    n, value = len(rows.clips), rows.value()
    found = interval_of(value, [rows])
    yield "ours", (np.float64(found.lo or 0), np.float64(1 if found.hi is None else found.hi))
    yield "jackknife, n - 1", interval_ends(value, standard_error(deviations([rows])), n - 1)
    drawn = mean_over_classes(weights @ rows.counts)
    error = drawn.std() * np.sqrt(n / (n - 1))
    yield "bootstrap error", interval_ends(value, error, n - 1)
    lo, hi = np.quantile(drawn, [TAIL, 1 - TAIL])
    yield "percentile", (lo, hi)


def false_alarms(
    draw: Callable[[np.random.Generator], list[ClipTable]], trials: int
) -> tuple[float, float]:
    """Return how often any two of equal models are called different: by Holm, and uncorrected."""
    rng = np.random.default_rng(3)
    holm = alone = 0
    for _ in range(trials):
        rows = draw(rng)
        pairs = compare_pairs(np.array([r.value() for r in rows]), [[r] for r in rows])
        holm += bool(significantly_different(pairs.p).any())
        alone += bool((pairs.p <= 1 - LEVEL).any())
    return holm / trials, alone / trials


def equal_means(models: int, n: int) -> Callable[[np.random.Generator], list[ClipTable]]:
    """Return what draws the clips' scores of equal models, hard clips hard for all."""

    def draw(rng: np.random.Generator) -> list[ClipTable]:
        scores = 1 / (1 + np.exp(-(rng.normal(0, 1, n) + rng.normal(0, 0.4, (models, n)))))
        return [MeanTable(tuple(map(str, range(n))), own) for own in scores]

    return draw


def equal_counts(
    clips: Population, models: int, n: int
) -> Callable[[np.random.Generator], list[ClipTable]]:
    """Return what draws the counts of equal models on the same clips."""
    return lambda rng: [*clips.models(rng, n, models)]


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=20_000)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--clips", type=int, nargs="+", default=[5, 10, 20, 30, 50, 100])
    parser.add_argument("--only", choices=["means", "counts", "alarms"])
    wanted = parser.parse_args()
    print(f"coverage of nominal {100 * LEVEL:.0f} % intervals, {wanted.trials} trials each")
    if wanted.only in (None, "means"):
        for n in wanted.clips:
            print_table(
                f"means of {n} clips",
                ((k, of_means(d, n, wanted.trials, wanted.resamples)) for k, d in SCORES.items()),
            )
    if wanted.only in (None, "counts"):
        for what, populations in (("counts of", POPULATIONS), ("other counts of", OTHERS)):
            for n in wanted.clips:
                print_table(
                    f"{what} {n} clips",
                    (
                        (k, of_counts(p, n, wanted.trials // 5, wanted.resamples))
                        for k, p in populations.items()
                    ),
                )
    if wanted.only in (None, "alarms"):
        alarms(wanted.trials)


def print_table(what: str, rows: Iterator[tuple[str, dict[str, float]]]) -> None:
    """Print the rows of a simulation as they come, and the range of each method."""
    seen: dict[str, list[float]] = {}
    for name, found in rows:
        line = "  ".join(f"{k} {100 * v:.1f}" for k, v in found.items())
        print(f"{what}  {name:35}  {line}", flush=True)
        for k, v in found.items():
            seen.setdefault(k, []).append(v)
    for k, shares in seen.items():
        print(f"{what}: {k} covers {100 * min(shares):.1f} to {100 * max(shares):.1f} %")


def alarms(trials: int) -> None:
    """Print how often equal models are called different."""
    for models in (2, 5, 10):
        for n in (20, 30):
            kinds = {"means": (equal_means(models, n), trials // 2)}
            for name in ("11 classes in half of the clips", "20 classes, Zipf, sizes 1.0"):
                kinds[name] = equal_counts(POPULATIONS[name], models, n), trials // 10
            for name, (draw, repeats) in kinds.items():
                by_holm, alone = false_alarms(draw, repeats)
                print(
                    f"{models:2} equal models, {n} clips, {name}: any pair called different "
                    f"in {100 * by_holm:.1f} % by Holm, {100 * alone:.1f} % without "
                    f"({repeats} trials)"
                )


if __name__ == "__main__":
    main()
