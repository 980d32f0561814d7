"""Linear maps from features of a patch to its depth: ridge regression, or scores of bins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.clustering import Moments
from tvseg_bench.benchmark.clustering.threads import single_blas
from tvseg_bench.benchmark.clustering.upsampling import grid
from tvseg_bench.protocols.common.linear_probe import Probe, conditioned, fit_logistic, folded

if TYPE_CHECKING:
    import torch

    from tvseg_bench.protocols.depth import DepthConfig

Floats = NDArray[np.float64]
_CONSTANT = 1e-13


@dataclass
class RidgeSums:
    """Weighted means and co-moments of features and a target, from patches that come in pieces.

    Example:
        >>> sums = RidgeSums()
        >>> x = np.array([[0.0], [1.0], [2.0]])
        >>> sums.add(x, 3 * x[:, 0] + 1, np.ones(3))
        >>> probe = sums.solve(1e-9)
        >>> probe(np.array([[5.0]])).round(3).tolist()
        [[16.0]]
    """

    patches: int = 0
    moments: Moments = field(default_factory=Moments)
    """Of [D + 1] numbers a patch, the target last."""
    residual: float = 0.0
    """Root of the mean squared error of the last solution, over patches by their weight."""

    def add(
        self, x: NDArray[np.floating[Any]], y: NDArray[np.floating[Any]], weight: Floats
    ) -> None:
        """Add patches x [N, D] with targets y [N] and weights [N], above 0."""
        self.moments.update(np.concatenate([x, y[:, None]], axis=1, dtype=np.float64), weight)
        self.patches += len(x)

    def solve(self, l2: float) -> Probe:
        """Return the minimum of half the mean squared error plus l2 / 2 of the squared weights.

        Weights are those of features that are standardised per dimension; the bias goes free.
        """
        means, covariance = self.moments.mean, self.moments.comoment / self.moments.count
        inner, cross = covariance[:-1, :-1], covariance[:-1, -1]
        std = np.sqrt(np.diag(inner))
        scale = np.where(std <= _CONSTANT * np.abs(means[:-1]), np.inf, std)
        correlation = inner / np.outer(scale, scale)
        with single_blas:
            solution = np.linalg.solve(correlation + l2 * np.eye(len(scale)), cross / scale)
        weights = solution / scale
        left = covariance[-1, -1] - 2 * weights @ cross + weights @ inner @ weights
        self.residual = float(np.sqrt(max(0.0, left)))
        return Probe(np.zeros(1, np.int64), means[:-1], weights[:, None], means[-1:])


@dataclass(frozen=True, eq=False)
class DepthHead:
    """A probe that gives depths."""

    probe: Probe
    values: NDArray[np.float32] | None
    """[C] the depths that the scores speak of; None = the score is the depth."""
    upsample: int
    limits: tuple[float, float]
    details: Mapping[str, Any]

    def __call__(
        self, tokens: NDArray[np.floating[Any]], size: tuple[int, int]
    ) -> NDArray[np.float32]:
        """Return the depth [H, W] of a frame from its features [rows, cols, D]."""
        scores = self.probe(tokens)
        if self.values is None:
            depth = scores[..., 0]
        else:
            rows, cols = scores.shape[:2]
            fine = (rows * self.upsample, cols * self.upsample)
            scores = grid((rows, cols), fine).upsample(scores[None])[0]
            scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
            depth = (scores @ self.values) / scores.sum(axis=-1)
        return upsampled(depth, size).clip(*self.limits)


def upsampled(depth: NDArray[np.floating[Any]], size: tuple[int, int]) -> NDArray[np.float32]:
    """Bring a map of depth [h, w] to the size (H, W), bilinearly."""
    rows, cols = depth.shape
    at = grid((rows, cols), size)
    dense: NDArray[np.float32] = (
        at.y.matrix.astype(np.float32)
        @ depth.astype(np.float32)
        @ at.x.matrix.astype(np.float32).T
    )
    return dense


def bin_depths(config: DepthConfig) -> Floats:
    """Return the depths [bins] of a configuration, ascending."""
    spread = np.linspace if config.bin_spacing == "linear" else np.geomspace
    depths: Floats = spread(config.min_depth, config.max_depth, config.bins)
    return depths


def soft_bins(depth: NDArray[np.floating[Any]], values: Floats) -> NDArray[np.float32]:
    """Return shares [N, C] of the two values next to each depth, whose mean is the depth.

    Example:
        >>> soft_bins(np.array([1.25, 3.0]), np.array([1.0, 2.0, 3.0])).tolist()
        [[0.75, 0.25, 0.0], [0.0, 0.0, 1.0]]
    """
    after = np.searchsorted(values, depth, side="right").clip(1, len(values) - 1)
    low, high = values[after - 1], values[after]
    share = ((depth - low) / (high - low)).clip(0, 1)
    shares = np.zeros((len(depth), len(values)), np.float32)
    rows = np.arange(len(depth))
    shares[rows, after - 1], shares[rows, after] = 1 - share, share
    return shares


def fit_bins(
    x: NDArray[np.float32],
    depth: NDArray[np.float32],
    weight: NDArray[np.float32],
    config: DepthConfig,
    device: torch.device,
) -> DepthHead:
    """Fit scores of the depths of a configuration to patches.

    Args:
        x: [N, D], one patch at least.
        depth: [N] within the configuration's range.
        weight: [N], above 0.
    """
    values = bin_depths(config)
    targets = soft_bins(depth, values)
    used = targets.any(axis=0)
    moments = Moments()
    moments.update(x)
    projection = moments.projection(x.shape[1])
    scale, penalty = conditioned(projection, config.l2)
    fit = fit_logistic(
        projection(x) * scale.astype(np.float32),
        targets[:, used],
        weight,
        penalty,
        max_iter=config.max_iter,
        tol=config.tol,
        device=device,
    )
    details = {
        "patches": len(x),
        "bins": int(used.sum()),
        "loss": round(fit.loss, 6),
        "iterations": fit.iterations,
        "converged": fit.converged,
    }
    probe = folded(np.flatnonzero(used), fit, projection, scale)
    return _head(probe, values[used].astype(np.float32), config, details)


def fit_ridge(sums: RidgeSums, config: DepthConfig) -> DepthHead:
    """Fit depths to patches whose sums are given."""
    probe = sums.solve(config.l2)
    return _head(probe, None, config, {"patches": sums.patches, "residual": sums.residual})


def _head(
    probe: Probe,
    values: NDArray[np.float32] | None,
    config: DepthConfig,
    details: Mapping[str, Any],
) -> DepthHead:
    limits = (config.min_depth, config.max_depth)
    return DepthHead(probe, values, config.upsample, limits, details)


def chosen(n: int, quota: int, draw: Sequence[int]) -> NDArray[np.intp]:
    """Return at most `quota` of n patches by chance, ascending; the same for the same draw."""
    if n <= quota:
        return np.arange(n)
    order: NDArray[np.intp] = np.random.default_rng(draw).permutation(n)
    return np.sort(order[:quota])
