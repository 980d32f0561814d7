"""Backbones that know nothing: what every score is to be compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvseg_bench.benchmark.registry import ModelEntry, Registry
from tvseg_bench.benchmark.types import FeatureModel, ModelCard, PatchFeatures

if TYPE_CHECKING:
    from torch import Tensor, nn

RANDOM = ModelCard(
    name="baseline/random",
    revision="seed:0/init:1",
    patch_size=16,
    embed_dim=384,
    params_m=21.7,
    interpolation="bicubic",
    num_prefix_tokens=1,
    pos_interp="dino",
    licence="Apache-2.0",
    notes=(
        "An untrained ViT-S/16. Weights are drawn from raw PCG64 integers, seeded by the name of "
        "each tensor, and so are the same on every machine."
    ),
)

PIXELS = ModelCard(
    name="baseline/pixels",
    revision="colour-spread-position:1",
    patch_size=16,
    embed_dim=8,
    params_m=0.0,
    mean=(0.0, 0.0, 0.0),
    std=(1.0, 1.0, 1.0),
    licence="Apache-2.0",
    notes=(
        "Colour and place of each patch: mean of R, G, B (0..1), their standard deviations "
        "(0..0.5), and the centre's row and column divided by the longer side (0..1)."
    ),
)

INIT_STD = 0.02
"""Of the truncated normal, cut at two standard deviations, that ViTs are initialised with."""


def register(models: Registry[ModelEntry]) -> None:
    """Add both to a registry."""
    models.register(RANDOM.name, ModelEntry(card=RANDOM, build=build_random))
    models.register(PIXELS.name, ModelEntry(card=PIXELS, build=PixelFeatures))


class PixelFeatures:
    """Mean colour, spread of the colours and position of each patch: D = 8.

    All eight lie within 0..1 and spread by a few tenths over an ordinary image, so colour and
    place weigh about the same where a protocol does not standardise.
    """

    def __init__(self) -> None:
        self.card = PIXELS

    def extract(self, images: Tensor) -> PatchFeatures:
        """Map images [B, 3, H, W] in 0..1 to tokens [B, N, 8] in float32.

        Pixels beyond the last complete patch are not used.

        Example:
            >>> import torch
            >>> features = PixelFeatures().extract(torch.ones(1, 3, 32, 64))
            >>> features.grid
            (2, 4)
            >>> features.tokens[0, 0].tolist()
            [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.125, 0.125]
        """
        import torch

        size = self.card.patch_size
        rows, cols = (side // size for side in images.shape[-2:])
        cells = images[..., : rows * size, : cols * size].float()
        cells = cells.reshape(len(images), 3, rows, size, cols, size)
        spread, mean = torch.std_mean(cells, dim=(3, 5), correction=0)  # [B, 3, rows, cols]
        centres = [
            (torch.arange(n, device=images.device) + 0.5) / max(rows, cols) for n in (rows, cols)
        ]
        place = torch.stack(torch.meshgrid(*centres, indexing="ij"))
        place = place.expand(len(images), -1, -1, -1)
        tokens = torch.cat([mean, spread, place], dim=1).flatten(2).transpose(1, 2)
        return PatchFeatures(tokens, (rows, cols))


def build_random() -> FeatureModel:
    """Build the untrained ViT-S/16."""
    from tvseg_bench.models.networks.dense import create_net, dense_model

    net = create_net("vit_small_patch16_224")
    seed_weights(net, seed=0)
    return dense_model(net, RANDOM)


def seed_weights(net: nn.Module, *, seed: int) -> None:
    """Give every parameter of a ViT the same values on every machine.

    Norm scales become 1, vectors otherwise 0, all others a normal of standard deviation 0.02
    that is cut at two of them. Uniform numbers are raw PCG64 integers, whose stream numpy keeps
    for good; the stream depends on the seed and the parameter's name, not on their order.
    """
    import torch

    for name, parameter in net.named_parameters():
        if parameter.ndim > 1:
            values = _truncated_normal(parameter.numel(), f"{seed}/{name}")
            filled = values.reshape(parameter.shape)
        else:
            filled = torch.full(parameter.shape, float("norm" in name and name.endswith("weight")))
        with torch.no_grad():
            parameter.copy_(filled)


def _truncated_normal(count: int, key: str) -> Tensor:
    """Return [count] values of a normal that is cut at two standard deviations, by inversion."""
    import numpy as np
    import torch
    from scipy.special import ndtr, ndtri

    stream = np.random.PCG64(np.random.SeedSequence(list(key.encode())))
    uniform = ((stream.random_raw(count) >> 11) + 0.5) * 2.0**-53
    low, high = ndtr(-2.0), ndtr(2.0)
    values = INIT_STD * ndtri(low + uniform * (high - low))
    return torch.from_numpy(values.astype(np.float32))
