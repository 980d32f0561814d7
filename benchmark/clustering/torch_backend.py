"""k-means in batched torch, on any device: many problems of one shape in one launch.

Scores are upsampled densely, K maps at a time within a memory budget; sums are matrix products
and in float64 between frames, so a device gives the same result every time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.clustering.interface import FitSettings, Floating
from tvseg_bench.benchmark.clustering.lloyd import LloydFit
from tvseg_bench.benchmark.clustering.patch_sample import PatchSample
from tvseg_bench.benchmark.clustering.upsampling import grid

if TYPE_CHECKING:
    import torch

Floats = NDArray[np.float64]
_BUDGET = 1 << 28
"""Scores held at once, in bytes."""
_NEVER = -1e30


@dataclass(frozen=True, eq=False)
class BatchClusterSums:
    """Sums over the pixels of each cluster of Q problems; see `lloyd.ClusterSums`."""

    best: torch.Tensor
    sums: torch.Tensor
    counts: torch.Tensor


class ProblemBatch:
    """Q problems of F frames each, features [Q, F, h, w, D] on one device, near zero mean."""

    def __init__(self, features: torch.Tensor, size: tuple[int, int]) -> None:
        import torch

        self.features = features.contiguous()
        shape = grid((features.shape[2], features.shape[3]), size)
        self.size = size
        self.uy = torch.from_numpy(shape.y.matrix).to(features)
        self.ux = torch.from_numpy(shape.x.matrix).to(features)

    def _scores(self, centers: torch.Tensor) -> Iterator[tuple[slice, torch.Tensor]]:
        """Yield slices of the frames and their upsampled scores [Q, f, K, H, W]."""
        problems, frames, h, w, depth = self.features.shape
        k = centers.shape[1]
        bias = -0.5 * (centers * centers).sum(2)
        bias[bias.isinf()] = _NEVER
        usable = centers.nan_to_num(posinf=0.0).to(self.features.dtype)
        each = 2 * problems * k * self.size[0] * self.size[1] * self.features.element_size()
        stride = max(1, _BUDGET // each)
        for start in range(0, frames, stride):
            span = slice(start, start + stride)
            flat = self.features[:, span].reshape(problems, -1, depth)
            low = flat @ usable.mT + bias[:, None].to(flat.dtype)
            maps = low.view(problems, -1, h, w, k).permute(0, 1, 4, 2, 3)
            yield span, self.uy @ maps @ self.ux.mT

    def cluster_sums(self, centers: torch.Tensor) -> BatchClusterSums:
        """Assign all pixels to the best of centers [Q, K, D] (float64) and add them up.

        A centre at infinity never wins: problems with fewer clusters are padded with them.
        """
        import torch

        problems, k, depth = centers.shape
        best = centers.new_zeros(problems)
        sums, counts = torch.zeros_like(centers), centers.new_zeros(problems, k)
        for span, scores in self._scores(centers):
            value, label = scores.max(2)
            best += value.sum((1, 2, 3), dtype=torch.float64)
            mask = torch.zeros_like(scores).scatter_(2, label[:, :, None], 1.0)
            counts += mask.sum((1, 3, 4), dtype=torch.float64)
            weights = self.uy.mT @ mask @ self.ux
            flat = self.features[:, span].reshape(problems, -1, depth)
            by_cluster = weights.permute(0, 2, 1, 3, 4).reshape(problems, k, -1)
            sums += (by_cluster @ flat).double()
        return BatchClusterSums(best, sums, counts)

    def labels(self, centers: torch.Tensor) -> NDArray[np.int32]:
        """Return the best of centers [Q, K, D] for every pixel, [Q, F, H, W]."""
        out = np.empty((*self.features.shape[:2], *self.size), np.int32)
        for span, scores in self._scores(centers):
            out[:, span] = scores.max(2).indices.cpu().numpy()
        return out


def lloyd_many(
    batch: ProblemBatch, starts: list[Floats], squared_norms: Floats, max_iter: int, tol: float
) -> list[LloydFit]:
    """Run `lloyd.lloyd` on all problems of a batch in lockstep; their K may differ."""
    import torch

    device = batch.features.device
    most = max(map(len, starts))
    padded = np.full((len(starts), most, starts[0].shape[1]), np.inf)
    for row, start in zip(padded, starts, strict=True):
        row[: len(start)] = start
    centers = torch.from_numpy(padded).to(device)
    norms = torch.from_numpy(squared_norms).to(device)
    inertia = torch.full_like(norms, torch.inf)
    n_iter = torch.zeros_like(norms, dtype=torch.int64)
    moving = torch.ones_like(norms, dtype=torch.bool)
    counts = torch.zeros(padded.shape[:2], dtype=torch.float64, device=device)
    for turn in range(max_iter + 1):
        now = batch.cluster_sums(centers)
        value = (norms - 2.0 * now.best).clamp(min=0.0)
        counts = torch.where(moving[:, None], now.counts, counts)
        settled = inertia - value <= tol * inertia if turn else ~moving
        inertia = torch.where(moving, value, inertia)
        moving = moving & ~settled
        if turn == max_iter or not bool(moving.any()):
            break
        means = now.sums / now.counts.clamp(min=1.0)[..., None]
        update = moving[:, None, None] & (now.counts > 0)[..., None]
        centers = torch.where(update, means, centers)
        n_iter += moving
    return [
        LloydFit(
            centers[q, : len(start)].cpu().numpy(),
            float(inertia[q]),
            int(n_iter[q]),
            not bool(moving[q]),
            int((counts[q, : len(start)] == 0).sum()),
        )
        for q, start in enumerate(starts)
    ]


@contextmanager
def full_precision() -> Iterator[None]:
    """Multiply float32 matrices in float32, whatever the process prefers (TF32 loses labels)."""
    import torch

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def fit_many(
    frames: list[Floating],
    size: tuple[int, int],
    samples: list[PatchSample],
    starts: list[list[Floats]],
    settings: FitSettings,
    device: str,
) -> list[LloydFit]:
    """Return for each problem, frames [F, h, w, D], the best of its starts refined on pixels."""
    import torch

    owners = [q for q, several in enumerate(starts) for _ in several]
    moved = np.stack([frames[q] - samples[q].shift.astype(frames[q].dtype) for q in owners])
    norms = np.asarray([samples[q].squared_norm for q in owners])
    with full_precision():
        batch = ProblemBatch(torch.from_numpy(moved).to(device), size)
        flat = [start for several in starts for start in several]
        fits = lloyd_many(batch, flat, norms, settings.max_iter, settings.tol)
    best: dict[int, LloydFit] = {}
    for q, fit in zip(owners, fits, strict=True):
        if q not in best or fit.inertia < best[q].inertia:
            best[q] = fit
    return [replace(best[q], centers=best[q].centers + s.shift) for q, s in enumerate(samples)]


def label(
    frames: Floating, centers: Floating, size: tuple[int, int], device: str
) -> NDArray[np.int32]:
    """Return the nearest of centers [K, D] for every pixel of frames, [F, H, W]."""
    import torch

    shift = centers.mean(0, dtype=np.float64)
    moved = torch.from_numpy(frames - shift.astype(frames.dtype)).to(device)
    with full_precision():
        wanted = torch.from_numpy(centers - shift).to(device, torch.float64)
        labels: NDArray[np.int32] = ProblemBatch(moved[None], size).labels(wanted[None])[0]
    return labels
