"""Label propagation of DINO (eval_video_segmentation.py), up to the label maps it writes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch

from tvseg_bench.benchmark.features.frames import normalised, statistics, target_size
from tvseg_bench.benchmark.propagation.propagate import PropagationRule, propagate
from tvseg_bench.benchmark.propagation.soft_labels import (
    hard_labels,
    rescaled,
    resized_labels,
    soft_labels,
    upsampled,
)
from tvseg_bench.benchmark.types import ModelCard, View

pytestmark = pytest.mark.conformance

MANIFEST = "dino_propagation"
FIELDS = (
    *("name", "h", "w", "ps", "dim", "T", "C", "n_last", "rad", "topk", "ori_h", "ori_w"),
    *("C_effective", "soft_min", "soft_nan"),
)
ARRAYS = (
    *("features", "seg_ori", "first_seg_onehot", "soft_pred", "label_maps"),
    *("neighbourhood_mask", "last_up", "last_up_norm"),
)
CLOSE = {"rtol": 0, "atol": 1e-5, "equal_nan": True}


def rule_of(entry: Mapping[str, Any]) -> PropagationRule:
    window = "square" if entry["rad"] else "none"
    return PropagationRule(
        topk=entry["topk"], window=window, radius=entry["rad"], n_context=entry["n_last"]
    )


def test_first_labels(case: Any) -> None:
    entry, found = case.fields(*FIELDS), case.arrays(*ARRAYS)
    grid, n = (entry["h"], entry["w"]), entry["C_effective"]
    assert found["seg_ori"].shape == (entry["ori_h"], entry["ori_w"])
    ours = soft_labels(found["seg_ori"], n, grid, "nearest-pil")
    np.testing.assert_array_equal(ours, found["first_seg_onehot"])


def test_propagation(case: Any) -> None:
    entry, found = case.entry, case.arrays(*ARRAYS)
    h, w, patch = entry["h"], entry["w"], entry["ps"]
    features = torch.from_numpy(found["features"]).view(1, entry["T"], h, w, entry["dim"])
    labels = torch.from_numpy(found["first_seg_onehot"])[None]
    soft = propagate(features, labels, rule_of(entry))[0]
    np.testing.assert_allclose(soft, found["soft_pred"], **CLOSE)
    size = (h * patch, w * patch)
    last = upsampled(soft[-1], size, "bilinear")
    np.testing.assert_allclose(last, found["last_up"], **CLOSE)
    np.testing.assert_allclose(rescaled(last, "minmax-dino"), found["last_up_norm"], **CLOSE)
    given, *published = found["label_maps"]
    np.testing.assert_array_equal(given, found["seg_ori"])
    for ours, map_ in zip(soft, published, strict=True):
        small = hard_labels(ours, size, "bilinear", "minmax-dino").numpy()
        np.testing.assert_array_equal(resized_labels(small, given.shape), map_)


def test_window(case: Any) -> None:
    entry, found = case.entry, case.arrays(*ARRAYS)
    assert ("neighbourhood_mask" in found) == (entry["rad"] > 0)
    n = entry["h"] * entry["w"]
    # where all patches look alike, all within the window have a say
    alike = torch.ones(1, 2, entry["h"], entry["w"], 1)
    identity = torch.eye(n).view(1, n, entry["h"], entry["w"])
    given = propagate(alike, identity, rule_of(entry))[0, 0].flatten(1).T > 0
    np.testing.assert_array_equal(given, found.get("neighbourhood_mask", np.ones((n, n))))


def test_what_the_model_is_shown(header: Mapping[str, Any]) -> None:
    view = View(size=480, resize="short-side-64", statistics="timet")
    for rule in header.get("resize_rules", []):
        size = target_size(*rule["in_hw"], view, 16)
        assert list(size) == rule["net_hw"]
        # of square frames the original transposes the grid, and ends with an error
        if rule["in_hw"][0] != rule["in_hw"][1]:
            for patch in (8, 16):
                assert [side // patch for side in size] == rule[f"seg_hw_p{patch}"]
        card = ModelCard(name="any/any", patch_size=16, embed_dim=1)
        black = normalised(torch.zeros(1, 1, 1, 3, dtype=torch.uint8), statistics(card, view))
        np.testing.assert_allclose(black.flatten(), rule["black_pixel"], rtol=1e-6)
