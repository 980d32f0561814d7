"""How the contract test looks at a model: images in, maps out, whatever kind it is.

Features, features of clips and segments all become maps [B, rows, cols, C]; what differs is how
two maps are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor

from tvseg_bench.benchmark.contract.check_report import Kind
from tvseg_bench.benchmark.data.moving_shapes.generator import EVERYTHING, clip
from tvseg_bench.benchmark.devices import float32_convolutions
from tvseg_bench.benchmark.errors import TvsegError
from tvseg_bench.benchmark.features import frames
from tvseg_bench.benchmark.plugins.load import LoadedModel
from tvseg_bench.benchmark.types import ModelCard, PatchFeatures, View

CLIP_FRAMES = 4
"""Frames of the clips that a clip model is tried with; tubelets of two fit."""
SIDE = 224
"""Pixels of the images, to the nearest multiple of the patch."""
MAX_ID = 2**24
"""First cluster id that no longer fits (float32 cannot tell it from its neighbour)."""

Statistics = tuple[tuple[float, ...], tuple[float, ...]]


class ContractError(TvsegError):
    """The model does not give what its contract promises; the text names what it gave."""


@dataclass
class EarlierChecks:
    """What checks leave for those that are run only after them."""

    maps: Tensor = field(init=False)
    """[2, rows, cols, C] of `shapes`, what the model makes of the first two images."""
    dtype: torch.dtype = field(init=False)
    """Of `shapes`, the type of the tokens; not set for segments."""
    rebuilt: object = None
    """Of `weights`, another build of the model."""


@dataclass(frozen=True)
class Subject:
    """A loaded model as the checks see it."""

    loaded: LoadedModel
    kind: Kind
    device: torch.device
    rebuild: Callable[[], LoadedModel]
    """Builds the model once more."""
    full: bool = False
    given_sha256: str | None = None
    """Of the weights file that was given."""
    earlier: EarlierChecks = field(default_factory=EarlierChecks)

    @property
    def card(self) -> ModelCard:
        """Return the complete card."""
        return self.loaded.card

    @property
    def side(self) -> int:
        """Return the side of a square image in pixels, a multiple of the patch."""
        return frames.target_size(SIDE, SIDE, View(size=SIDE), self.card.patch_size)[0]

    @property
    def together(self) -> int:
        """Return how many images make a large batch."""
        return 2 if self.kind == "clip" else 8

    @cached_property
    def base(self) -> Tensor:
        """Return the maps of the first `together` images, seen in one batch."""
        return self.maps(self.images(self.together))

    def images(
        self,
        count: int,
        size: tuple[int, int] | None = None,
        *,
        first: int = 0,
        statistics: Statistics | None = None,
    ) -> Tensor:
        """Return images [count, 3, H, W] on the device, normalised as the suite does."""
        pixels = sample_images(first, count, size or (self.side, self.side))
        chosen = statistics or (self.card.mean, self.card.std)
        return frames.normalised(torch.from_numpy(pixels).to(self.device), chosen)

    def maps(self, images: Tensor, model: object = None) -> Tensor:
        """Return what the model makes of images, checked, [B, rows, cols, C] in float32.

        A clip model is shown clips of `CLIP_FRAMES` frames: each image moved on pixel by pixel.

        Raises:
            ContractError: the output is not what the contract promises.
        """
        with torch.inference_mode(), float32_convolutions(self.device):
            return checked(self.raw(images, model), self, len(images), images.shape[-2:])

    def raw(self, images: Tensor, model: object = None) -> Any:
        """Return what the model itself returns."""
        asked = cast("Any", self.loaded.model if model is None else model)
        if self.kind == "segmenter":
            return asked.segment(images)
        return asked.extract_clip(moving(images)) if self.kind == "clip" else asked.extract(images)

    def difference(self, a: Tensor, b: Tensor) -> float:
        """Return how much two maps differ, 0..: see `relative` and `unequal`."""
        return unequal(a, b) if self.kind == "segmenter" else relative(a, b)


def kind_of(model: object, temporal: Literal["image", "clip"]) -> Kind:
    """Return what a model is tried as: by its features where it has some."""
    if temporal == "clip" and callable(getattr(model, "extract_clip", None)):
        return "clip"
    return "features" if callable(getattr(model, "extract", None)) else "segmenter"


def moving(images: Tensor) -> Tensor:
    """Turn images [B, 3, H, W] into clips [B, T, 3, H, W] that drift by a pixel a frame."""
    return torch.stack([images.roll(t, dims=-1) for t in range(CLIP_FRAMES)], dim=1)


@lru_cache(maxsize=32)
def sample_images(
    first: int, count: int, size: tuple[int, int]
) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return frames [count, H, W, 3] of different clips of moving-shapes; always the same."""
    from PIL import Image

    made = [clip(104 + (first + i) % 12, EVERYTHING).image(0) for i in range(count)]
    side = size[::-1]
    resized = [Image.fromarray(m).resize(side, Image.Resampling.BILINEAR) for m in made]
    return np.stack([np.asarray(r) for r in resized])


# ------------------------------------------------------------------------- what came out


def checked(
    output: object, subject: Subject, count: int, size: Sequence[int], finite: bool = True
) -> Tensor:
    """Return an output as maps [B, rows, cols, C] in float32.

    Raises:
        ContractError: type, shape, type of the numbers or grid are not what was promised.
    """
    if subject.kind == "segmenter":
        return _checked_ids(output, count, size).unsqueeze(-1)
    if not isinstance(output, PatchFeatures):
        raise ContractError(
            f"returns {type(output).__name__}, expected PatchFeatures(tokens, grid)"
        )
    (rows, cols), tokens = grid(output, subject.card, size), output.tokens
    expanded = count * (CLIP_FRAMES if subject.kind == "clip" else 1)
    wanted = [expanded, rows * cols, subject.card.embed_dim]
    if list(tokens.shape) != wanted:
        frames = " with B * T images" if subject.kind == "clip" else ""
        raise ContractError(
            f"gives tokens {list(tokens.shape)} on the grid {rows}x{cols} for {count} images of "
            f"{size[0]}x{size[1]}, expected [B, rows * cols, embed_dim] = {wanted}{frames}; class "
            "and register tokens are removed by the model"
        )
    if not tokens.is_floating_point():
        raise ContractError(f"gives {tokens.dtype} tokens, expected floating point")
    maps = tokens.float().reshape(expanded, rows, cols, -1)
    if finite and not torch.isfinite(maps).all():
        raise ContractError("gives NaN or infinity; check its weights")
    return maps


def grid(output: PatchFeatures, card: ModelCard, size: Sequence[int]) -> tuple[int, int]:
    """Return the grid of an output.

    Raises:
        ContractError: it is not a pair of numbers, or not the patch's where the card says it is.
    """
    try:
        rows, cols = (int(n) for n in output.grid)
    except (TypeError, ValueError):
        raise ContractError(f"gives the grid {output.grid!r}, expected (rows, cols)") from None
    wanted = size[0] // card.patch_size, size[1] // card.patch_size
    if card.exact_grid and (rows, cols) != wanted:
        raise ContractError(
            f"gives the grid {rows}x{cols} for {size[0]}x{size[1]} pixels, expected "
            f"{wanted[0]}x{wanted[1]} with patch {card.patch_size}; a map that rounds otherwise "
            "declares exact_grid=False on its card"
        )
    return rows, cols


def _checked_ids(ids: object, count: int, size: Sequence[int]) -> Tensor:
    if not isinstance(ids, Tensor):
        raise ContractError(f"returns {type(ids).__name__}, expected a tensor of ids [B, H, W]")
    if ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool:
        raise ContractError(f"gives {ids.dtype} ids, expected integers")
    wanted = [count, *size]
    if list(ids.shape) != wanted:
        raise ContractError(f"gives ids {list(ids.shape)}, expected [B, H, W] = {wanted}")
    low, high = int(ids.min()), int(ids.max())
    if low < 0 or high >= MAX_ID:
        raise ContractError(f"gives ids from {low} to {high}, expected 0 to {MAX_ID - 1}")
    return ids.float()


# ------------------------------------------------------------------------------ numbers


def relative(a: Tensor, b: Tensor) -> float:
    """Return the largest distance of two tokens over the root mean square length of a token.

    Example:
        >>> relative(torch.ones(1, 1, 2, 4), torch.ones(1, 1, 2, 4) * 1.5)
        0.5
    """
    scale = a.square().sum(-1).mean().sqrt().clamp_min(1e-12)
    return float((a - b).square().sum(-1).sqrt().max() / scale)


def unequal(a: Tensor, b: Tensor) -> float:
    """Return the share of pixels whose ids differ.

    Example:
        >>> unequal(torch.tensor([1, 2, 3, 4]), torch.tensor([1, 2, 3, 5]))
        0.25
    """
    return float((a != b).float().mean())


# ------------------------------------------------------------------------------- findings


Finding = tuple[Literal["ok", "warning", "failed", "not-applicable"], str, dict[str, Any]]
"""Status, sentence and numbers of one check."""


def ok(message: str, **numbers: float | int | None) -> Finding:
    """Return a finding that is as it should be."""
    return "ok", message, numbers


def failed(message: str, **numbers: float | int | None) -> Finding:
    """Return a finding that keeps the model from being submitted."""
    return "failed", message, numbers


def warning(message: str, **numbers: float | int | None) -> Finding:
    """Return a finding that is worth reading."""
    return "warning", message, numbers


def not_applicable(message: str) -> Finding:
    """Return that a check does not apply to this model, with the reason."""
    return "not-applicable", message, {}
