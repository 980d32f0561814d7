"""Contingency tables as a report shows them: which share of a class each cluster holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.leaderboards.render.formatting import breakable
from tvseg_bench.leaderboards.report import drawing

if TYPE_CHECKING:
    from tvseg_bench.benchmark.recording.reader import RecordedUnit, Recording
    from tvseg_bench.leaderboards.report.gather import ReportedModel

MOST_CLUSTERS = 12
"""Columns at most; the clusters with the most pixels."""


def of_unit(
    model: str, unit: RecordedUnit, recording: Recording, name: Callable[[int, Recording], str]
) -> dict[str, Any]:
    """Return the table of one clip."""
    table = np.asarray(unit.table, np.int64).reshape(len(unit.labels), len(unit.clusters))
    names = [name(label, recording) for label in unit.labels]
    return _view(
        model, table, unit.labels, unit.clusters, unit.assigned, names, recording.background
    )


def of_data_set(models: Sequence[ReportedModel]) -> list[dict[str, Any]]:
    """Return the tables that results themselves hold: those of the data-set scope."""
    made = []
    for model in models:
        details = model.result.details
        keys = ("contingency_labels", "clusters", "matched_to")
        lists = [_integers(details.get(key)) for key in keys]
        table = details.get("contingency")
        if any(values is None for values in lists) or not isinstance(table, list):
            continue
        labels, clusters, assigned = (values or [] for values in lists)
        rows = [_integers(row) for row in table]
        if len(rows) != len(labels) or any(r is None or len(r) != len(clusters) for r in rows):
            continue  # not as this suite writes it
        found = model.result.per_class
        known = dict(zip(found.labels, found.names, strict=False))
        names = [known.get(label, str(label)) for label in labels]
        array = np.asarray(rows, np.int64).reshape(len(labels), len(clusters))
        background = model.result.dataset.background
        made.append(_view(model.name, array, labels, clusters, assigned, names, background))
    return made


def _integers(value: Any) -> list[int] | None:
    if isinstance(value, list) and all(isinstance(v, int) and abs(v) < 2**53 for v in value):
        return value
    return None


def _view(
    model: str,
    table: NDArray[np.int64],
    labels: Sequence[int],
    clusters: Sequence[int],
    assigned: Sequence[int],
    names: Sequence[str],
    background: int | None,
) -> dict[str, Any]:
    place, sizes = {label: i for i, label in enumerate(labels)}, table.sum(0)
    largest = np.argsort(-sizes, kind="stable")[:MOST_CLUSTERS].tolist()
    # in the order of their labels, unmatched ones last
    order = sorted(largest, key=lambda c: (place.get(assigned[c], len(place)), -sizes[c], c))
    share = table / np.maximum(table.sum(1, keepdims=True), 1)
    return {
        "model": breakable(model),
        "columns": [
            {
                "cluster": clusters[c],
                "colour": drawing.css(drawing.cluster_colour(clusters[c])),
                "matched": names[place[assigned[c]]] if assigned[c] in place else "unmatched",
            }
            for c in order
        ],
        "rows": [
            {
                "name": names[r],
                "colour": drawing.css(drawing.label_colour(labels[r], background)),
                "cells": [
                    {
                        "share": f"{100 * share[r, c]:.0f}",
                        "weight": f"{share[r, c]:.2f}",
                        "hit": assigned[c] == labels[r],
                    }
                    for c in order
                ],
            }
            for r in range(len(labels))
        ],
        "more": table.shape[1] - len(order),
    }
