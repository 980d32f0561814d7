"""Eleven colour names as a plugin of tvseg-bench: a model that brings its own clusters.

Berlin and Kay, Basic Color Terms, 1969: languages with eleven basic colour terms agree on which
they are. A pixel gets the term whose prototype is nearest in CIE L*a*b* after a little smoothing:
no features, no k-means, nothing learned. It is a floor for learned segmenters, and it shows what a
segmenter has to be: a card, and `segment(images) -> ids`.

    tvseg-bench run --model file:palette_plugin.py:build --protocol segmenter …
    pip install . && tvseg-bench run --model palette/basic-11 --protocol segmenter …
"""

from __future__ import annotations

import torch

from tvseg_bench.benchmark.types import ModelCard

TERMS = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "grey": (128, 128, 128),
    "red": (200, 30, 35),
    "green": (50, 140, 55),
    "yellow": (240, 215, 40),
    "blue": (35, 75, 175),
    "brown": (120, 75, 40),
    "purple": (120, 60, 150),
    "pink": (245, 160, 185),
    "orange": (240, 130, 35),
}
"""Prototypes in sRGB, 0..255, chosen by eye."""

CARD = ModelCard(
    name="palette/basic-11",
    revision="prototypes:1",
    patch_size=1,
    embed_dim=3,
    params_m=0.0,
    mean=(0.0, 0.0, 0.0),
    std=(1.0, 1.0, 1.0),
    licence="Apache-2.0",
    paper="Berlin and Kay, Basic Color Terms, 1969",
    code="https://en.wikipedia.org/wiki/CIELAB_color_space",
    notes="The nearest of eleven colour prototypes per pixel; nothing is learned.",
)

SMOOTHING = 5
"""Side of the box over which colours are averaged, in pixels."""

_TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
"""Linear sRGB to CIE XYZ under D65 (IEC 61966-2-1)."""
_WHITE = (0.95047, 1.0, 1.08883)


class Palette:
    """Labels every pixel with the index of its colour term."""

    def __init__(self) -> None:
        self.card = CARD
        rgb = torch.tensor(list(TERMS.values())).T.reshape(1, 3, 1, -1) / 255
        self.prototypes = to_lab(rgb)[0, :, 0].T  # [11, 3]

    def segment(self, images: torch.Tensor) -> torch.Tensor:
        """Map RGB images [B, 3, H, W] in 0..1 to ids [B, H, W], 0..10 in the order of `TERMS`."""
        smooth = torch.nn.functional.avg_pool2d(
            images, SMOOTHING, stride=1, padding=SMOOTHING // 2, count_include_pad=False
        )
        pixels = to_lab(smooth).permute(0, 2, 3, 1)
        distances = (pixels[..., None, :] - self.prototypes.to(pixels)).square().sum(-1)
        return distances.argmin(-1)


def to_lab(rgb: torch.Tensor) -> torch.Tensor:
    """Map sRGB [B, 3, H, W] in 0..1 to L*a*b* [B, 3, H, W] under D65.

    Example:
        >>> white = to_lab(torch.ones(1, 3, 1, 1)).flatten()
        >>> [round(abs(value), 1) for value in white.tolist()]
        [100.0, 0.0, 0.0]
    """
    linear = torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb.clamp_min(0) + 0.055) / 1.055) ** 2.4)
    matrix = rgb.new_tensor(_TO_XYZ) / rgb.new_tensor(_WHITE)[:, None]
    xyz = torch.einsum("ij,bjhw->bihw", matrix, linear)
    delta = 6 / 29
    f = torch.where(xyz > delta**3, xyz.clamp_min(0) ** (1 / 3), xyz / (3 * delta**2) + 4 / 29)
    x, y, z = f.unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


def build() -> Palette:
    """Build the model; it takes no weights."""
    return Palette()
