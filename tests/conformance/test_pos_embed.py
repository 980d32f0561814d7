"""Positional embeddings on other grids, by DINO, DINOv2 (with and without registers) and timm.

Sources: facebookresearch/dino vision_transformer.py, facebookresearch/dinov2
interpolate_pos_encoding, timm.layers.resample_abs_pos_embed.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

import tvseg_bench.models  # noqa: F401  (registers them)
from tvseg_bench.benchmark.registry import models
from tvseg_bench.benchmark.types import ModelCard
from tvseg_bench.models.loading.families import Backbone
from tvseg_bench.models.networks.dense import create_net, dense_model
from tvseg_bench.models.networks.pos_embed import interpolate_pos_embed

pytestmark = pytest.mark.conformance

MANIFEST = "pos_embed"
TOLERANCE = 1e-5
FAMILY = {"dino": "dino", "dinov2": "dino", "dinov2_reg": "timm"}
DIFFERENCES = {
    "max_abs_dino_vs_timm": ("dino", "timm"),
    "max_abs_dinov2_vs_dinov2_reg": ("dinov2", "dinov2_reg"),
    "max_abs_dinov2reg_vs_timm": ("dinov2_reg", "timm"),
}
KEY = re.compile(r"M(\d+)/h(\d+)_w(\d+)/(\w+)")


def ours(table: np.ndarray, side: int, grid: tuple[int, int], family: str) -> np.ndarray:
    full = torch.from_numpy(table)
    return interpolate_pos_embed(full, grid, native=(side, side), prefix=1, family=family).numpy()


def test_interpolation(case: Any, stored: Callable[..., list[np.ndarray]]) -> None:
    entry = case.entry
    case.knows("field", entry, ("key", "error", *DIFFERENCES))
    match = KEY.fullmatch(entry["key"])
    assert match, f"{case.where}: unknown kind {entry['key']!r}"
    case.knows("kind", [match[4]], FAMILY)
    side, rows, cols = (int(number) for number in match.groups()[:3])
    assert entry["error"] is None, f"{case.where}: unknown kind: a published error"
    place = f"M{side}/h{rows}_w{cols}"
    table, expected = stored(f"M{side}/pos_embed", entry["key"])
    found = ours(table, side, (rows, cols), FAMILY[match[4]])
    np.testing.assert_allclose(found, expected, atol=TOLERANCE, rtol=0)
    for field in DIFFERENCES.keys() & entry.keys():
        first, second = stored(*(f"{place}/{name}" for name in DIFFERENCES[field]))
        assert np.abs(first - second).max() == pytest.approx(entry[field], abs=TOLERANCE)
        timm = ours(table, side, (rows, cols), "timm")
        np.testing.assert_allclose(timm, stored(f"{place}/timm")[0], atol=TOLERANCE, rtol=0)


# ------------------------------------------------------------------- every registered ViT

GRIDS = [(14, 14), (30, 52), (52, 30)]
SIDES = {8: 28, 14: 37, 16: 14}
"""Native grid by patch, for images of 224 pixels (patch 14: 518)."""
PUBLISHED = {
    **dict.fromkeys(("dino", "ibot", "leopart", "timet", "cribo", "croc", "stego"), "dino"),
    **dict.fromkeys(("mae", "mocov3", "mosic"), "timm"),
    **dict.fromkeys(("dinov2", "franca"), "dinov2"),
    "neco": "dino",
}
"""Whose interpolation each family's own code uses (DINOv2 with registers has another)."""


def plain_vits() -> list[Backbone]:
    """Return the models whose positions are a table, each architecture as it is registered."""
    found = []
    for name in models:
        entry = models.loaded(name)
        build = entry.build if entry is not None else None
        backbone = build.args[0] if isinstance(build, partial) and build.args else None
        vit = isinstance(backbone, Backbone) and backbone.arch.startswith("vit")
        if vit and backbone.card.pos_interp != "rope":
            found.append(backbone)
    return found


def published_kind(card: ModelCard) -> str:
    family = card.name.partition("/")[0]
    return "dinov2_reg" if family == "dinov2" and "reg" in card.name else PUBLISHED[family]


@pytest.mark.parametrize("backbone", plain_vits(), ids=lambda b: b.card.name)
@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_every_model_interpolates_as_published(
    backbone: Backbone, grid: tuple[int, int], stored: Callable[..., list[np.ndarray]]
) -> None:
    """A model of the published table's width and grid, empty but for the table, embeds it so."""
    card, side = backbone.card, SIDES[backbone.card.patch_size]
    place = f"M{side}/h{grid[0]}_w{grid[1]}/{published_kind(card)}"
    table, expected = stored(f"M{side}/pos_embed", place)
    patch, width = card.patch_size, table.shape[2]
    small = {"embed_dim": width, "depth": 1, "num_heads": 1, "img_size": side * patch}
    net: Any = create_net(backbone.arch, {**backbone.options, **small})
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        net.pos_embed.copy_(torch.from_numpy(table[:, -net.pos_embed.shape[1] :]))
    model: Any = dense_model(net, card)
    with torch.no_grad():
        tokens, found_grid = model._embed(torch.zeros(1, 3, grid[0] * patch, grid[1] * patch))
    assert found_grid == grid
    found = tokens[:, card.num_prefix_tokens :].numpy()
    np.testing.assert_allclose(found, expected[:, 1:], atol=TOLERANCE, rtol=0)
