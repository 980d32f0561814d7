"""Standardisation and PCA from streamed moments: exact, in float64, for any scope.

One pass collects count, mean and co-moments (Chan, Golub & LeVeque 1979); everything else
follows from them, so the fit of a data set costs the memory of one D x D matrix. BLAS stays on one
thread: no number depends on how many there are, and they spin beside a model that needs them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.clustering.threads import single_blas
from tvseg_bench.benchmark.errors import ModelError

Floats = NDArray[np.float64]
_ROWS = 16_384
_CONSTANT = 1e-13
_NULL = 1e-12


@dataclass(frozen=True, eq=False)
class Projection:
    """Standardise each dimension, then rotate onto the leading principal components.

    No whitening: the variances of the output are `variances`.
    """

    mean: Floats
    """[D]"""
    scale: Floats
    """[D] biased standard deviation; 1 where a dimension is constant."""
    components: Floats
    """[d, D] orthonormal rows by decreasing variance; the largest loading is positive."""
    variances: Floats
    """[d]"""

    def __call__(self, x: NDArray[np.floating]) -> NDArray[np.float32]:
        """Project x [..., D] to float32 [..., d]."""
        dims, depth = self.components.shape
        if x.shape[-1] != depth:
            raise ModelError(
                f"the projection was fitted on {depth} dimensions and is given {x.shape[-1]}; "
                "fit it again on features of this model"
            )
        rows = x.reshape(-1, depth)
        loadings = (self.components / self.scale).T
        out = np.empty((len(rows), dims), np.float32)
        with single_blas:
            for start in range(0, len(rows), _ROWS):
                part = rows[start : start + _ROWS].astype(np.float64)
                part -= self.mean
                out[start : start + _ROWS] = part @ loadings
        return out.reshape(*x.shape[:-1], dims)


class Moments:
    """Count, mean and co-moments of rows that come in pieces; weighted where weights are given.

    Example:
        >>> moments = Moments()
        >>> moments.update(np.array([[1.0, 2.0], [3.0, 2.0]]))
        >>> moments.count, moments.mean.tolist(), (moments.comoment / 2).tolist()
        (2, [2.0, 2.0], [[1.0, 0.0], [0.0, 0.0]])
    """

    def __init__(self) -> None:
        self.count: float = 0
        """Rows, or their summed weights."""
        self.mean: Floats = np.zeros(0)
        self.comoment: Floats = np.zeros((0, 0))

    def update(self, x: NDArray[np.floating], weights: Floats | None = None) -> None:
        """Add the rows of x [N, D] (or [..., D]), with weights [N] above 0 or 1 each."""
        rows = x.reshape(-1, x.shape[-1])
        for start in range(0, len(rows), _ROWS):
            part = rows[start : start + _ROWS].astype(np.float64)
            if weights is None:
                count: float = len(part)
                mean = part.mean(0)
            else:
                heavy = weights[start : start + _ROWS]
                count = float(heavy.sum())
                mean = heavy @ part / count
            part -= mean
            weighted = part if weights is None else part * heavy[:, None]
            with single_blas:
                self._add(count, mean, weighted.T @ part)

    def _add(self, count: float, mean: Floats, comoment: Floats) -> None:
        if not self.count:
            self.count, self.mean, self.comoment = count, mean.copy(), comoment.copy()
            return
        if mean.shape != self.mean.shape:
            raise ModelError(
                f"features of {len(self.mean)} dimensions are followed by features of "
                f"{len(mean)}; one projection needs one model"
            )
        total = self.count + count
        delta = mean - self.mean
        self.comoment += comoment
        self.comoment += np.outer(delta, delta * (self.count * count / total))
        self.mean = self.mean + delta * (count / total)
        self.count = total

    def projection(self, dims: int) -> Projection:
        """Return standardisation and PCA to min(dims, D, rank) dimensions (at least one).

        Raises:
            ModelError: no rows were seen, or they hold NaN or infinity.
        """
        if not self.count:
            raise ModelError("a projection cannot be fitted on no features; give one row at least")
        if not np.isfinite(self.comoment).all():
            raise ModelError(
                "the features hold NaN or infinity, so no projection can be fitted; "
                "run the model in float32"
            )
        std = np.sqrt(np.diag(self.comoment) / self.count)
        constant = std <= _CONSTANT * np.abs(self.mean)
        scale = np.where(constant, 1.0, std)
        correlation = self.comoment / self.count / np.outer(scale, scale)
        correlation[constant] = 0.0
        correlation[:, constant] = 0.0
        with single_blas:
            values, vectors = np.linalg.eigh(correlation)
        return _leading(self.mean.copy(), scale, values, vectors, dims)


def _leading(
    mean: Floats, scale: Floats, values: Floats, vectors: Floats, dims: int
) -> Projection:
    """Return the leading components, of eigenvalues in ascending order and vectors [D, n]."""
    rank = int((values > _NULL * max(values[-1], 0.0)).sum())
    keep = max(1, min(dims, rank))
    components = vectors[:, ::-1][:, :keep].T
    largest = np.abs(components).argmax(1)
    components = components * np.sign(components[np.arange(keep), largest])[:, None]
    return Projection(mean, scale, components, values[::-1][:keep].copy())


def fit_projection(x: NDArray[np.floating], dims: int) -> Projection:
    """Fit standardisation and PCA to min(dims, D, rank) dimensions on the rows of x [N, D].

    The procedure of TimeT's `normalize_and_transform` (my_utils.py), without its subsampling.

    Example:
        >>> x = np.array([[0.0, 5.0], [2.0, 5.0], [4.0, 5.0]])
        >>> fit_projection(x, 50)(x).round(1).tolist()
        [[-1.2000000476837158], [0.0], [1.2000000476837158]]
    """
    rows = x.reshape(-1, x.shape[-1])
    if len(rows) < x.shape[-1] and np.isfinite(rows).all():
        return _fit_few(rows.astype(np.float64), dims)
    moments = Moments()
    moments.update(rows)
    return moments.projection(dims)


def _fit_few(rows: Floats, dims: int) -> Projection:
    """Fit on fewer rows than dimensions, through the matrix of their inner products [N, N]."""
    mean = rows.mean(0)
    rows = rows - mean
    std = np.sqrt((rows * rows).mean(0))
    constant = std <= _CONSTANT * np.abs(mean)
    scale = np.where(constant, 1.0, std)
    rows = np.where(constant, 0.0, rows / scale)
    with single_blas:
        values, vectors = np.linalg.eigh(rows @ rows.T / len(rows))
        values, vectors = values[-dims:], vectors[:, -dims:]
        length = np.sqrt(np.maximum(values, np.finfo(float).tiny) * len(rows))
        loadings = rows.T @ (vectors / length)
    return _leading(mean, scale, values, loadings, dims)
