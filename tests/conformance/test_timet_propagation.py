"""The Feature Forwarder of TimeT (mask_propagation.py)."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from tvseg_bench.benchmark.propagation.propagate import PropagationRule, propagate
from tvseg_bench.benchmark.propagation.soft_labels import rescaled

pytestmark = pytest.mark.conformance

MANIFEST = "timet_propagation"
FIELDS = (
    *("case", "name", "frames", "grid", "dim", "channels", "n_last_frames", "topk"),
    *("size_mask_neighborhood", "seg_kind", "first_seg_hw", "temperature"),
    *("min_argmax_margin_last_frame", "max_abs_diff_TimeT_clean_FeatureForwarder"),
)


def test_propagation(case: Any) -> None:
    entry = case.fields(*FIELDS)
    found = case.arrays("features", "first_seg", "out", "argmax_last")
    side, radius = entry["grid"], entry["size_mask_neighborhood"]
    rule = PropagationRule(
        temperature=entry["temperature"],
        topk=entry["topk"],
        window="square" if radius else "none",
        radius=radius,
        n_context=entry["n_last_frames"],
    )
    features = torch.from_numpy(found["features"])
    assert features.shape == (entry["frames"], side * side, entry["dim"])
    first = torch.from_numpy(found["first_seg"])[None].double()
    assert first.shape == (1, entry["channels"], *entry["first_seg_hw"])
    labels = interpolate(first, size=(side, side), mode="nearest")
    ours = propagate(features.view(1, -1, side, side, entry["dim"]), labels, rule)[0].numpy()
    np.testing.assert_allclose(ours, found["out"], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(ours[-1].argmax(0), found["argmax_last"])


@pytest.mark.parametrize(("side", "radius"), [(4, 1), (6, 2), (8, 6)])
def test_window(side: int, radius: int, stored: Callable[..., list[np.ndarray]]) -> None:
    (published,) = stored(f"neighborhood_h{side}_r{radius}")
    np.testing.assert_array_equal(reached(side, side, PropagationRule(radius=radius)), published)


def reached(h: int, w: int, rule: PropagationRule) -> np.ndarray:
    """Return [h * w, h * w] which patches have a say: they all do where all look alike."""
    features = torch.ones(1, 2, h, w, 1)
    labels = torch.eye(h * w).view(1, h * w, h, w)
    return (propagate(features, labels, rule)[0, 0].flatten(1).T > 0).numpy()


def test_stretched_maps(stored: Callable[..., list[np.ndarray]]) -> None:
    """The release has this and does not use it; what is constant becomes 0."""
    maps, published = stored("norm_mask_in", "norm_mask_out")
    ours = rescaled(torch.from_numpy(maps), "minmax-dinov3").numpy()
    np.testing.assert_allclose(ours, published, rtol=0, atol=1e-6)
