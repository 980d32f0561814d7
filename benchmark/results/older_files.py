"""What result files of earlier versions lack, looked up where it is declared.

Until a metric's range, background and rows stood in the file, programs inferred them from its name
and from the text of `ci_method`. A file without these fields is completed from the cards of its
protocol, if that is in the registry, while it is read; nothing else knows that such files exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from tvseg_bench.benchmark.registry import datasets, protocols

if TYPE_CHECKING:
    from tvseg_bench.benchmark.results.schema import DataUsed, Metric
    from tvseg_bench.benchmark.statistics.intervals import RowsMake

_UNKNOWN: Final = {"lowest": -1.0}
"""Of a metric whose protocol is not registered here: no number that a file can hold is refused."""

_ROWS_OF_METHODS: Final[Mapping[str | None, RowsMake]] = {
    "clip-logit-t, shifted": "near-value",
    "clip-jackknife-logit-t, shifted": "near-value",
    "none: the clips' rows do not make this number": "other-value",
}
"""The methods of earlier versions whose rows do not make the value itself."""


def complete_metric(metric: Metric, protocol: str, name: str) -> Metric:
    """Return a metric with the fields that its file lacks, itself where none is missing."""
    known: dict[str, Any] = {"rows": _ROWS_OF_METHODS.get(metric.ci_method, "value")}
    entry = protocols.loaded(protocol)
    card = None if entry is None else entry.card_of(name)
    if card is None:
        known |= _UNKNOWN
    else:
        known |= {
            "lowest": card.lowest,
            "highest": card.highest,
            "unit": card.unit,
            "background": card.background,
            "clip_score": card.clip_score,
        }
    missing = {field: known[field] for field in known.keys() - metric.model_fields_set}
    return metric.model_copy(update=missing) if missing else metric


def complete_data(data: DataUsed) -> DataUsed:
    """Return the data with the number of their classes, where the data set's card fixes it."""
    if "n_classes" in data.model_fields_set:
        return data
    entry = datasets.loaded(data.id)
    classes = () if entry is None else entry.card.classes
    return data.model_copy(update={"n_classes": len(classes) or None})
