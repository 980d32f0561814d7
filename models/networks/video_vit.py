"""The encoder of V-JEPA 2: a ViT over tubelets of two frames, with rotary positions in 3-D.

Parameters have the names of facebookresearch/vjepa2 (src/models/vision_transformer.py).
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from tvseg_bench.benchmark.types import ModelCard, PatchFeatures

TUBELET = 2
"""Frames that one token looks at."""

_EPS = 1e-6
_TEMPERATURE = 10_000.0


class VideoViT(nn.Module):
    """Tokens [B, T / 2 * rows * cols, dim] of clips [B, 3, T, H, W], after the final norm.

    Args:
        heads: of the attention; the shapes of the weights do not tell.
        patch: side of a patch in pixels.
    """

    def __init__(self, *, dim: int, depth: int, heads: int, hidden: int, patch: int = 16) -> None:
        super().__init__()
        self.heads = heads
        self.patch_embed = _Tubelets(dim, patch)
        self.blocks = nn.ModuleList(_Block(dim, heads, hidden) for _ in range(depth))
        self.norm = nn.LayerNorm(dim, eps=_EPS)

    def forward(self, clips: Tensor) -> Tensor:
        """Map clips [B, 3, T, H, W]; T is even, H and W are multiples of the patch."""
        cells: Tensor = self.patch_embed.proj(clips)
        tokens = cells.flatten(2).transpose(1, 2)
        times, rows, cols = cells.shape[2:]
        cos, sin = rotation(times, rows, cols, tokens.shape[2] // self.heads)
        cos, sin = cos.to(tokens), sin.to(tokens)
        for block in self.blocks:
            tokens = block(tokens, cos, sin)
        normed: Tensor = self.norm(tokens)
        return normed


class _Tubelets(nn.Module):
    def __init__(self, dim: int, patch: int) -> None:
        super().__init__()
        size = (TUBELET, patch, patch)
        self.proj = nn.Conv3d(3, dim, kernel_size=size, stride=size)


class _Block(nn.Module):
    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=_EPS)
        self.attn = _Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, eps=_EPS)
        self.mlp = _MLP(dim, hidden)

    def forward(self, tokens: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        mixed: Tensor = self.attn(self.norm1(tokens), cos, sin)
        tokens = tokens + mixed
        added: Tensor = self.mlp(self.norm2(tokens))
        return tokens + added


class _MLP(nn.Module):
    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        inner = nn.functional.gelu(self.fc1(tokens))
        changed: Tensor = self.fc2(inner)
        return changed


class _Attention(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        batch, count, dim = tokens.shape
        qkv = self.qkv(tokens).reshape(batch, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        query, key = rotated(qkv[0], cos, sin), rotated(qkv[1], cos, sin)
        mixed = scaled_dot_product_attention(query, key, qkv[2])
        projected: Tensor = self.proj(mixed.transpose(1, 2).reshape(batch, count, dim))
        return projected


def rotated(vectors: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn neighbouring channels [..., 2 i] and [..., 2 i + 1] against each other.

    Example:
        >>> vectors = torch.tensor([[1.0, 0.0]])
        >>> rotated(vectors, torch.zeros(1, 2), torch.ones(1, 2)).tolist()
        [[0.0, 1.0]]
    """
    even, odd = vectors[..., 0::2], vectors[..., 1::2]
    turned = torch.stack((-odd, even), dim=-1).flatten(-2)
    return vectors * cos + turned * sin


@lru_cache(maxsize=8)
def rotation(times: int, rows: int, cols: int, channels: int) -> tuple[Tensor, Tensor]:
    """Return cosine and sine [times * rows * cols, channels] for tokens on a 3-D grid.

    A third of the channels, rounded down to an even number d, turns with the time, the next d
    with the row, then the column; the rest stands still. Of d / 2 frequencies 10000^(-k / (d/2))
    channel c of a third has number c mod d/2: so the two channels of a pair turn at different
    frequencies. That is how the released models were trained (src/models/utils/modules.py).
    """
    with torch.inference_mode(False):  # the tables outlive the pass that asks first
        return _rotation(times, rows, cols, channels)


def _rotation(times: int, rows: int, cols: int, channels: int) -> tuple[Tensor, Tensor]:
    third = channels // 3 // 2 * 2
    frequencies = _TEMPERATURE ** (-torch.arange(third // 2) / (third / 2))
    places = torch.meshgrid(*(torch.arange(n) for n in (times, rows, cols)), indexing="ij")
    angles = torch.zeros(times * rows * cols, channels)
    for axis, place in enumerate(places):
        turned = place.reshape(-1, 1) * frequencies
        angles[:, axis * third : (axis + 1) * third] = turned.repeat(1, 2)
    return angles.cos(), angles.sin()


class VideoFeatures(nn.Module):
    """Features of complete clips; both frames of a tubelet have its features.

    A clip of more than `window` frames is looked at in windows of so many frames, the last of
    which ends with the clip; an odd number of frames is made even by repeating the last.

    Args:
        card: with `temporal="clip"`.
        window: frames that the model was trained on at once, even.
    """

    def __init__(self, net: VideoViT, card: ModelCard, *, window: int = 64) -> None:
        super().__init__()
        self.net = net
        self.card = card
        self.window = window

    def extract(self, images: Tensor) -> PatchFeatures:
        """Map images [B, 3, H, W] to tokens [B, N, D]: each is a clip of two equal frames."""
        return self.extract_clip(images[:, None])

    def extract_clip(self, clips: Tensor) -> PatchFeatures:
        """Map clips [B, T, 3, H, W] to tokens [B * T, N, D]."""
        frames = clips.shape[1]
        grid = (clips.shape[3] // self.card.patch_size, clips.shape[4] // self.card.patch_size)
        parts = [
            self._window(clips[:, start:stop], grid)[:, keep:]
            for start, stop, keep in windows(frames, self.window)
        ]
        return PatchFeatures(torch.cat(parts, dim=1).flatten(0, 1), grid)

    def _window(self, clips: Tensor, grid: tuple[int, int]) -> Tensor:
        """Return the features [B, T, N, D] of clips [B, T, 3, H, W] that go through at once."""
        frames = clips.shape[1]
        if frames % TUBELET:
            clips = torch.cat([clips, clips[:, -1:]], dim=1)
        tokens: Tensor = self.net(clips.transpose(1, 2))
        tubelets = tokens.reshape(len(tokens), -1, grid[0] * grid[1], tokens.shape[2])
        return tubelets.repeat_interleave(TUBELET, dim=1)[:, :frames]


def windows(frames: int, window: int) -> list[tuple[int, int, int]]:
    """Return (start, stop, frames to leave out at its start) of each window over a clip.

    Example:
        >>> windows(10, 4)
        [(0, 4, 0), (4, 8, 0), (6, 10, 2)]
        >>> windows(3, 4)
        [(0, 3, 0)]
    """
    found = [(s, s + window, 0) for s in range(0, frames - window + 1, window)]
    done = found[-1][1] if found else 0
    if done < frames:
        start = max(0, frames - window)
        found.append((start, frames, done - start))
    return found
