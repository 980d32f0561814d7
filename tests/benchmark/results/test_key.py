from dataclasses import replace

import numpy as np
import pytest

from tvseg_bench.benchmark.results.key import CellKey, protocol_hash
from tvseg_bench.benchmark.results.text import ResultError, canonical_json, to_jsonable

KEY = CellKey(
    model="dino/vits16",
    revision="sha256:ab12",
    protocol="kmeans-clip",
    protocol_version=1,
    params={"k": "gt"},
    dataset="davis-2017",
    split="val",
    dataset_version=1,
    manifest_sha256="cd" * 32,
    resolution={"size": 224},
    seed=0,
)
OTHER = {
    "model": "dino/vits8",
    "revision": "sha256:ab13",
    "protocol": "kmeans-frame",
    "preset": "timet",
    "protocol_version": 2,
    "params": {"k": 21},
    "dataset": "davis-2016",
    "split": "train",
    "dataset_version": 2,
    "manifest_sha256": "ce" * 32,
    "resolution": {"size": 448},
    "layer": 11,
    "dtype": "bf16",
    "seed": 1,
    "limit": 3,
}


def test_golden_ids() -> None:
    """Finished runs are found again after an upgrade: these never change."""
    assert KEY.cell_id == "1c9978efa8a0b13d"
    assert KEY.protocol_hash == "0c40b15709e058bc"
    params = {"tol": 1e-5, "k": 21, "void": None, "é": [1.5, True]}
    changed = {"preset": "timet", "layer": 11, "dtype": "bf16", "limit": 3}
    assert replace(KEY, params=params, **changed).cell_id == "f87f5b256b80ef2a"


def test_every_field_counts() -> None:
    assert set(OTHER) == set(KEY.__dataclass_fields__)
    ids = {replace(KEY, **{name: value}).cell_id for name, value in OTHER.items()}
    assert len(ids | {KEY.cell_id}) == len(OTHER) + 1


def test_order_and_kind_of_container_do_not_count() -> None:
    ordered = replace(KEY, params={"a": 1, "b": (1, 2)})
    assert ordered.cell_id == replace(KEY, params={"b": [1, 2], "a": np.int64(1)}).cell_id
    assert protocol_hash({"a": 1, "b": 2}) == protocol_hash({"b": 2, "a": 1})


def test_plain_takes_arrays_and_drops_what_is_not_finite() -> None:
    value = {"a": np.arange(2), "b": np.float32(0.5), "c": float("inf"), 4: {1, 0}}
    assert to_jsonable(value) == {"a": [0, 1], "b": 0.5, "c": None, "4": [0, 1]}
    assert canonical_json(to_jsonable(np.nan)) == "null"


def test_plain_names_what_json_cannot_hold() -> None:
    with pytest.raises(ResultError, match=r"^details\.x\.1 is a bytes, which a result file"):
        to_jsonable({"x": [0, b"raw"]}, "details")
