"""cluster_features of TimeT (clustering.py): project, upsample, k-means on a random subset.

Cluster ids mean nothing, so maps are compared as partitions.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tvseg_bench.benchmark.clustering import fit_projection, published_kmeans
from tvseg_bench.benchmark.metrics.contingency import contingency
from tvseg_bench.benchmark.metrics.iou import accuracy, class_counts
from tvseg_bench.benchmark.metrics.matching import match

pytestmark = pytest.mark.conformance

MANIFEST = "timet_clustering"
DIMS = 50
GIVEN = ("case", "protocol", "bs", "fs", "grid", "dim", "K", "out_res")
FROM_TRUTH = ("case", "note", "K_found")
PROTOCOLS = ("frame-wise", "sample-wise", "dataset-wise")


def units(protocol: str, bs: int, fs: int) -> list[tuple[Any, ...]]:
    """The frames [bs, fs] that share one k-means."""
    if protocol == "frame-wise":
        return [(clip, slice(f, f + 1)) for clip in range(bs) for f in range(fs)]
    if protocol == "sample-wise":
        return [(clip, slice(None)) for clip in range(bs)]
    return [(slice(None), slice(None))]


def projected(features: np.ndarray) -> np.ndarray:
    """Standardise and project over the whole batch; [bs, fs, side, side, dims]."""
    bs, fs, tokens, dim = features.shape
    side = int(tokens**0.5)
    rows = features.reshape(-1, dim)
    return fit_projection(rows, DIMS)(rows).reshape(bs, fs, side, side, -1)


def clustered(features: np.ndarray, k: int, resolution: int) -> np.ndarray:
    frames = features.reshape(-1, *features.shape[-3:])
    return published_kmeans(frames, (resolution, resolution), k).labels


def same_partition(ours: np.ndarray, published: np.ndarray) -> bool:
    """Whether the maps agree up to names and to a pixel in a hundred, on borders."""
    table = contingency(published.reshape(ours.shape), ours, void=None)
    agreement = accuracy(class_counts(table, match(table, "hungarian-count")))
    return agreement is not None and agreement > 0.99


def check_given_k(case: Any) -> None:
    entry = case.fields(*GIVEN)
    case.knows("protocol", [entry["protocol"]], PROTOCOLS)
    found = case.arrays("features", "patch_labels", "maps")
    features = found["features"]
    assert features.shape == (entry["bs"], entry["fs"], entry["grid"] ** 2, entry["dim"])
    assert found["maps"].shape[-1] == entry["out_res"]
    maps = projected(features)
    for unit in units(entry["protocol"], *features.shape[:2]):
        ours = clustered(maps[unit], entry["K"], entry["out_res"])
        assert same_partition(ours, found["maps"][unit]), unit


def check_k_from_truth(case: Any, features: np.ndarray, annotations: np.ndarray) -> None:
    """The protocol follows from the number of units: the manifest has no field for it here.

    One unit may state its K as a list or as a number.
    """
    found = np.ravel(case.fields(*FROM_TRUTH)["K_found"]).tolist()
    published = case.arrays("maps")["maps"]
    maps = projected(features)
    shape = features.shape[:2]
    chosen = [units(p, *shape) for p in PROTOCOLS if len(units(p, *shape)) == len(found)]
    assert chosen, f"{case.name}: {len(found)} values of K fit no protocol"
    for unit, k in zip(chosen[0], found, strict=True):
        assert np.unique(annotations[unit]).size == k, unit
        ours = clustered(maps[unit], k, published.shape[-1])
        assert same_partition(ours, published[unit]), unit


def test_partition(case: Any, stored: Callable[..., list[np.ndarray]]) -> None:
    if "K_found" in case.entry:
        stem = case.name.rpartition("_")[0]
        check_k_from_truth(case, *stored(f"{stem}_features", f"{stem}_annotations"))
    else:
        check_given_k(case)
