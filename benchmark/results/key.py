"""The identity of a cell: what must be equal for two numbers to be the same measurement.

The suite's and the packages' versions are recorded in a result but are not part of its identity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

from tvseg_bench.benchmark.results.text import short_hash, to_jsonable

IDENTITY_VERSION = 1
"""Version of this identity function; a change of it makes every finished cell run again."""


@dataclass(frozen=True, kw_only=True)
class CellKey:
    """One cell of the grid of models, protocols, data sets and seeds.

    Example:
        >>> key = CellKey(
        ...     model="dino/vits16", revision="sha256:ab12",
        ...     protocol="kmeans-clip", protocol_version=1, params={"k": "gt"},
        ...     dataset="davis-2017", split="val", dataset_version=1, manifest_sha256="cd" * 32,
        ...     resolution={"size": 224}, seed=0,
        ... )
        >>> key.cell_id
        '1c9978efa8a0b13d'
    """

    model: str
    revision: str
    """`sha256:` of the weights, or another string that changes whenever features may."""
    protocol: str
    preset: str = "standard"
    protocol_version: int
    params: Mapping[str, Any] = field(default_factory=dict)
    """Every resolved parameter, as JSON holds it."""
    dataset: str
    split: str
    dataset_version: int
    manifest_sha256: str
    resolution: Mapping[str, Any]
    """The fields of the View."""
    layer: int = -1
    """Block whose output is scored; -1 is the last."""
    dtype: str = "fp32"
    seed: int
    limit: int | None = None
    """Number of clips where not all were taken; such a result is partial."""

    @cached_property
    def cell_id(self) -> str:
        """Return 16 hexadecimal digits, the same on every machine and for every later version."""
        parts = {f.name: to_jsonable(getattr(self, f.name), f.name) for f in fields(self)}
        return short_hash({"identity": IDENTITY_VERSION, **parts})

    @property
    def protocol_hash(self) -> str:
        """Return the hash of the resolved parameters."""
        return protocol_hash(self.params)


def protocol_hash(params: Mapping[str, Any]) -> str:
    """Return 16 hexadecimal digits over the resolved parameters of a protocol.

    Example:
        >>> protocol_hash({"k": "gt", "size": 224}) == protocol_hash({"size": 224, "k": "gt"})
        True
    """
    return short_hash(to_jsonable(params))
