"""Positional embeddings on other grids, by DINO, DINOv2 (with and without registers) and timm.

Sources: facebookresearch/dino vision_transformer.py, facebookresearch/dinov2
interpolate_pos_encoding, timm.layers.resample_abs_pos_embed.
"""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from tvseg_bench.models.pos_embed import interpolate_pos_embed

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
