"""Label propagation of the DINOv3 notebook (segmentation_tracking.ipynb)."""

from typing import Any

import numpy as np
import pytest
import torch

from tvseg_bench.benchmark.propagation import propagate as module
from tvseg_bench.benchmark.propagation.propagate import PropagationRule, Propagator, propagate
from tvseg_bench.benchmark.propagation.soft_labels import rescaled, upsampled

pytestmark = pytest.mark.conformance

MANIFEST = "dinov3_propagation"
FIELDS = (
    *("name", "h", "w", "dim", "t", "M", "size", "shape", "topk", "temperature"),
    *("error", "nan"),
)
ARRAYS = ("cur", "ctx", "probs", "mask", "out", "post", "argmax")
CLOSE = {"rtol": 0, "atol": 1e-5}


def test_propagation(case: Any) -> None:
    entry = case.fields(*FIELDS)
    if entry["error"] is not None:
        pytest.skip(f"the original ends with {entry['error']}")
    found = {name: torch.from_numpy(array) for name, array in case.arrays(*ARRAYS).items()}
    h, w = entry["h"], entry["w"]
    rule = PropagationRule(
        temperature=entry["temperature"],
        topk=entry["topk"],
        window=entry["shape"],
        radius=entry["size"],
    )
    probabilities = found["probs"].permute(0, 3, 1, 2)
    clip = Propagator(found["ctx"][:1], probabilities[:1], rule)
    for t in range(1, entry["t"]):  # a context whose labels are given, not propagated
        clip._recent.append(module._frame(found["ctx"][t : t + 1], probabilities[t : t + 1]))
    soft = clip.step(found["cur"][None])[0]
    np.testing.assert_allclose(soft.permute(1, 2, 0), found["out"], **CLOSE)
    post = rescaled(upsampled(soft, (4 * h, 4 * w), "nearest"), "minmax-dinov3")
    np.testing.assert_allclose(post, found["post"], **CLOSE)
    np.testing.assert_array_equal(post.argmax(0), found["argmax"])


def test_window(case: Any) -> None:
    entry, found = case.entry, case.arrays(*ARRAYS)
    h, w = entry["h"], entry["w"]
    rule = PropagationRule(window=entry["shape"], radius=entry["size"])
    # where all patches look alike, all within the window have a say
    identity = torch.eye(h * w).view(1, h * w, h, w)
    given = propagate(torch.ones(1, 2, h, w, 1), identity, rule)[0, 0]
    np.testing.assert_array_equal(given.permute(1, 2, 0).reshape(h, w, h, w) > 0, found["mask"])
