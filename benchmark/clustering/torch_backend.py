"""k-means in batched torch, on any device: all starts of a fit in one launch.

Scores are upsampled densely, K maps at a time within a memory budget; sums are matrix products
and in float64 between frames, so a device gives the same result every time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.clustering.interface import FitSettings, Floating, KMeansResult
from tvseg_bench.benchmark.clustering.patch_sample import PatchSample
from tvseg_bench.benchmark.clustering.upsampling import grid

if TYPE_CHECKING:
    import torch

Floats = NDArray[np.float64]
_BUDGET = 1 << 28
"""Scores held at once, in bytes."""


class DeviceFrames:
    """Features [Q, F, h, w, D] of the same frames for Q starts, on one device, near zero mean."""

    def __init__(self, features: torch.Tensor, size: tuple[int, int]) -> None:
        import torch

        self.features = features.contiguous()
        shape = grid((features.shape[2], features.shape[3]), size)
        self.size = size
        self.uy = torch.from_numpy(shape.y.matrix).to(features)
        self.ux = torch.from_numpy(shape.x.matrix).to(features)

    def _scores(self, centers: torch.Tensor) -> Iterator[tuple[slice, torch.Tensor]]:
        """Yield slices of the frames and their upsampled scores [Q, f, K, H, W]."""
        starts, frames, h, w, depth = self.features.shape
        k = centers.shape[1]
        bias = -0.5 * (centers * centers).sum(2)
        columns = centers.to(self.features.dtype).mT
        each = 2 * starts * k * self.size[0] * self.size[1] * self.features.element_size()
        stride = max(1, _BUDGET // each)
        for start in range(0, frames, stride):
            span = slice(start, start + stride)
            flat = self.features[:, span].reshape(starts, -1, depth)
            low = flat @ columns + bias[:, None].to(flat.dtype)
            maps = low.view(starts, -1, h, w, k).permute(0, 1, 4, 2, 3)
            yield span, self.uy @ maps @ self.ux.mT

    def cluster_sums(self, centers: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return `lloyd.ClusterSums` of Q starts: best [Q], sums [Q, K, D], counts [Q, K]."""
        import torch

        starts, k, depth = centers.shape
        best = centers.new_zeros(starts)
        sums, counts = torch.zeros_like(centers), centers.new_zeros(starts, k)
        for span, scores in self._scores(centers):
            value, label = scores.max(2)
            best += value.sum((1, 2, 3), dtype=torch.float64)
            mask = torch.zeros_like(scores).scatter_(2, label[:, :, None], 1.0)
            counts += mask.sum((1, 3, 4), dtype=torch.float64)
            weights = self.uy.mT @ mask @ self.ux
            flat = self.features[:, span].reshape(starts, -1, depth)
            by_cluster = weights.permute(0, 2, 1, 3, 4).reshape(starts, k, -1)
            sums += (by_cluster @ flat).double()
        return best, sums, counts

    def labels(self, centers: torch.Tensor) -> NDArray[np.int32]:
        """Return the best of centers [Q, K, D] for every pixel, [Q, F, H, W]."""
        out = np.empty((*self.features.shape[:2], *self.size), np.int32)
        for span, scores in self._scores(centers):
            out[:, span] = scores.max(2).indices.cpu().numpy()
        return out


def lloyd_many(
    batch: DeviceFrames, starts: list[Floats], squared_norm: float, max_iter: int, tol: float
) -> list[KMeansResult]:
    """Run `lloyd.lloyd` from all starts in lockstep."""
    import torch

    device = batch.features.device
    centers = torch.from_numpy(np.stack(starts)).to(device)
    norms = centers.new_full((len(starts),), squared_norm)
    inertia = torch.full_like(norms, torch.inf)
    n_iter = torch.zeros_like(norms, dtype=torch.int64)
    moving = torch.ones_like(norms, dtype=torch.bool)
    counts = centers.new_zeros(centers.shape[:2])
    for turn in range(max_iter + 1):
        best, sums, now = batch.cluster_sums(centers)
        value = (norms - 2.0 * best).clamp(min=0.0)
        counts = torch.where(moving[:, None], now, counts)
        settled = inertia - value <= tol * inertia if turn else ~moving
        inertia = torch.where(moving, value, inertia)
        moving = moving & ~settled
        if turn == max_iter or not bool(moving.any()):
            break
        means = sums / now.clamp(min=1.0)[..., None]
        update = moving[:, None, None] & (now > 0)[..., None]
        centers = torch.where(update, means, centers)
        n_iter += moving
    return [
        KMeansResult(
            centers[q].cpu().numpy(),
            float(inertia[q]),
            int(n_iter[q]),
            not bool(moving[q]),
            int((counts[q] == 0).sum()),
        )
        for q in range(len(starts))
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


def fit(
    frames: Floating,
    size: tuple[int, int],
    sample: PatchSample,
    starts: list[Floats],
    settings: FitSettings,
    device: str,
) -> KMeansResult:
    """Return the best of the starts refined on all pixels of frames [F, h, w, D]."""
    import torch

    moved = np.stack([frames - sample.shift.astype(frames.dtype)] * len(starts))
    with full_precision():
        batch = DeviceFrames(torch.from_numpy(moved).to(device), size)
        fits = lloyd_many(batch, starts, sample.squared_norm, settings.max_iter, settings.tol)
    best = min(fits, key=lambda fit: fit.inertia)
    return replace(best, centers=best.centers + sample.shift)


def label(
    frames: Floating, centers: Floating, size: tuple[int, int], device: str
) -> NDArray[np.int32]:
    """Return the nearest of centers [K, D] for every pixel of frames, [F, H, W]."""
    import torch

    shift = centers.mean(0, dtype=np.float64)
    moved = torch.from_numpy(frames - shift.astype(frames.dtype)).to(device)
    with full_precision():
        wanted = torch.from_numpy(centers - shift).to(device, torch.float64)
        labels: NDArray[np.int32] = DeviceFrames(moved[None], size).labels(wanted[None])[0]
    return labels
