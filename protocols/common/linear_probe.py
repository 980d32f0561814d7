"""Linear probes: a matrix and a bias on frozen features, and the convex fit of one.

The fit is multinomial logistic regression with soft labels and a quadratic penalty, solved to
the optimum: no learning rate, no epochs, no order of samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tvseg_bench.benchmark.clustering.pca import Projection
from tvseg_bench.benchmark.errors import UsageError

Floats = NDArray[np.float64]
_ROWS = 8_192
"""Rows that are brought to float64 at a time."""
_HELD = 2**26
"""Numbers that are held as float64 all along: 512 MB. Where there are more, every pass converts
them again, which is a third of its time."""


@dataclass(frozen=True, eq=False)
class Probe:
    """Scores of labels: (x - mean) @ weights + bias.

    Example:
        >>> probe = Probe(np.array([3, 8]), np.zeros(2), np.eye(2), np.array([0.0, 1.0]))
        >>> probe(np.array([[0.5, 0.25]])).tolist()
        [[0.5, 1.25]]
    """

    labels: NDArray[np.int64]
    """[C] the label of each score."""
    mean: Floats
    """[D]"""
    weights: Floats
    """[D, C]"""
    bias: Floats
    """[C]"""

    def __call__(self, tokens: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Map tokens [..., D] to scores [..., C]."""
        depth, classes = self.weights.shape
        if tokens.shape[-1] != depth:
            raise UsageError(
                f"the probe was fitted on {depth} dimensions and is given {tokens.shape[-1]}; "
                "train it on features of this model"
            )
        rows = tokens.reshape(-1, depth).astype(np.float32) - self.mean.astype(np.float32)
        scores = rows @ self.weights.astype(np.float32) + self.bias.astype(np.float32)
        return scores.reshape(*tokens.shape[:-1], classes)


@dataclass(frozen=True, eq=False)
class ProbeFit:
    """An optimum of `fit_logistic` and how it was reached."""

    weights: Floats
    """[d, C]"""
    bias: Floats
    """[C]"""
    loss: float
    """Mean cross-entropy in nats, without the penalty."""
    iterations: int
    converged: bool


def fit_logistic(
    x: NDArray[np.float32],
    targets: NDArray[np.float32],
    mass: NDArray[np.float32],
    penalty: Floats,
    *,
    max_iter: int = 500,
    tol: float = 1e-7,
    device: torch.device | None = None,
) -> ProbeFit:
    """Minimise the mean cross-entropy plus half the penalised squares of the weights.

        sum_i m_i CE(softmax(x_i W + b), y_i) / sum_i m_i + sum_jc p_j W_jc^2 / 2

    by L-BFGS from zero, so that equal input gives equal output. The bias is not penalised.

    Args:
        x: [N, d].
        targets: [N, C] shares of each class, rows that sum to 1.
        mass: [N] weight of each row.
        penalty: [d] weight of each dimension's squares, > 0.
        tol: largest partial derivative at which the search ends.
        device: where the products are computed; None = the CPU.

    Raises:
        UsageError: no mass at all.

    Example:
        >>> x = np.array([[-1.0], [1.0]], np.float32)
        >>> fit = fit_logistic(x, np.eye(2, dtype="f4"), np.ones(2, "f4"), np.array([0.1]))
        >>> bool(fit.weights[0, 0] < 0 < fit.weights[0, 1]), fit.converged
        (True, True)
    """
    from scipy.optimize import minimize

    if not mass.sum() > 0:
        raise UsageError("a probe cannot be fitted on nothing; give one labelled patch at least")
    depth, classes = x.shape[1], targets.shape[1]
    objective = _Objective(x, targets, mass, penalty, device or torch.device("cpu"))
    found = minimize(
        objective,
        np.zeros((depth + 1) * classes),
        jac=True,
        method="L-BFGS-B",
        options={
            "maxiter": max_iter,
            "maxfun": 4 * max_iter,
            "gtol": tol,
            "ftol": 0.0,
            "maxcor": 20,
        },
    )
    solution = found.x.reshape(depth + 1, classes)
    steepest = float(np.abs(found.jac).max())
    loss = float(found.fun) - objective.penalty_of(solution[:depth])
    return ProbeFit(solution[:depth], solution[depth], loss, int(found.nit), steepest <= 10 * tol)


class _Objective:
    """Value and gradient in float64, block by block."""

    def __init__(
        self,
        x: NDArray[np.float32],
        targets: NDArray[np.float32],
        mass: NDArray[np.float32],
        penalty: Floats,
        device: torch.device,
    ) -> None:
        share = mass / mass.sum(dtype=np.float64)
        kind = torch.float64 if x.size <= _HELD else torch.float32
        self._rows = [torch.from_numpy(a).to(device, kind) for a in (x, targets)]
        self._rows.append(torch.from_numpy(share).to(device))
        self._device = device
        self._penalty = penalty[:, None]

    def penalty_of(self, weights: Floats) -> float:
        return float((self._penalty * weights**2).sum() / 2)

    def __call__(self, flat: Floats) -> tuple[float, Floats]:
        solution = flat.reshape(len(self._penalty) + 1, -1)
        weights, bias = (
            torch.from_numpy(s).to(self._device) for s in (solution[:-1], solution[-1])
        )
        slope, offset = torch.zeros_like(weights), torch.zeros_like(bias)
        loss = torch.zeros((), dtype=torch.float64, device=self._device)
        for start in range(0, len(self._rows[0]), _ROWS):
            x, y, m = (a[start : start + _ROWS].double() for a in self._rows)
            scores = torch.addmm(bias, x, weights).log_softmax(1)
            y = y * m[:, None]
            loss -= torch.vdot(scores.flatten(), y.flatten())
            error = scores.exp_().mul_(m[:, None]).sub_(y)
            slope.addmm_(x.T, error)
            offset += error.sum(0)
        gradient = torch.cat([slope, offset[None]]).cpu().numpy()
        gradient[:-1] += self._penalty * solution[:-1]
        return float(loss) + self.penalty_of(solution[:-1]), gradient.ravel()


def conditioned(projection: Projection, decay: float) -> tuple[Floats, Floats]:
    """Return scales and penalties [d] that make the fit round without moving its optimum.

    On standardised features of covariance U diag(s) U^T, the curvature of the cross-entropy is at
    most s / 2 (Böhning, 1992) along each component: dividing component i by the root of
    s_i / 2 + decay makes all directions alike, and the penalty decay |W|^2 / 2 becomes diagonal.

    Args:
        projection: onto components of variance s; it is not whitened.
        decay: penalty of the weights on the standardised features.
    """
    scale = 1 / np.sqrt(projection.variances / 2 + decay)
    return scale, decay * scale**2


def folded(
    labels: NDArray[np.int64], fit: ProbeFit, projection: Projection, scale: Floats
) -> Probe:
    """Return the fit as a probe of raw features, standardisation and rotation folded in."""
    loadings = (projection.components * scale[:, None] / projection.scale).T
    return Probe(labels, projection.mean, loadings @ fit.weights, fit.bias)
