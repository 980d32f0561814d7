"""What must be equal for results to share a table of the board, or a row of it."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from functools import cached_property

from tvseg_bench.benchmark.results.schema import Result
from tvseg_bench.benchmark.results.text import canonical_json, short_hash


@dataclass(frozen=True, order=True)
class TableKey:
    """What must be equal for two results to stand in one table."""

    dataset: str
    split: str
    dataset_version: int
    protocol: str
    preset: str
    protocol_version: int
    protocol_hash: str
    manifest_sha256: str
    resolution: str
    """Canonical JSON of the view."""

    @property
    def protocol_label(self) -> str:
        """Return the protocol as it is typed: with its preset where that is not `standard`."""
        return self.protocol if self.preset == "standard" else f"{self.protocol}:{self.preset}"

    @property
    def dataset_label(self) -> str:
        """Return the data set as it is typed, always with its split."""
        return f"{self.dataset}:{self.split}"

    @cached_property
    def id(self) -> str:
        """Return 8 hexadecimal digits."""
        return short_hash([str(value) for value in astuple(self)])[:8]


@dataclass(frozen=True, order=True)
class RowKey:
    """What must be equal for two results to be seeds of one row."""

    model: str
    revision: str
    layer: int
    dtype: str

    @property
    def family(self) -> str:
        """Return the part of the model's name before the first slash."""
        return self.model.partition("/")[0]


def table_key(result: Result) -> TableKey:
    """Return the table that a result belongs to."""
    return TableKey(
        dataset=result.dataset.id,
        split=result.dataset.split,
        dataset_version=result.dataset.version,
        protocol=result.protocol.id,
        preset=result.protocol.preset,
        protocol_version=result.protocol.version,
        protocol_hash=result.protocol.hash,
        manifest_sha256=result.dataset.manifest_sha256,
        resolution=canonical_json(result.resolution),
    )
