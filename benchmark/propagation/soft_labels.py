"""Conversions between label maps and the soft labels on a patch grid that are propagated."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate, one_hot

from tvseg_bench.benchmark.errors import UsageError

Sampling = Literal["area", "nearest", "nearest-exact", "nearest-pil"]
"""How a label map reaches the patch grid.

area: a patch holds the share of each label among its labelled pixels. nearest: the label of its
upper left pixel (torch; TimeT). nearest-exact: of the pixel at its centre (torch; DINOv3).
nearest-pil: the same with Pillow's rounding (DINO)."""
Upsampling = Literal["bilinear", "nearest"]
"""How soft labels leave the grid; nearest is torch's, the upper left patch."""
Rescale = Literal["none", "minmax-dino", "minmax-dinov3"]
"""What each label's map undergoes before the greatest wins.

minmax: stretched to 0..1 by its own extremes, so that a weak object can win. Where a map is
constant and positive, `dino` lets it win everywhere (0 / 0), `dinov3` takes 0."""

Ids: TypeAlias = NDArray[np.integer[Any]]


def soft_labels(ids: ArrayLike, n: int, grid: tuple[int, int], sampling: Sampling) -> Tensor:
    """Return the soft labels [n, rows, cols] of a label map [H, W].

    Pixels whose id is not within 0..n - 1 are unlabelled: a patch without a labelled pixel holds
    0 of every label, and so counts for nothing.

    Raises:
        UsageError: The map is not [H, W], or the sampling is unknown.

    Source: read_seg in facebookresearch/dino eval_video_segmentation.py for `nearest-pil`.

    Example:
        >>> ids = [[0, 1, 1, 1], [0, 0, 1, 255]]
        >>> soft_labels(ids, 2, (1, 2), "area").tolist()
        [[[0.75, 0.0]], [[0.25, 1.0]]]
        >>> soft_labels(ids, 2, (1, 2), "nearest").tolist()
        [[[1.0, 0.0]], [[0.0, 1.0]]]
    """
    labels = np.asarray(ids)
    if labels.ndim != 2 or not labels.size:
        raise UsageError(f"a label map is {list(labels.shape)}; expected [H, W]")
    known = np.where((labels >= 0) & (labels < n), labels, n).astype(np.int32)
    if sampling == "area":
        return _shares(known, n, grid)
    if sampling == "nearest-pil":
        small = torch.from_numpy(resized_labels(known, grid))
    elif sampling in get_args(Sampling):
        # in double precision, which holds every int32
        doubles = torch.from_numpy(known)[None, None].double()
        small = interpolate(doubles, size=grid, mode=sampling)[0, 0]
    else:
        raise UsageError(f"unknown sampling {sampling!r}; known: {', '.join(get_args(Sampling))}")
    return one_hot(small.long(), n + 1)[..., :n].permute(2, 0, 1).float()


def _shares(known: NDArray[np.int32], n: int, grid: tuple[int, int]) -> Tensor:
    """Count the labels of the pixels whose centres lie in each patch; id n is no label."""
    rows, columns = ((2 * np.arange(side) + 1) * cells // (2 * side)
                     for side, cells in zip(known.shape, grid, strict=True))  # fmt: skip
    cells = rows[:, None] * grid[1] + columns
    counts = np.bincount((cells * (n + 1) + known).ravel(), minlength=grid[0] * grid[1] * (n + 1))
    labelled = counts.reshape(*grid, n + 1)[..., :n].astype(np.float32)
    shares = labelled / np.maximum(labelled.sum(-1, keepdims=True), 1)
    return torch.from_numpy(shares).permute(2, 0, 1).contiguous()


def hard_labels(
    soft: Tensor, size: tuple[int, int], upsampling: Upsampling, rescale: Rescale
) -> Tensor:
    """Return the label map [H, W] of soft labels [C, h, w], brought to a size first.

    Raises:
        UsageError: The soft labels are not [C, h, w], or a convention is unknown.

    Source: norm_mask in facebookresearch/dino eval_video_segmentation.py; facebookresearch/dinov3
        notebooks/segmentation_tracking.ipynb.

    Example:
        >>> soft = torch.tensor([[[0.9, 0.6]], [[0.1, 0.4]]])
        >>> hard_labels(soft, (1, 2), "nearest", "none").tolist()
        [[0, 0]]
        >>> hard_labels(soft, (1, 2), "nearest", "minmax-dino").tolist()
        [[0, 1]]
    """
    # max() and not argmax(), which takes three times as long over the first axis on a CPU
    return rescaled(upsampled(soft, size, upsampling), rescale).max(0).indices


def upsampled(soft: Tensor, size: tuple[int, int], upsampling: Upsampling) -> Tensor:
    """Bring soft labels [C, h, w] to a size [C, H, W].

    Raises:
        UsageError: They are not [C, h, w], or the way is unknown.
    """
    if soft.ndim != 3 or upsampling not in get_args(Upsampling):
        raise UsageError(
            f"soft labels {list(soft.shape)} cannot be upsampled {upsampling!r}; expected "
            f"[C, h, w] and {' or '.join(get_args(Upsampling))}"
        )
    corners = {"align_corners": False} if upsampling == "bilinear" else {}
    return interpolate(soft[None], size=size, mode=upsampling, **corners)[0]


def rescaled(soft: Tensor, rescale: Rescale) -> Tensor:
    """Stretch each of the maps [C, H, W], or not.

    Raises:
        UsageError: The way is unknown.
    """
    if rescale == "none":
        return soft
    if rescale not in get_args(Rescale):
        raise UsageError(f"unknown rescale {rescale!r}; known: {', '.join(get_args(Rescale))}")
    low, high = soft.amin((1, 2), keepdim=True), soft.amax((1, 2), keepdim=True)
    stretched = (soft - low) / (high - low)
    if rescale == "minmax-dinov3":
        return stretched.nan_to_num(0)
    return torch.where(high > 0, stretched, soft)


def resized_labels(ids: Ids, size: tuple[int, int]) -> NDArray[np.int32]:
    """Resize a label map [H, W] with Pillow, which takes the pixel at the centre.

    Example:
        >>> resized_labels(np.arange(6)[None], (1, 3)).tolist()
        [[1, 3, 5]]
    """
    image = Image.fromarray(np.asarray(ids, np.int32))
    return np.array(image.resize(size[::-1], Image.Resampling.NEAREST))
