"""The published recipes of linear probes: batches of frames, pixels at mask resolution.

A 1x1 convolution and bilinear upsampling commute, so logits are computed on the patch grid and
upsampled: the same loss and gradient as on upsampled features, at D / C of the cost.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tvseg_bench.benchmark.clustering.upsampling import Axis
from tvseg_bench.benchmark.errors import ModelError
from tvseg_bench.protocols.common.linear_probe import Probe
from tvseg_bench.protocols.common.patch_labels import label_positions
from tvseg_bench.protocols.linear import LinearConfig
from tvseg_bench.protocols.linear.frame_store import FrameStore

Batch = Sequence[tuple[NDArray[Any], NDArray[Any]]]

_LOGITS = 1 << 24
"""Logits of pixels that are held at once: 64 MB, three times over."""
_WARMUP_START = 1e-6
_DROP = 0.1
_BATCHNORM_EPS = 1e-5


class ProbeHead(nn.Module):
    """Dropout, batch normalisation and a 1x1 convolution, each where the recipe has it."""

    def __init__(
        self, depth: int, classes: int, config: LinearConfig, draw: torch.Generator
    ) -> None:
        super().__init__()
        self.dropout = config.dropout
        self.norm = (
            nn.BatchNorm1d(depth, eps=_BATCHNORM_EPS) if config.scaling == "batchnorm" else None
        )
        bound = 1 / math.sqrt(depth)
        weight, bias = torch.empty(depth, classes), torch.zeros(classes)
        if config.init == "uniform":
            weight.uniform_(-bound, bound, generator=draw)
            bias.uniform_(-bound, bound, generator=draw)
        else:
            weight.normal_(0, 0.01, generator=draw)
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)

    def forward(self, tokens: Sequence[torch.Tensor], draw: torch.Generator) -> torch.Tensor:
        """Map the tokens [P, D] of the frames of a batch to logits [sum of P, C]."""
        if self.dropout:
            tokens = [self._dropped(frame, draw) for frame in tokens]
        rows = torch.cat(list(tokens))
        if self.norm is not None:
            rows = self.norm(rows)
        return torch.addmm(self.bias, rows, self.weight)

    def _dropped(self, frame: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
        kept = torch.rand(frame.shape[1], generator=draw) >= self.dropout
        return frame * (kept / (1 - self.dropout)).to(frame)

    def probe(self, labels: NDArray[np.int64]) -> Probe:
        """Return the head as it predicts: no dropout, the running statistics folded in."""
        weight, bias = _plain(self.weight), _plain(self.bias)
        mean = np.zeros(len(weight))
        if self.norm is not None:
            assert self.norm.running_mean is not None
            assert self.norm.running_var is not None
            mean = _plain(self.norm.running_mean)
            bias = bias + _plain(self.norm.bias) @ weight
            scale = _plain(self.norm.weight) / np.sqrt(
                _plain(self.norm.running_var) + _BATCHNORM_EPS
            )
            weight = scale[:, None] * weight
        return Probe(labels, mean, weight, bias)


def train_probe(
    frames: FrameStore,
    labels: NDArray[np.int64],
    config: LinearConfig,
    seed: int,
    device: torch.device,
) -> tuple[Probe, list[float]]:
    """Train by the recipe; return the probe and the mean loss of each tenth of the training.

    Args:
        frames: tokens and masks; labels that are not in `labels` are void.
        labels: [C] ascending.

    Raises:
        ModelError: the loss is no longer finite.
    """
    draw = torch.Generator().manual_seed(seed)
    head = ProbeHead(frames[0][0].shape[-1], len(labels), config, draw).to(device).train()
    optimizer = _optimizer(head, config)
    per_epoch = math.ceil(len(frames) / config.batch_frames)
    steps = config.length * (per_epoch if config.length_unit == "epochs" else 1)
    losses = []
    for step, chosen in zip(range(steps), _batches(len(frames), config, draw), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = config.lr * rate(step, steps, per_epoch, config)
        optimizer.zero_grad()
        loss = descend(head, [frames[i] for i in chosen], labels, draw, device)
        optimizer.step()
        losses.append(loss)
        if step % 100 == 99 or step == steps - 1:
            _refuse_divergence(loss, step, config)
    return head.probe(labels), _tenths(torch.stack(losses))


def descend(
    head: ProbeHead,
    batch: Batch,
    labels: NDArray[np.int64],
    draw: torch.Generator,
    device: torch.device,
) -> torch.Tensor:
    """Add to the head's gradients; return the mean loss over the labelled pixels of a batch.

    The pixels of a few frames of one shape are held at a time.
    """
    tokens = [torch.from_numpy(t.astype(np.float32)).flatten(0, 1).to(device) for t, _ in batch]
    scores = head(tokens, draw)
    slopes, total, count, start = [], torch.zeros((), dtype=torch.float64, device=device), 0, 0
    for part in _alike(batch, len(labels)):
        target = torch.from_numpy(label_positions(np.stack([m for _, m in part]), labels))
        rows, cols = part[0][0].shape[:2]
        stop = start + len(part) * rows * cols
        grids = scores.detach()[start:stop].view(len(part), rows, cols, -1)
        loss, slope = pixel_loss(grids, target.to(device))
        total += loss
        slopes.append(slope.reshape(stop - start, -1))
        count += int((target < len(labels)).sum())
        start = stop
    scores.backward(torch.cat(slopes) / max(1, count))
    return total / max(1, count)


def _alike(batch: Batch, classes: int) -> Iterator[Batch]:
    """Divide a batch into neighbours of one shape, few enough to hold their pixels' logits."""
    for _, group in groupby(batch, lambda frame: (frame[0].shape, frame[1].shape)):
        frames = list(group)
        step = max(1, _LOGITS // (frames[0][1].size * classes))
        for start in range(0, len(frames), step):
            yield frames[start : start + step]


def pixel_loss(scores: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the cross-entropy of upsampled scores, summed over pixels, and its gradient.

    Upsampling is y S x^T on each class, with the matrices of bilinear interpolation of half-pixel
    centres, so the gradient is y^T G x: deterministic on every device.

    Args:
        scores: [B, h, w, C].
        target: [B, H, W] classes; C where the pixel does not count.

    Returns:
        Loss [] and gradient [B, h, w, C].

    Example:
        >>> loss, slope = pixel_loss(torch.zeros(1, 1, 1, 2), torch.tensor([[[0, 2]]]))
        >>> round(float(loss), 4), slope.tolist()
        (0.6931, [[[[-0.5, 0.5]]]])
    """
    _, h, w, classes = scores.shape
    _, height, width = target.shape
    y, x = _matrix(h, height, scores.device), _matrix(w, width, scores.device)
    log_shares = (y @ scores.permute(0, 3, 1, 2) @ x.T).log_softmax(1)
    known = (target < classes)[:, None]
    at = target.clamp(max=classes - 1)[:, None]
    loss = -(log_shares.gather(1, at) * known).sum(dtype=torch.float64)
    error = log_shares.exp_()
    error.scatter_add_(1, at, torch.full(at.shape, -1.0, device=at.device))
    error *= known
    return loss, (y.T @ error @ x).permute(0, 2, 3, 1)


def rate(step: int, steps: int, per_epoch: int, config: LinearConfig) -> float:
    """Return the share of the learning rate at a step, counted from 0."""
    if config.schedule == "step":
        return float(_DROP ** (step // per_epoch // config.drop_epochs))
    warmup = min(config.warmup_steps, steps)
    if step < warmup:
        return _WARMUP_START + (1 - _WARMUP_START) * step / warmup
    return (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup))) / 2


def _optimizer(head: ProbeHead, config: LinearConfig) -> torch.optim.Optimizer:
    if config.optimizer == "sgd":
        return torch.optim.SGD(
            head.parameters(), config.lr, config.momentum, weight_decay=config.weight_decay
        )
    return torch.optim.AdamW(head.parameters(), config.lr, weight_decay=config.weight_decay)


def _batches(n: int, config: LinearConfig, draw: torch.Generator) -> Iterator[list[int]]:
    """Yield batches of frames, epoch after epoch, without end."""
    while True:
        shuffled = config.order == "shuffled"
        order = torch.randperm(n, generator=draw) if shuffled else torch.arange(n)
        frames: list[int] = order.tolist()
        for start in range(0, n, config.batch_frames):
            yield frames[start : start + config.batch_frames]


def _refuse_divergence(loss: torch.Tensor, step: int, config: LinearConfig) -> None:
    if not torch.isfinite(loss):
        raise ModelError(
            f"the probe diverged: its loss is {float(loss)} after {step + 1} steps at "
            f"lr={config.lr:g}; type a smaller one: protocol.linear.lr={config.lr / 10:g}"
        )


def _tenths(losses: torch.Tensor) -> list[float]:
    parts = losses.tensor_split(min(10, len(losses)))
    return [round(float(part.mean()), 6) for part in parts]


@lru_cache(maxsize=64)
def _matrix(n: int, size: int, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(Axis(n, size).matrix.astype(np.float32)).to(device)


def _plain(tensor: torch.Tensor) -> NDArray[np.float64]:
    return tensor.detach().double().cpu().numpy()
