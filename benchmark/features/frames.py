"""The input of a model: which frames of a clip, at which size, normalised how.

Everything here is a pure function of a `View`, so that protocols with an equal view share one
forward pass. Masks are never touched: scores are taken at their own size.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

from tvseg_bench.benchmark.errors import DataError, UsageError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from tvseg_bench.benchmark.types import Image, ModelCard, View

TIMET_STATISTICS = ((0.485, 0.456, 0.406), (0.228, 0.224, 0.225))
"""Mean and std of the TimeT release (evaluation.py:533), .228 where ImageNet's std has .229."""


# ---------------------------------------------------------------------------- which frames


def choose_frames(n_frames: int, view: View, clip_name: str) -> tuple[int, ...]:
    """Return the sorted frame indices that a view wants of a clip.

    equidistant: the middles of `view.frames` equal parts, (2i + 1) n / 2k rounded down; a clip
    that is not longer is used completely. random: a subset without replacement, with replacement
    where the clip is shorter, as in the TimeT release (data_loader.py:617-627), but drawn from a
    hash of (sampling_seed, clip_name), so that neither the order of clips, nor workers, nor a
    library's version can move it.

    Raises:
        DataError: the clip holds no frame.
        UsageError: the view asks for fewer than one frame.

    Example:
        >>> from tvseg_bench.benchmark.types import View
        >>> choose_frames(10, View(frames=4), "bear")
        (1, 3, 6, 8)
        >>> choose_frames(3, View(), "bear")
        (0, 1, 2)
        >>> choose_frames(2, View(frames=4, sampling="random"), "bear")
        (0, 1, 1, 1)
    """
    if n_frames < 1:
        raise DataError(f"clip {clip_name!r} holds no frame; remove it from the data set's list")
    wanted = view.frames
    if wanted is None:
        return tuple(range(n_frames))
    if wanted < 1:
        raise UsageError(f"frames={wanted} asks for no frame; give 1 or more, or none for all")
    if view.sampling == "random":
        return _random_frames(n_frames, wanted, view.sampling_seed, clip_name)
    if wanted >= n_frames:
        return tuple(range(n_frames))
    return tuple((2 * i + 1) * n_frames // (2 * wanted) for i in range(wanted))


def _random_frames(n_frames: int, wanted: int, seed: int, clip_name: str) -> tuple[int, ...]:
    def draw(i: int) -> int:
        text = f"{seed}\0{clip_name}\0{i}".encode("utf-8", "surrogatepass")
        return int.from_bytes(hashlib.sha256(text).digest()[:8], "big")

    if wanted <= n_frames:
        return tuple(sorted(sorted(range(n_frames), key=draw)[:wanted]))
    return tuple(sorted(draw(i) % n_frames for i in range(wanted)))


# ------------------------------------------------------------------------------ which size


def target_size(height: int, width: int, view: View, patch: int) -> tuple[int, int]:
    """Return (height, width) of the model's input, both multiples of the patch.

    square: both sides `view.size`, made a multiple. short-side: the short side `view.size` made
    a multiple, the long side the multiple nearest to the same aspect. Ties go up, and a side is
    one patch at least.

    Example:
        >>> from tvseg_bench.benchmark.types import View
        >>> target_size(480, 854, View(size=224), 16)
        (224, 400)
        >>> target_size(480, 854, View(size=224, resize="square"), 14)
        (224, 224)
        >>> target_size(480, 854, View(size=480, resize="short-side-64"), 16)
        (480, 832)
        >>> target_size(480, 854, View(size=480, resize="short-side-up"), 16)
        (480, 864)
    """
    short, long = min(height, width), max(height, width)
    side = _multiple(view.size, 1, patch)
    if view.resize == "square":
        return side, side
    if view.resize == "short-side-64":
        other = _multiple(view.size * long // (64 * short) * 64, 1, patch)
    elif view.resize == "short-side-up":
        side = -(-view.size // patch) * patch
        other = -(-long * side // (short * patch)) * patch
    else:
        other = _multiple(long * side, short, patch)
    return (side, other) if height <= width else (other, side)


def _multiple(numerator: int, denominator: int, patch: int) -> int:
    """Return the multiple of `patch` nearest to a fraction, in integers and so everywhere."""
    return patch * max(1, (2 * numerator + patch * denominator) // (2 * patch * denominator))


# ---------------------------------------------------------------------------- which pixels


def interpolation(card: ModelCard, view: View) -> Literal["bilinear", "bicubic", "opencv"]:
    """Return the filter that a view means for a model."""
    return card.interpolation if view.interpolation == "card" else view.interpolation


def statistics(card: ModelCard, view: View) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the (mean, std) that a view means for a model, in the model's channel order."""
    return TIMET_STATISTICS if view.statistics == "timet" else (card.mean, card.std)


def checked(image: Image, where: str) -> Image:
    """Return the image itself if it is uint8 [H, W, 3].

    Raises:
        DataError: it is not; `where` names it.
    """
    import numpy as np

    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise DataError(
            f"{where} has to be uint8 [H, W, 3], but the reader gave {image.dtype} "
            f"{list(image.shape)}; repair the reader of this data set"
        )
    return image


def resized(image: Image, size: tuple[int, int], card: ModelCard, view: View) -> Image:
    """Resize one uint8 image [H, W, 3] to [h, w, 3], antialiased unless the view says opencv.

    Pillow's resampling: what torchvision does with PIL images, and so what the published
    pipelines did; fixed-point, hence the same pixels on every machine; and it lets other threads
    run. Torch's uint8 kernel is twice as fast but off by one grey level here and there.
    """
    import numpy as np
    from PIL import Image as PILImage

    if image.shape[:2] == size:
        return image
    if interpolation(card, view) == "opencv":
        return _from_four(image, size)
    filters = {"bilinear": PILImage.Resampling.BILINEAR, "bicubic": PILImage.Resampling.BICUBIC}
    resizable = PILImage.fromarray(np.ascontiguousarray(image))
    smaller = resizable.resize(size[::-1], filters[interpolation(card, view)])
    return np.asarray(smaller)


def _from_four(image: Image, size: tuple[int, int]) -> Image:
    """Resize as OpenCV does: between the nearest two rows and columns, whatever the scale.

    In OpenCV's fixed-point numbers: weights of 11 bits, of which 4 bits of the sum over a row go
    before rows are weighted. The same pixels as cv2.resize on every side that shrinks or stays.
    """
    import numpy as np

    top, bottom, *of_rows = _taps(image.shape[0], size[0])
    left, right, *of_columns = _taps(image.shape[1], size[1])
    of_top, of_bottom = (weights[:, None, None] for weights in of_rows)
    of_left, of_right = (weights[:, None] for weights in of_columns)
    values = image.astype(np.int32)
    rows = (values[:, left] * of_left + values[:, right] * of_right) >> 4
    mixed = (rows[top] * of_top >> 16) + (rows[bottom] * of_bottom >> 16)
    pixels: Image = ((mixed + 2) >> 2).astype(np.uint8)
    return pixels


def _taps(pixels: int, size: int) -> tuple[NDArray[np.intp], ...]:
    """Return for each new pixel of a side its two old ones, and their weights in 1 / 2048."""
    import numpy as np

    at = ((np.arange(size) + 0.5) * (pixels / size) - 0.5).astype(np.float32)
    first = np.floor(at).astype(np.intp)
    share = np.where((first < 0) | (first >= pixels - 1), 0, at - first).astype(np.float32)
    first = first.clip(0, pixels - 1)
    second = (first + 1).clip(max=pixels - 1)
    weights = (np.rint((1 - share) * 2048), np.rint(share * 2048))
    return first, second, *(w.astype(np.int32) for w in weights)


def normalised(
    images: torch.Tensor, statistics: tuple[tuple[float, ...], tuple[float, ...]]
) -> torch.Tensor:
    """Map uint8 [B, h, w, 3] to float32 [B, 3, h, w], (image / 255 - mean) / std.

    The operations and their order are torchvision's (ToTensor, Normalize), to the last bit.
    """
    import torch

    mean, std = (
        torch.tensor(values, dtype=torch.float32, device=images.device)[:, None, None]
        for values in statistics
    )
    # Contiguous: a permuted view would reach the model in channels-last and pick other kernels.
    floats = images.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
    return floats.div_(255).sub_(mean).div_(std)
