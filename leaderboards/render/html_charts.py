"""Data of the charts: score against parameters, GFLOPs and frames a second, per table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tvseg_bench.leaderboards.render.formatting import row_id

if TYPE_CHECKING:
    from tvseg_bench.leaderboards.board import BoardTable
    from tvseg_bench.leaderboards.rows import BoardRow


def chart_data(tables: Sequence[BoardTable]) -> dict[str, Any]:
    """Return models once, and per table points `[model, score, lo, hi, params, gflops, fps]`.

    Scores in percent; None where nothing was computed. Points without a score are left out.
    """
    models: dict[str, dict[str, Any]] = {}
    made = []
    for table in tables:
        headline, found = next(iter(table.metrics.items()))
        made.append(
            {
                "id": table.key.id,
                "label": f"{table.key.protocol_label} on {table.key.dataset_label}",
                "metric": headline,
                "higher": all(row.higher_is_better for row in found.rows),
                "clips": table.n_clips or 0,
                "points": [_point(row, models) for row in found.rows if row.value is not None],
            }
        )
    return {"models": list(models.values()), "tables": made}


def _point(row: BoardRow, models: dict[str, dict[str, Any]]) -> list[float | int | None]:
    key = row_id(row)
    if key not in models:
        models[key] = {
            "at": len(models),
            "name": row.key.model,
            "family": row.key.model.partition("/")[0],
            "licence": row.facts["licence"],
            "patch": row.facts["patch"],
        }
    lo, hi = row.ci or (None, None)
    places = (row.facts["params_m"], row.facts.get("gflops"), row.fps)
    scores = (None if v is None else round(100 * v, 2) for v in (row.value, lo, hi))
    return [models[key]["at"], *scores, *places]
