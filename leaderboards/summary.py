"""The first table of a board: per data set, models against protocols."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tvseg_bench.benchmark.results.text import metric_label, score_text
from tvseg_bench.leaderboards.board_keys import RowKey
from tvseg_bench.leaderboards.render.formatting import rank_text, row_id, row_name

if TYPE_CHECKING:
    from tvseg_bench.leaderboards.board import BoardTable
    from tvseg_bench.leaderboards.rows import BoardRow


def summaries(tables: Sequence[BoardTable]) -> list[dict[str, Any]]:
    """Return one table per data set, the fullest first: columns are protocols, rows models.

    Rows are in the order of their mean rank; a missing cell counts as the last rank of its
    column. This orders the page and is not a score.
    """
    return [_summary(found) for found in _by_dataset(tables)]


def ordered(tables: Sequence[BoardTable]) -> list[BoardTable]:
    """Return the tables data set by data set, in the order of the summaries."""
    return [table for found in _by_dataset(tables) for table in found]


def _by_dataset(tables: Sequence[BoardTable]) -> list[list[BoardTable]]:
    """Return the tables of each data set, that with the most results, then clips, first."""
    groups: dict[tuple[str, int, str], list[BoardTable]] = {}
    for table in tables:
        key = table.key
        where = (key.dataset_label, key.dataset_version, key.manifest_sha256)
        groups.setdefault(where, []).append(table)
    return sorted(groups.values(), key=_fullness, reverse=True)


def _fullness(tables: Sequence[BoardTable]) -> tuple[int, int]:
    results = sum(len(_headline(table)) for table in tables)
    return results, max(table.n_clips or 0 for table in tables)


def _summary(tables: Sequence[BoardTable]) -> dict[str, Any]:
    where = tables[0].key
    columns = [{row.key: row for row in _headline(table)} for table in tables]
    first: dict[RowKey, BoardRow] = {}
    for column in columns:
        for key, row in column.items():
            first.setdefault(key, row)
    # where all are tied with the best, marking them all would show nothing
    informative = [any((row.rank_lo or 1) > 1 for row in column.values()) for column in columns]
    ranks = {key: [_rank(column, key) for column in columns] for key in first}
    order = sorted(first, key=lambda key: (sum(ranks[key]), key))
    missing = sum(key not in column for column in columns for key in first)
    return {
        "id": f"d-{where.manifest_sha256[:8]}-{where.dataset_version}",
        "dataset": where.dataset_label,
        "version": where.dataset_version,
        "columns": [_column(table) for table in tables],
        "rows": [
            _row(first[key], [column.get(key) for column in columns], informative) for key in order
        ],
        "references": [_references(table) for table in tables],
        "clips": max((table.n_clips or 0 for table in tables), default=0),
        "missing": missing,
        "cells": len(first) * len(columns),
    }


def _headline(table: BoardTable) -> tuple[BoardRow, ...]:
    return next(iter(table.metrics.values())).rows


def _rank(column: dict[RowKey, BoardRow], key: RowKey) -> int:
    row = column.get(key)
    return len(column) + 1 if row is None or row.rank is None else row.rank


def _column(table: BoardTable) -> dict[str, Any]:
    rows = _headline(table)
    return {
        "id": table.key.id,
        "protocol": table.key.protocol_label,
        "metric": next(iter(table.metrics)),
        "label": metric_label(*next((name, m.unit) for name, m in table.metrics.items())),
        "higher": all(row.higher_is_better for row in rows),
    }


def _references(table: BoardTable) -> dict[str, str | None]:
    rows = _headline(table)
    return {
        name: next(
            (score_text(v, r.unit) for r in rows if (v := getattr(r, name)) is not None), None
        )
        for name in ("constant", "oracle")
    }


def _row(
    row: BoardRow, cells: Sequence[BoardRow | None], informative: Sequence[bool]
) -> dict[str, Any]:
    return {
        "id": row_id(row),
        **row_name(row),
        "family": row.key.family,
        "licence": row.facts["licence"],
        "patch": row.facts["patch"],
        "contaminated": row.facts["contaminated"],
        "cells": [
            None if c is None else _cell(c, t) for c, t in zip(cells, informative, strict=True)
        ],
    }


def _cell(row: BoardRow, informative: bool) -> dict[str, Any]:
    half = None if row.ci is None else (row.ci[1] - row.ci[0]) / 2
    return {
        "value": row.value,
        "score": score_text(row.value, row.unit),
        "half": None if half is None else score_text(half, row.unit),
        "ci": None if row.ci is None else " to ".join(score_text(end, row.unit) for end in row.ci),
        "rank": rank_text(row),
        "top": informative and row.rank is not None and row.rank_lo == 1,
        "few": row.few and row.value is not None,
    }
