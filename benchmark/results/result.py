"""Results: made of a score, or of the reason why there is none. Fields: `result_schema`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any, Literal

from pydantic import ValidationError

from tvseg_bench.benchmark.results.key import CellKey
from tvseg_bench.benchmark.results.provenance import Provenance
from tvseg_bench.benchmark.results.schema import (
    SCHEMA,
    Card,
    DataUsed,
    Metric,
    Model,
    PerClass,
    Plugin,
    ProtocolRun,
    Reported,
    Result,
    Samples,
    Timing,
    Trust,
    comparable_fields,
    json_schema,
)
from tvseg_bench.benchmark.results.text import ResultError, escape_control, to_jsonable
from tvseg_bench.benchmark.types import MetricCard, ModelCard, Score

__all__ = [
    "SCHEMA",
    "Card",
    "DataUsed",
    "Metric",
    "Model",
    "PerClass",
    "Plugin",
    "ProtocolRun",
    "Provenance",
    "Reported",
    "Result",
    "ResultError",
    "Samples",
    "Timing",
    "Trust",
    "comparable_fields",
    "format_validation_error",
    "from_score",
    "json_schema",
    "without_score",
]

_FRACTION = MetricCard(title="a fraction, 0 to 1, the background counted")
"""What is assumed of a metric that no card declares."""


def from_score(
    key: CellKey,
    score: Score,
    *,
    card: ModelCard | Mapping[str, Any],
    provenance: Provenance,
    plugin: Plugin | None = None,
    timing: Timing | None = None,
    background: int | None = None,
    n_classes: int | None = None,
    metrics: Mapping[str, MetricCard] | None = None,
) -> Result:
    """Return the result of a finished cell, with intervals over clips.

    Args:
        provenance: see `provenance.collect`.
        timing: nothing measured if None.
        background: the label of the data set's card that belongs to no object.
        n_classes: how many classes the data set names.
        metrics: cards of the protocol's entry; a metric without one is a fraction that counts
            upwards.

    Raises:
        ResultError: naming the field, where a number is out of its range or cannot be stored.
    """
    cards = {name: (metrics or {}).get(name, _FRACTION) for name in score.metrics}
    fields = {
        "metrics": {name: _metric(score, name, card, background) for name, card in cards.items()},
        "references": {
            name: _value(value, cards.get(name.rpartition("/")[2], _FRACTION))
            for name, value in score.references.items()
        },
        "per_class": to_jsonable(score.per_class, "per_class"),
        "details": to_jsonable(score.details, "details"),
        "timing": timing or Timing(),
    }
    data = {
        "n_clips": len(score.clips),
        "n_frames": sum(c.n_frames for c in score.clips),
        "background": background,
        "n_classes": n_classes,
    }
    return _build(key, "ok", "", card, plugin, provenance, data, fields)


def without_score(
    key: CellKey,
    status: Literal["skipped", "failed"],
    reason: str,
    *,
    card: ModelCard | Mapping[str, Any],
    provenance: Provenance,
    plugin: Plugin | None = None,
) -> Result:
    """Return the record of a cell that does not apply (`skipped`) or broke (`failed`).

    Raises:
        ResultError: if there is no reason.
    """
    return _build(key, status, reason, card, plugin, provenance, {}, {})


def _build(
    key: CellKey,
    status: str,
    reason: str,
    card: ModelCard | Mapping[str, Any],
    plugin: Plugin | None,
    provenance: Provenance,
    data: Mapping[str, Any],
    rest: Mapping[str, Any],
) -> Result:
    params = to_jsonable(key.params, "protocol.params")
    fields = {
        "cell_id": key.cell_id,
        "status": status,
        "reason": reason,
        "partial": key.limit is not None,
        "limit": key.limit,
        "model": {
            "name": key.model,
            "revision": key.revision,
            "card": to_jsonable(_card(card), "model.card"),
            "plugin": plugin,
        },
        "protocol": {
            "id": key.protocol,
            "preset": key.preset,
            "version": key.protocol_version,
            "hash": key.protocol_hash,
            "params": params,
        },
        "dataset": {
            "id": key.dataset,
            "split": key.split,
            "version": key.dataset_version,
            "manifest_sha256": key.manifest_sha256,
            **data,
        },
        "resolution": to_jsonable(key.resolution, "resolution"),
        "layer": key.layer,
        "dtype": key.dtype,
        "seed": key.seed,
        "provenance": provenance,
        **rest,
    }
    try:
        return Result.model_validate(fields, strict=False)
    except ValidationError as error:
        raise ResultError(f"no result can be made: {format_validation_error(error)}") from None


def format_validation_error(error: ValidationError) -> str:
    """Return pydantic's findings as one sentence: each field, what it holds, what is expected.

    At most three are named.
    """
    found = error.errors(include_url=False, include_context=False)
    named = [_finding(e) for e in found[:3]]
    more = f" (and {len(found) - 3} more)" if len(found) > 3 else ""
    return "; ".join(named) + more


def _finding(error: Any) -> str:
    where = escape_control(".".join(str(part) for part in error["loc"])) or "the result"
    if error["type"] == "extra_forbidden":
        return f"unknown field {where!r}"
    message = error["msg"].removeprefix("Value error, ")
    value = repr(error["input"])
    shown = value if len(value) <= 40 else value[:37] + "..."
    return f"{where} is {shown}: {message}" if error["type"] != "value_error" else message


def _card(card: ModelCard | Mapping[str, Any]) -> Mapping[str, Any]:
    return asdict(card) if is_dataclass(card) and not isinstance(card, type) else card  # type: ignore[return-value]


def _metric(score: Score, name: str, card: MetricCard, background: int | None) -> dict[str, Any]:
    from tvseg_bench.benchmark.statistics.intervals import interval

    value = _value(score.metrics[name], card)
    facts = {
        "value": value,
        "seeds": [value],
        "higher_is_better": card.higher_is_better,
        "lowest": card.lowest,
        "highest": card.highest,
        "unit": card.unit,
        "background": card.background,
        "clip_score": card.clip_score,
        "rows": "value",
    }
    if value is None:
        return facts
    found = interval(score, name, card, background=background)
    return {
        **facts,
        "ci95": None if found.lo is None else [found.lo, found.hi],
        "ci_method": found.method,
        "n": found.n,
        "rows": found.rows,
    }


def _value(value: float | None, card: MetricCard) -> float | None:
    """Return a finite float; rounding errors of 1e-9 outside the metric's range are taken back."""
    number = to_jsonable(value)
    if number is None:
        return None
    nearest = min(max(float(number), card.lowest), card.highest)
    return nearest if abs(nearest - number) <= 1e-9 else float(number)
