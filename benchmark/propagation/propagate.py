"""Label propagation: a patch takes the labels of the patches that look like it in earlier frames.

One function serves the `propagation` protocol and the Feature Forwarder of a trainer. The context
of a frame is the first frame and the few before it. Of the context's patches within a window,
those of greatest cosine similarity give their soft labels, weighted by exp(similarity / τ).

Exact, and bounded in memory for any grid: the frame is cut into tiles, and each is compared with
the part of the context that its window reaches, never frame against frame.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.propagation.window import WINDOWS, Region, Tile, Window, tiles

WORKING_NUMBERS = 2**24
"""Numbers held at once where several clips go together: 64 MB. Clips that need more go alone."""


@dataclass(frozen=True, kw_only=True)
class PropagationRule:
    """Which patches give their labels, and how much each counts.

    exp(similarity / τ) divided by its sum is a softmax over the same patches, so the two ways in
    which this has been published are one. Patches as similar as the last of the `topk` count too,
    as published.
    """

    temperature: float = 0.1
    """τ, above 0."""
    topk: int = 5
    """Sources of a patch, over all frames of the context together; 1 or more."""
    window: Window = "square"
    """Where the sources of a patch lie: |Δrow| and |Δcolumn| at most the radius, √(Δrow² +
    Δcolumn²) at most the radius, or anywhere."""
    radius: int = 12
    """Patches, 0 or more; unused where the window is none."""
    n_context: int = 7
    """Frames before the current one, beside the first frame, which always counts; 0 or more."""

    def __post_init__(self) -> None:
        """Raise UsageError unless the values are within their ranges."""
        if not self.temperature > 0:
            raise UsageError(f"temperature={self.temperature} has to be above 0")
        limits = (("topk", self.topk, 1), ("radius", self.radius, 0))
        for name, value, least in (*limits, ("n_context", self.n_context, 0)):
            if value < least:
                raise UsageError(f"{name}={value} has to be {least} or more")
        if self.window not in WINDOWS:
            raise UsageError(f"unknown window {self.window!r}; known: {', '.join(WINDOWS)}")


def propagate(features: Tensor, labels: Tensor, rule: PropagationRule) -> Tensor:
    """Carry the soft labels of the first frames of some clips through the clips.

    Args:
        features: [B, T, h, w, D], normalised or not, on any device.
        labels: [B, C, h, w] soft labels of frame 0; their type is that of the result.
        rule: which patches give their labels.

    Returns:
        [B, T - 1, C, h, w] soft labels of frames 1..T - 1: means of the given ones, so where
        those sum to 1 over C, these do. No gradient flows.

    Raises:
        UsageError: The shapes do not fit each other.

    Source: facebookresearch/dino eval_video_segmentation.py (label_propagation); the same in
        SMSD75/Timetuning mask_propagation.py and facebookresearch/dinov3
        notebooks/segmentation_tracking.ipynb.

    Example:
        >>> features = torch.eye(4).reshape(1, 1, 2, 2, 4).expand(1, 3, 2, 2, 4)
        >>> labels = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]], [[0.0, 1.0], [1.0, 1.0]]]])
        >>> propagate(features, labels, PropagationRule(topk=1)).argmax(2).tolist()
        [[[[0, 1], [1, 1]], [[0, 1], [1, 1]]]]
    """
    if features.ndim != 5 or not features.shape[1]:
        raise UsageError(f"the features are {list(features.shape)}; expected [B, T, h, w, D]")
    clips = Propagator(features[:, 0], labels, rule)
    out = labels.new_empty(len(labels), features.shape[1] - 1, *labels.shape[1:])
    for t in range(1, features.shape[1]):
        out[:, t - 1] = clips.step(features[:, t])
    return out


class Propagator:
    """`propagate` one frame at a time: of clips of any length, only the context is held."""

    def __init__(self, features: Tensor, labels: Tensor, rule: PropagationRule) -> None:
        """Begin with the first frames' features [B, h, w, D] and soft labels [B, C, h, w].

        Raises:
            UsageError: The shapes do not fit each other.
        """
        self._rule = rule
        self._shape = features.shape
        self._first = _frame(features, labels)
        self._recent: deque[tuple[Tensor, Tensor]] = deque(maxlen=rule.n_context)
        self._tiles = tiles(
            self._shape[1], self._shape[2], rule.window, rule.radius, features.device
        )
        self._memory = _Memory()

    @torch.no_grad()
    def step(self, features: Tensor) -> Tensor:
        """Return the soft labels [B, C, h, w] of the next frames, whose features are [B, h, w, D].

        Raises:
            UsageError: The frames are not of the first ones' shape.
        """
        if features.shape != self._shape:
            raise UsageError(
                f"the features of a frame are {list(features.shape)}, those of the first frame "
                f"{list(self._shape)}; the frames of a clip need one grid"
            )
        directions = _directions(features)
        context = (self._first, *self._recent)
        labels = torch.empty_like(self._first[1])
        for clips in self._groups(len(context)):
            sources = _Sources([(f[clips], y[clips]) for f, y in context], self._memory)
            for tile in self._tiles:
                target = (clips, *tile.slices)
                given = self._labels(directions[target], tile, sources)
                labels[target] = given.view(labels[target].shape)
        self._recent.append((directions, labels))
        return _copied(labels, (0, 3, 1, 2))

    def _groups(self, n_frames: int) -> Iterator[slice]:
        """Yield the clips, as many together as the memory allows."""
        most = max(tile.n_reached * (tile.n + self._shape[-1]) for tile in self._tiles)
        at_once = max(1, WORKING_NUMBERS // (n_frames * most))
        return (slice(i, i + at_once) for i in range(0, self._shape[0], at_once))

    def _labels(self, targets: Tensor, tile: Tile, sources: _Sources) -> Tensor:
        """Return the labels [b, n, C] of the n patches of a tile."""
        directions, labels = sources.within(tile.reached)
        b, n_sources, _ = directions.shape
        similarity = self._memory.take("similarity", (b, tile.n, n_sources), directions)
        torch.bmm(targets.flatten(1, 2), directions.transpose(1, 2), out=similarity)
        if tile.outside is not None:
            by_frame = similarity.view(b, tile.n, -1, tile.n_reached)
            by_frame.masked_fill_(tile.outside[:, None], -torch.inf)
        return _mean_label(similarity, labels, self._rule.topk, self._rule.temperature)


def _frame(features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the directions [B, h, w, D] and the labels [B, h, w, C] of frames."""
    places = (len(labels), *labels.shape[2:])
    if features.ndim != 4 or features.shape[:3] != places or 0 in features.shape:
        raise UsageError(
            f"the features of some frames are {list(features.shape)} and their labels "
            f"{list(labels.shape)}; expected [B, h, w, D] and [B, C, h, w]"
        )
    if not labels.is_floating_point():
        raise UsageError(f"soft labels are fractions, but these are of {labels.dtype}")
    return _directions(features), _copied(labels.detach(), (0, 2, 3, 1))


def _copied(labels: Tensor, order: tuple[int, ...]) -> Tensor:
    """Return the axes in another order, in memory of its own."""
    return labels.permute(order).clone(memory_format=torch.contiguous_format)


def _directions(features: Tensor) -> Tensor:
    """Return features of length 1, in single precision at least."""
    floats = features.detach().to(torch.promote_types(features.dtype, torch.float32))
    return normalize(floats, dim=-1)


def _mean_label(similarity: Tensor, labels: Tensor, topk: int, temperature: float) -> Tensor:
    """Return the mean labels [b, n, C] of the sources most similar to each of n patches.

    Args:
        similarity: [b, n, m], -inf where a source does not count; is overwritten.
        labels: [b, m, C].
        topk: sources that count, with all that are as similar as the last one.
        temperature: τ.
    """
    k = min(topk, similarity.shape[2])
    best, index = similarity.topk(min(k + 1, similarity.shape[2]), dim=2)
    last = best[..., k - 1 : k]
    if bool(((best[..., k:] == last) & last.isfinite()).any()):
        similarity.masked_fill_(similarity < last, -torch.inf)
        weights = similarity.sub_(best[..., :1]).div_(temperature).exp_()
        weights /= weights.sum(2, keepdim=True)
        return torch.bmm(weights.to(labels.dtype), labels)
    weights = torch.softmax(best[..., :k] / temperature, dim=2).to(labels.dtype)
    chosen = index[..., :k].flatten(1, 2)[..., None].expand(-1, -1, labels.shape[2])
    given = labels.gather(1, chosen).view(*weights.shape, -1)
    return (weights[..., None] * given).sum(2)


class _Memory:
    """Working memory by name, used again: fresh pages cost more than the arithmetic."""

    def __init__(self) -> None:
        self._held: dict[str, Tensor] = {}

    def take(self, name: str, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """Return an uninitialised tensor of the type and device of another."""
        size = torch.Size(shape).numel()
        if name not in self._held or self._held[name].numel() < size:
            self._held[name] = like.new_empty(size)
        return self._held[name][:size].view(shape)


class _Sources:
    """The patches of the context that a tile may take labels from."""

    def __init__(self, context: Sequence[tuple[Tensor, Tensor]], memory: _Memory) -> None:
        self._context = context
        self._memory = memory
        self._region: Region | None = None
        self._within: tuple[Tensor, Tensor]

    def within(self, region: Region) -> tuple[Tensor, Tensor]:
        """Return directions [b, F * m, D] and labels [b, F * m, C] of the m patches of a region
        in F frames; gathered once for tiles in a row that share it."""
        if region != self._region:
            top, bottom, left, right = region
            parts = [
                [maps[:, top:bottom, left:right] for maps in kind]
                for kind in zip(*self._context, strict=True)
            ]
            self._within = (self._joined("directions", parts[0]), self._joined("labels", parts[1]))
            self._region = region
        return self._within

    def _joined(self, name: str, parts: Sequence[Tensor]) -> Tensor:
        b, rows, columns, depth = parts[0].shape
        joined = self._memory.take(name, (b, len(parts), rows, columns, depth), parts[0])
        torch.stack(tuple(parts), 1, out=joined)
        return joined.view(b, -1, depth)
