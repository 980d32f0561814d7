"""The fields of a result: numbers, and the name and parameters of everything that made them.

Schema `tvseg-bench/result@1`. Fractions 0..1, or what the metric's own `lowest`, `highest` and
`unit` say; None (JSON null), never 0, for what was not computed. What a board has to know of a
metric stands beside its number, since the protocol may be a plugin that is not installed where the
board is built. A result that was read has been checked: its cell id and its protocol hash are
those of its own fields, so an edited identity does not pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, isinf
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from tvseg_bench.benchmark.results.key import CellKey, protocol_hash
from tvseg_bench.benchmark.results.older_files import complete_data, complete_metric
from tvseg_bench.benchmark.results.provenance import Provenance
from tvseg_bench.benchmark.results.text import FilePart, Line, Name, Sha256
from tvseg_bench.benchmark.types import Unit

SCHEMA: Final = "tvseg-bench/result@1"

Fraction = Annotated[float, Field(ge=0, le=1)]
Value = float
"""Of a metric, whose range the metric states."""
Bound = Annotated[
    float,
    Field(allow_inf_nan=True),
    PlainSerializer(lambda end: None if isinf(end) else end, return_type=float | None),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "null"}]}),
]
"""End of a range, infinite where there is none; JSON has no infinity and says null."""
Count = Annotated[int, Field(ge=0)]
CellId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


class Plugin(FilePart):
    """Who brought the model, where it is not a built-in one."""

    package: Name | None = None
    version: Name | None = None
    file_sha256: Sha256 | None = None


class Card(FilePart):
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


class Model(FilePart):
    """The backbone."""

    name: Name
    revision: Name
    card: Card = Card()
    plugin: Plugin | None = None


class ProtocolRun(FilePart):
    """The protocol with every resolved parameter."""

    id: Name
    preset: Name = "standard"
    version: Count
    hash: CellId
    """Of `params`."""
    params: dict[str, JsonValue] = Field(default_factory=dict)


class DataUsed(FilePart):
    """The data that were scored."""

    id: Name
    split: Name
    version: Count
    manifest_sha256: Sha256
    n_clips: Count | None = None
    n_frames: Count | None = None
    background: int | None = None
    """The label that metrics whose `background` is left-out do not average."""
    n_classes: Count | None = None
    """Classes with a name of their own, over which a mean goes that counts absent ones; None where
    the data set names none."""


def _bounded(end: str, at: float, keyword: str) -> dict[str, Any]:
    """Return, as a JSON schema, what the end of a range means for the value."""
    there = {"properties": {end: {"const": at}}, "required": [end]}
    return {"if": there, "then": {"properties": {"value": {keyword: at}}}}


class Metric(FilePart):
    """One number, with how sure it is."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                _bounded("highest", 1.0, "maximum"),
                _bounded("lowest", 0.0, "minimum"),
                _bounded("lowest", -1.0, "minimum"),
            ]
        }
    )

    value: Value | None
    seeds: tuple[Value | None, ...] = ()
    """Value per seed; a cell has one."""
    sd: Annotated[float, Field(ge=0)] | None = None
    """Standard deviation over seeds; None for one."""
    ci95: tuple[Value, Value] | None = None
    """Over clips."""
    ci_method: Line | None = None
    """Its name, or `none: ` and the reason; for people, see `rows`."""
    n: Count = 0
    """Clips that have a value."""
    rows: Literal["value", "near-value", "other-value"] = "value"
    """What the clips' rows make. value: this number. near-value: a slightly different one, and
    `ci95` was moved onto this. other-value: another one, and there is no `ci95`."""
    higher_is_better: bool = True
    lowest: Annotated[Bound, BeforeValidator(lambda end: -inf if end is None else end)] = 0.0
    """The least value that the metric can take; null where there is no bound."""
    highest: Annotated[Bound, BeforeValidator(lambda end: inf if end is None else end)] = 1.0
    """The largest value that the metric can take; null where there is no bound."""
    unit: Unit = "share"
    """What the numbers are: shares of 1, pixels of the ground truth, metres."""
    background: Literal["counted", "left-out"] = "counted"
    """Whether `dataset.background` is averaged like any class."""
    clip_score: Literal["own", "mean-of-frames"] = "own"
    """Where a clip's value comes from: `mean-of-frames` of those of its frames that have one."""

    @model_validator(mode="after")
    def _ordered(self) -> Metric:
        if self.ci95 is not None and self.ci95[0] > self.ci95[1]:
            raise ValueError("the lower end of ci95 is above the upper one")
        if self.lowest >= self.highest:
            raise ValueError("lowest is not below highest")
        return self

    def out_of_range(self, value: float | None) -> str:
        """Return what is wrong with a value of this metric, empty where it is in range."""
        if value is not None and value < self.lowest:
            return f"should be greater than or equal to {self.lowest:g}"
        if value is not None and value > self.highest:
            return f"should be less than or equal to {self.highest:g}"
        return ""


class PerClass(FilePart):
    """Parallel lists, one entry per class."""

    labels: tuple[int, ...] = ()
    names: tuple[Line, ...] = ()
    iou: tuple[Fraction | None, ...] = ()
    support: tuple[Count, ...] = ()
    """True pixels."""


class Timing(FilePart):
    """Seconds, frames per second, MiB; None where it was not measured."""

    extract_s: Annotated[float, Field(ge=0)] | None = None
    protocol_s: Annotated[float, Field(ge=0)] | None = None
    fps: Annotated[float, Field(ge=0)] | None = None
    peak_gpu_mb: Annotated[float, Field(ge=0)] | None = None
    gflops: Annotated[float, Field(ge=0)] | None = None
    """Of the forward pass of one square frame of the view's size, two a multiply-add, in
    thousand millions; None where it was not counted."""


class Reported(FilePart):
    """What the paper reports."""

    value: Fraction
    where: Line = ""


class Trust(FilePart):
    """Who stands for the numbers."""

    level: Literal["self-reported", "samples-verified", "reproduced", "author-confirmed"] = (
        "self-reported"
    )
    verified_by: Line | None = None
    reported_in_paper: Reported | None = None


class Samples(FilePart):
    """The rows from which the metrics can be recomputed: `samples/<cell_id>.jsonl`."""

    sha256: Sha256
    n_clips: Count
    n_frames: Count
    resample: Literal["mean", "counts"] = "mean"
    """How the metric is made of the clips' rows."""


class Result(FilePart):
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
    """The same data without a model, by reference and metric: `constant/miou`, `oracle/miou`."""
    per_class: PerClass = PerClass()
    details: dict[str, JsonValue] = Field(default_factory=dict)
    samples: Samples | None = None
    timing: Timing = Timing()
    provenance: Provenance
    trust: Trust = Trust()

    @model_validator(mode="after")
    def _complete(self) -> Result:
        self._check_status()
        if self.protocol.hash != protocol_hash(self.protocol.params):
            raise ValueError("protocol.hash is not the hash of protocol.params: one was edited")
        if self.cell_id != self.key.cell_id:
            raise ValueError(
                "cell_id is not that of model, protocol, dataset, resolution, layer, dtype, seed "
                f"and limit (which give {self.key.cell_id}): one of them was edited"
            )
        made = {n: complete_metric(m, self.protocol.id, n) for n, m in self.metrics.items()}
        result = self.model_copy(update={"metrics": made, "dataset": complete_data(self.dataset)})
        result._check_ranges()
        return result

    def _check_status(self) -> None:
        if (self.status == "ok") != bool(self.metrics):
            raise ValueError("metrics stand in a result if and only if its status is ok")
        if (self.status == "ok") == bool(self.reason):
            raise ValueError("a reason stands in a result if and only if its status is not ok")
        if self.partial != (self.limit is not None):
            raise ValueError("partial must be true exactly where limit is given")

    def _check_ranges(self) -> None:
        for where, metric, value in self._values():
            if wrong := metric.out_of_range(value):
                raise ValueError(f"{where} is {value}: input {wrong}")

    def _values(self) -> Iterator[tuple[str, Metric, float | None]]:
        """Yield place, metric and value of every number that a metric bounds."""
        for name, metric in self.metrics.items():
            for value in (metric.value, *metric.seeds, *(metric.ci95 or ())):
                yield f"metrics.{name}", metric, value
        for name, value in self.references.items():
            found = self.metrics.get(name.rpartition("/")[2])
            if found is not None:
                yield f"references.{name}", found, value

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
