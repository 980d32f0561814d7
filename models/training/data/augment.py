"""What training frames are changed by: colours per frame, one crop and one mirror per clip.

Source of constants and quirks: SMSD75/Timetuning time_tuning.py:588-594,
video_transformations.py; SMSD75/MoSiC exp_mosic_multigpu.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image as Pictures
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
    """Return the frames of one clip as training shows them.

    Args:
        frames: uint8 [H, W, 3], all of one size.
        size: sides of what comes out.
        kind: none: squashed to the size. standard: one crop and mirror per clip, then colours,
            grey and blur per frame. timet: the release: colours on the whole frames, of which
            only the last of the four shuffled changes acts, then the crop; never a mirror, as the
            release's does not fire on clips without masks. mosic: squashed, mirrored, cropped.
        rng: where chance comes from.

    Returns:
        uint8 [size, size, 3] each.
    """
    pictures = [Pictures.fromarray(np.ascontiguousarray(frame)) for frame in frames]
    if kind == "none":
        return [np.asarray(_fitted(picture, None, size)) for picture in pictures]
    if kind == "timet":
        pictures = [_short_side(_recoloured(p, rng, last_only=True), size) for p in pictures]
    elif kind == "mosic":
        pictures = [_fitted(picture, None, size) for picture in pictures]
    box = crop_box(*pictures[0].size, rng)
    pictures = [_fitted(picture, box, size) for picture in pictures]
    if kind in ("standard", "mosic") and rng.random() < MIRROR_SHARE:
        pictures = [ImageOps.mirror(picture) for picture in pictures]
    if kind == "standard":
        pictures = [_recoloured(picture, rng, last_only=False) for picture in pictures]
    return [np.asarray(picture) for picture in pictures]


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


def _fitted(picture: Pictures.Image, box: Box | None, size: int) -> Pictures.Image:
    return picture.resize((size, size), Pictures.Resampling.BILINEAR, box=box)


def _short_side(picture: Pictures.Image, size: int) -> Pictures.Image:
    width, height = picture.size
    short = min(width, height)
    shape = (max(size, width * size // short), max(size, height * size // short))
    return picture.resize(shape, Pictures.Resampling.BILINEAR)


def _recoloured(
    picture: Pictures.Image, rng: np.random.Generator, *, last_only: bool
) -> Pictures.Image:
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
            picture = _changed(picture, *changes[i])
    if rng.random() < GREY_SHARE:
        picture = picture.convert("L").convert("RGB")
    if rng.random() < BLUR_SHARE:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(*BLUR_RADIUS)))
    return picture


def _changed(picture: Pictures.Image, what: str, amount: float) -> Pictures.Image:
    if what == "hue":
        hue, saturation, value = picture.convert("HSV").split()
        turned = (np.asarray(hue).astype(np.int16) + round(amount * 255)) % 256
        bands = (Pictures.fromarray(turned.astype(np.uint8)), saturation, value)
        return Pictures.merge("HSV", bands).convert("RGB")
    enhancers = {
        "brightness": ImageEnhance.Brightness,
        "contrast": ImageEnhance.Contrast,
        "saturation": ImageEnhance.Color,
    }
    return enhancers[what](picture).enhance(amount)
