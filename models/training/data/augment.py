"""Augmentation of training clips: colours per frame, one crop and one mirror per clip.

Source of constants and quirks: SMSD75/Timetuning time_tuning.py:588-594,
video_transformations.py; SMSD75/MoSiC exp_mosic_multigpu.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image as PILImage
from PIL import ImageEnhance, ImageFilter, ImageOps

if TYPE_CHECKING:
    from tvseg_bench.benchmark.types import Image

Augmentation = Literal["none", "standard", "timet", "mosic"]

JITTER_SHARE, GREY_SHARE, BLUR_SHARE, MIRROR_SHARE = 0.8, 0.2, 0.5, 0.5
BRIGHTNESS, CONTRAST, SATURATION, HUE = 0.8, 0.8, 0.8, 0.2
BLUR_RADIUS = (0.1, 2.0)
CROP_AREA = (0.4, 1.0)
CROP_ASPECT = (3 / 4, 4 / 3)

Box = tuple[int, int, int, int]


def augmented(
    frames: Sequence[Image], size: int, kind: Augmentation, rng: np.random.Generator
) -> list[Image]:
    """Return the augmented frames of one clip.

    Args:
        frames: uint8 [H, W, 3], all of one size.
        kind: none: squashed to the size. standard: one crop and mirror per clip, then colours,
            grey and blur per frame. timet: the release: colours on the complete frames, of which
            only the last of the four shuffled changes acts, then the crop; never a mirror, as the
            release's does not fire on clips without masks. mosic: squashed, mirrored, cropped.

    Returns:
        uint8 [size, size, 3] each.
    """
    images = [PILImage.fromarray(np.ascontiguousarray(frame)) for frame in frames]
    if kind == "none":
        return [np.asarray(_fitted(image, None, size)) for image in images]
    if kind == "timet":
        images = [_short_side(_recoloured(p, rng, last_only=True), size) for p in images]
    elif kind == "mosic":
        images = [_fitted(image, None, size) for image in images]
    box = crop_box(*images[0].size, rng)
    images = [_fitted(image, box, size) for image in images]
    if kind in ("standard", "mosic") and rng.random() < MIRROR_SHARE:
        images = [ImageOps.mirror(image) for image in images]
    if kind == "standard":
        images = [_recoloured(image, rng, last_only=False) for image in images]
    return [np.asarray(image) for image in images]


def crop_box(width: int, height: int, rng: np.random.Generator) -> Box:
    """Return (left, top, right, bottom) of a random crop, as RandomResizedCrop draws it.

    Ten tries at a share of the area within `CROP_AREA` and an aspect within `CROP_ASPECT`, then
    the largest box in the middle whose aspect is allowed.
    """
    low, high = (math.log(aspect) for aspect in CROP_ASPECT)
    for _ in range(10):
        area = width * height * rng.uniform(*CROP_AREA)
        aspect = math.exp(rng.uniform(low, high))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            left = int(rng.integers(width - w + 1))
            top = int(rng.integers(height - h + 1))
            return left, top, left + w, top + h
    aspect = min(max(width / height, CROP_ASPECT[0]), CROP_ASPECT[1])
    w, h = min(width, round(height * aspect)), min(height, round(width / aspect))
    left, top = (width - w) // 2, (height - h) // 2
    return left, top, left + w, top + h


def _fitted(image: PILImage.Image, box: Box | None, size: int) -> PILImage.Image:
    return image.resize((size, size), PILImage.Resampling.BILINEAR, box=box)


def _short_side(image: PILImage.Image, size: int) -> PILImage.Image:
    width, height = image.size
    short = min(width, height)
    shape = (max(size, width * size // short), max(size, height * size // short))
    return image.resize(shape, PILImage.Resampling.BILINEAR)


def _recoloured(
    image: PILImage.Image, rng: np.random.Generator, *, last_only: bool
) -> PILImage.Image:
    """Change colours, take them away, blur: each by chance, in this order."""
    if rng.random() < JITTER_SHARE:
        changes = [
            ("brightness", rng.uniform(max(0, 1 - BRIGHTNESS), 1 + BRIGHTNESS)),
            ("contrast", rng.uniform(max(0, 1 - CONTRAST), 1 + CONTRAST)),
            ("saturation", rng.uniform(max(0, 1 - SATURATION), 1 + SATURATION)),
            ("hue", rng.uniform(-HUE, HUE)),
        ]
        order = rng.permutation(len(changes))
        for i in order[-1:] if last_only else order:
            image = _changed(image, *changes[i])
    if rng.random() < GREY_SHARE:
        image = image.convert("L").convert("RGB")
    if rng.random() < BLUR_SHARE:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(*BLUR_RADIUS)))
    return image


def _changed(image: PILImage.Image, what: str, amount: float) -> PILImage.Image:
    if what == "hue":
        hue, saturation, value = image.convert("HSV").split()
        turned = (np.asarray(hue).astype(np.int16) + round(amount * 255)) % 256
        bands = (PILImage.fromarray(turned.astype(np.uint8)), saturation, value)
        return PILImage.merge("HSV", bands).convert("RGB")
    enhancers = {
        "brightness": ImageEnhance.Brightness,
        "contrast": ImageEnhance.Contrast,
        "saturation": ImageEnhance.Color,
    }
    return enhancers[what](image).enhance(amount)
