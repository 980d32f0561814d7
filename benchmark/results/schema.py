"""The fields of a result: numbers, and the name and parameters of everything that made them.

Schema `tvseg-bench/result@1`. Fractions 0..1, from -1 where the metric's name says so
(`bounds`); None (JSON null), never 0, for what was not computed. A result that was read has been
checked: its cell id and its protocol hash are those of its own fields, so an edited identity does
not pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from tvseg_bench.benchmark.metrics.bounds import outside
from tvseg_bench.benchmark.results.key import CellKey, protocol_hash
from tvseg_bench.benchmark.results.provenance import Provenance
from tvseg_bench.benchmark.results.text import Line, Name, Sha256

SCHEMA: Final = "tvseg-bench/result@1"

Fraction = Annotated[float, Field(ge=0, le=1)]
Value = Annotated[float, Field(ge=-1, le=1)]
"""Of a metric; whether it may be negative is known where its name is."""
Count = Annotated[int, Field(ge=0)]
CellId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Plugin(_Part):
    """Who brought the model, where it is no built-in one."""

    package: Name | None = None
    version: Name | None = None
    file_sha256: Sha256 | None = None


class Card(_Part):
    """The model's card as it was; fields of later versions and of plugins are kept."""

    model_config = ConfigDict(extra="allow")

    patch_size: Annotated[int, Field(ge=1)] | None = None
    embed_dim: Annotated[int, Field(ge=1)] | None = None
    params_m: Annotated[float, Field(ge=0)] | None = None
    """Millions."""
    licence: Line = "unknown"
    pretraining_data: tuple[Line, ...] = ()
    trained_on_labels: bool = False
    trained_on_eval_data: tuple[Line, ...] = ()


class Model(_Part):
    """The backbone."""

    name: Name
    revision: Name
    card: Card = Card()
    plugin: Plugin | None = None


class ProtocolRun(_Part):
    """The protocol with every resolved parameter."""

    id: Name
    preset: Name = "standard"
    version: Count
    hash: CellId
    """Of `params`."""
    params: dict[str, JsonValue] = Field(default_factory=dict)


class DataUsed(_Part):
    """The data that were scored."""

    id: Name
    split: Name
    version: Count
    manifest_sha256: Sha256
    n_clips: Count | None = None
    n_frames: Count | None = None
    background: int | None = None
    """The label that `miou_fg` leaves out."""


class Metric(_Part):
    """One number, with how sure it is."""

    value: Value | None
    seeds: tuple[Value | None, ...] = ()
    """Value per seed; a cell has one."""
    sd: Annotated[float, Field(ge=0)] | None = None
    """Standard deviation over seeds; None for one."""
    ci95: tuple[Value, Value] | None = None
    """Over clips."""
    ci_method: Line | None = None
    """Its name, or `none: ` and the reason."""
    n: Count = 0
    """Clips that say something."""
    higher_is_better: bool = True

    @model_validator(mode="after")
    def _ordered(self) -> Metric:
        if self.ci95 is not None and self.ci95[0] > self.ci95[1]:
            raise ValueError("the lower end of ci95 is above the upper one")
        return self


class PerClass(_Part):
    """Parallel lists, one entry per class."""

    labels: tuple[int, ...] = ()
    names: tuple[Line, ...] = ()
    iou: tuple[Fraction | None, ...] = ()
    support: tuple[Count, ...] = ()
    """True pixels."""


class Timing(_Part):
    """Seconds, frames per second, MiB; None where it was not measured."""

    extract_s: Annotated[float, Field(ge=0)] | None = None
    protocol_s: Annotated[float, Field(ge=0)] | None = None
    fps: Annotated[float, Field(ge=0)] | None = None
    peak_gpu_mb: Annotated[float, Field(ge=0)] | None = None
    gflops: Annotated[float, Field(ge=0)] | None = None
    """Of the forward pass of one square frame of the view's size, two a multiply-add, in
    thousand millions; None where it was not counted."""


class Reported(_Part):
    """What the paper says."""

    value: Fraction
    where: Line = ""


class Trust(_Part):
    """Who stands for the numbers."""

    level: Literal["self-reported", "samples-verified", "reproduced", "author-confirmed"] = (
        "self-reported"
    )
    verified_by: Line | None = None
    reported_in_paper: Reported | None = None


class Samples(_Part):
    """The rows from which the metrics can be recomputed: `samples/<cell_id>.jsonl`."""

    sha256: Sha256
    n_clips: Count
    n_frames: Count
    resample: Literal["mean", "counts"] = "mean"
    """How the metric is made of the clips' rows."""


class Result(_Part):
    """One cell of the grid; see the module's text."""

    schema_: Literal["tvseg-bench/result@1"] = Field(default=SCHEMA, alias="schema")
    cell_id: CellId
    status: Literal["ok", "skipped", "failed"]
    reason: str = Field(default="", max_length=20_000)
    """Why, where the status is not ok."""
    partial: bool = False
    limit: Annotated[int, Field(ge=1)] | None = None
    """Number of clips taken, where not all were."""
    model: Model
    protocol: ProtocolRun
    dataset: DataUsed
    resolution: dict[str, JsonValue]
    """The view that the model was shown."""
    layer: int = -1
    dtype: Name = "fp32"
    seed: int
    metrics: dict[Name, Metric] = Field(default_factory=dict)
    """The first one is the headline."""
    references: dict[Line, Value | None] = Field(default_factory=dict)
    """The same data without a model: `constant/miou`, `oracle/miou`, ..."""
    per_class: PerClass = PerClass()
    details: dict[str, JsonValue] = Field(default_factory=dict)
    samples: Samples | None = None
    timing: Timing = Timing()
    provenance: Provenance
    trust: Trust = Trust()

    @model_validator(mode="after")
    def _whole(self) -> Result:
        if (self.status == "ok") != bool(self.metrics):
            raise ValueError("metrics stand in a result if and only if its status is ok")
        if (self.status == "ok") == bool(self.reason):
            raise ValueError("a reason stands in a result if and only if its status is not ok")
        if self.partial != (self.limit is not None):
            raise ValueError("partial must be true exactly where limit is given")
        for where, name, value in self._values():
            if wrong := outside(name, value):
                raise ValueError(f"{where} is {value}: input {wrong}")
        if self.protocol.hash != protocol_hash(self.protocol.params):
            raise ValueError("protocol.hash is not the hash of protocol.params: one was edited")
        if self.cell_id != self.key.cell_id:
            raise ValueError(
                "cell_id is not that of model, protocol, dataset, resolution, layer, dtype, seed "
                f"and limit (which give {self.key.cell_id}): one of them was edited"
            )
        return self

    def _values(self) -> Iterator[tuple[str, str, float | None]]:
        """Yield place, metric and value of every number that a metric's name bounds."""
        for name, metric in self.metrics.items():
            for value in (metric.value, *metric.seeds, *(metric.ci95 or ())):
                yield f"metrics.{name}", name, value
        for name, value in self.references.items():
            yield f"references.{name}", name, value

    @property
    def key(self) -> CellKey:
        """Return the identity of the cell."""
        return CellKey(
            model=self.model.name,
            revision=self.model.revision,
            protocol=self.protocol.id,
            preset=self.protocol.preset,
            protocol_version=self.protocol.version,
            params=self.protocol.params,
            dataset=self.dataset.id,
            split=self.dataset.split,
            dataset_version=self.dataset.version,
            manifest_sha256=self.dataset.manifest_sha256,
            resolution=self.resolution,
            layer=self.layer,
            dtype=self.dtype,
            seed=self.seed,
            limit=self.limit,
        )

    @property
    def headline(self) -> str | None:
        """Return the name of the first metric."""
        return next(iter(self.metrics), None)

    def to_json(self) -> str:
        """Return the text of the result file."""
        return self.model_dump_json(by_alias=True, indent=1) + "\n"


def comparable_fields(result: Result) -> dict[str, Any]:
    """Return everything of a result that must not depend on when and where it was made.

    Timing and provenance are left out, nothing else.
    """
    return result.model_dump(mode="json", by_alias=True, exclude={"timing", "provenance"})


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a result file; `result.schema.json` holds it."""
    schema = Result.model_json_schema(by_alias=True, mode="serialization")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA,
        **schema,
        "title": "Result of one tvseg-bench cell",
    }
