"""TimeT's training step computed as it was published, for comparison: see bench_training.py.

The order of the work is that of the release (SMSD75/Timetuning time_tuning.py): the backbone runs
over all frames twice, once for the head and once for the Feature Forwarder; all frames pass
through the tuned blocks and the head with gradient; Sinkhorn divides the full plan; the clips are
forwarded one after the other, and so are their frames, each compared with every patch of its
context. The window is made once and without loops, and the anomaly detection of the release is
off, so nothing is slow here that the release would not need. It passes conformance/timet_loss.
"""

from __future__ import annotations

from collections import deque

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

N_CONTEXT, RADIUS, TOPK = 7, 6, 5
EPSILON, ITERATIONS, TEMPERATURE = 0.05, 10, 0.1


def step_loss(
    images: Tensor, backbone: nn.Module, head: nn.Module, prototypes: Tensor, near: Tensor
) -> Tensor:
    """Return the loss of clips [B, T, 3, H, W]; the backbone maps images to [N, h, w, D]."""
    b, t = images.shape[:2]
    frames = images.flatten(0, 1)
    projected = head(backbone(frames).flatten(1, 2))
    with torch.no_grad():
        features = backbone(frames).flatten(1, 2)
    return loss(projected, features, prototypes, near, (b, t))


def loss(
    projected: Tensor, features: Tensor, prototypes: Tensor, near: Tensor, clips: tuple[int, int]
) -> Tensor:
    """Return the loss of a step.

    Args:
        projected: [B · T, N, d] what the head made of all frames.
        features: [B · T, N, D] what the backbone made of them.
        prototypes: [K, d] of length 1.
        near: [N, N] from `window`.
        clips: (B, T).
    """
    b, t = clips
    n, k = projected.shape[1], len(prototypes)
    scores = (normalize(projected, dim=-1) @ prototypes.T).view(b, t, n, k)
    with torch.no_grad():
        assigned = sinkhorn(scores[:, 0].reshape(-1, k)).view(b, n, k)
    total = scores.new_zeros(())
    for i, clip in enumerate(features.view(b, t, n, -1)):
        target = forward_labels(clip, assigned[i].double().T, near).argmax(0)
        total = total + cross_entropy(scores[i, -1] / TEMPERATURE, target)
    return total / b


def sinkhorn(scores: Tensor) -> Tensor:
    """Return the assignments [N, K] of scores [N, K]."""
    plan = torch.exp(scores / EPSILON).T
    plan = plan / plan.sum()
    k, n = plan.shape
    for _ in range(ITERATIONS):
        plan = plan / plan.sum(1, keepdim=True) / k
        plan = plan / plan.sum(0, keepdim=True) / n
    return (plan / plan.sum(0, keepdim=True)).T


@torch.no_grad()
def forward_labels(features: Tensor, labels: Tensor, near: Tensor) -> Tensor:
    """Return the labels [K, N] of the last frame of a clip [T, N, D] whose first has [K, N]."""
    context = deque[tuple[Tensor, Tensor]](maxlen=N_CONTEXT)
    first = (features[0], labels)
    for frame in features[1:]:
        labels = frame_labels(frame, [first, *context], near)
        context.append((frame, labels))
    return labels


def frame_labels(target: Tensor, context: list[tuple[Tensor, Tensor]], near: Tensor) -> Tensor:
    """Return the labels [K, N] of a frame [N, D], comparing all patches with all."""
    sources = torch.stack([normalize(features, dim=1).T for features, _ in context])
    targets = normalize(target, dim=1).expand(len(context), -1, -1)
    affinity = torch.exp(torch.bmm(targets, sources) / TEMPERATURE)
    affinity *= near
    affinity = affinity.transpose(2, 1).reshape(-1, len(target))
    least = affinity.topk(TOPK, dim=0).values.min(dim=0).values
    affinity[affinity < least] = 0
    affinity = affinity / affinity.sum(dim=0, keepdim=True)
    labels = torch.cat([labels for _, labels in context], dim=1)
    return labels @ affinity.to(labels.dtype)


def window(h: int, w: int, device: torch.device, radius: int = RADIUS) -> Tensor:
    """Return [N, N] 1 where two patches are at most a radius apart in rows and columns."""
    rows, columns = torch.arange(h, device=device), torch.arange(w, device=device)
    near_row = (rows[:, None] - rows).abs() <= radius
    near_column = (columns[:, None] - columns).abs() <= radius
    return (near_row[:, None, :, None] & near_column[None, :, None, :]).reshape(h * w, -1).float()
