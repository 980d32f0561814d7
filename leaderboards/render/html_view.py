"""What the page shows, in plain values: a board turned into words, percentages and positions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvseg_bench.benchmark.results.text import UNITS, score_text
from tvseg_bench.leaderboards.published.numbers import for_model
from tvseg_bench.leaderboards.render import formatting
from tvseg_bench.leaderboards.render.page.page import render_page
from tvseg_bench.leaderboards.summary import ordered, summaries

if TYPE_CHECKING:
    from tvseg_bench.leaderboards.board import Board, BoardTable
    from tvseg_bench.leaderboards.rows import BoardRow

HERE = Path(__file__).parent
MARK = "<!-- tvseg-bench leaderboard page -->"
"""Second line of the file, by which a later build knows its own."""

MOST_OPEN = 12
"""With more tables than these, only the first ones start unfolded."""
_MANY_ROWS = 2000
"""With more rows than these, a browser lays out what comes into sight only."""
_MOST_NAMED = 50

_TRUST = {
    "self-reported": ("self-reported", ""),
    "samples-verified": ("samples verified", "note"),
    "reproduced": ("reproduced", "good"),
    "author-confirmed": ("confirmed by the authors", "good"),
}


def page(board: Board) -> str:
    """Return the text of `leaderboard.html`: one file that needs no network and no server."""
    return render_page(
        "board.html.jinja",
        folders=[HERE],
        styles=[HERE / "board.css"],
        scripts=[HERE / "board.js"],
        data={"chart-data": chart_data(board.tables)},
        title="Leaderboard",
        mark=MARK,
        facts=facts(board),
        choices=choices(board),
        summaries=summaries(board.tables),
        tables=[
            table(one, board.tables, i < MOST_OPEN) for i, one in enumerate(ordered(board.tables))
        ],
        many=len(rows_of(board.tables)) > _MANY_ROWS,
        published=list(published(board.tables)),
        problems=_few([str(problem) for problem in board.problems]),
        left_out=_few(board.left_out),
        comparison=formatting.COMPARISON,
        interval=formatting.INTERVAL,
    )


def _few(lines: Sequence[str]) -> dict[str, Any]:
    return {"shown": lines[:_MOST_NAMED], "more": max(len(lines) - _MOST_NAMED, 0)}


def rows_of(tables: Iterable[BoardTable]) -> list[BoardRow]:
    """Return the rows of all headlines."""
    return [row for one in tables for row in next(iter(one.metrics.values())).rows]


def facts(board: Board) -> dict[str, Any]:
    """Return the figures below the title."""
    rows = rows_of(board.tables)
    return {
        "models": len({row.key.model for row in rows}),
        "protocols": len({t.key.protocol_label for t in board.tables}),
        "datasets": len({t.key.dataset_label for t in board.tables}),
        "results": sum(row.n_seeds for row in rows),
        "newest": max((row.facts["date"] for row in rows), default=""),
        "few": any(row.few for row in rows),
        "contaminated": any(row.facts["contaminated"] for row in rows),
    }


def choices(board: Board) -> list[dict[str, Any]]:
    """Return the filters: name, label, and the values there are."""
    rows = rows_of(board.tables)
    found = {
        "dataset": ("Data set", {t.key.dataset_label for t in board.tables}),
        "protocol": ("Protocol", {t.key.protocol_label for t in board.tables}),
        "family": ("Family", {row.key.family for row in rows}),
        "licence": ("Licence", {row.facts["licence"] for row in rows}),
        "patch": ("Patch size", {row.facts["patch"] for row in rows} - {None}),
    }
    return [
        {"name": name, "label": label, "values": [str(v) for v in sorted(values)]}
        for name, (label, values) in found.items()
    ]


def table(found: BoardTable, tables: Sequence[BoardTable], unfolded: bool) -> dict[str, Any]:
    """Return one table with its rows, best first."""
    key = found.key
    headline, *others = found.metrics
    ranked = found.metrics[headline]
    scale = Scale.of(ranked.rows)
    rest = {name: {row.key: row for row in found.metrics[name].rows} for name in others}
    best = [row.key.model for row in ranked.rows if row.rank_lo == 1 and row.rank is not None]
    return {
        "id": key.id,
        "protocol": key.protocol_label,
        "version": key.protocol_version,
        "dataset": key.dataset_label,
        "dataset_version": key.dataset_version,
        "about": _about(found, tables),
        "headline": headline,
        "unit": UNITS[ranked.unit],
        "points": "points" if ranked.unit == "share" else UNITS[ranked.unit],
        "others": others,
        "higher": all(row.higher_is_better for row in ranked.rows),
        "axis": (score_text(scale.lo, ranked.unit), score_text(scale.hi, ranked.unit)),
        "rows": [
            row_view(row, scale, [rest[n].get(row.key) for n in others]) for row in ranked.rows
        ],
        "smallest": None if ranked.smallest is None else score_text(ranked.smallest, ranked.unit),
        "best": best if len(best) > 1 else [],
        "few": any(row.few for row in ranked.rows),
        "papers": any(row.paper_value is not None for row in ranked.rows),
        "seeds": any(row.n_seeds > 1 for row in ranked.rows),
        "unfolded": unfolded,
    }


def _about(found: BoardTable, tables: Sequence[BoardTable]) -> str:
    key = found.key
    clips = found.n_clips
    parts = [] if clips is None else [formatting.number_of(clips, "clip")]
    parts += [
        f"input {formatting.resolution_label(key.resolution)}",
        f"manifest {key.manifest_sha256[:8]}",
    ]
    return " · ".join([*parts, *formatting.unlike(found, tables)])


@dataclass(frozen=True)
class Scale:
    """The axis on which the intervals of one table are drawn."""

    lo: float
    hi: float

    @classmethod
    def of(cls, rows: Iterable[BoardRow]) -> Scale:
        """Return round ends that hold every value, interval and reference."""
        seen = [
            v
            for row in rows
            for v in (row.value, *(row.ci or ()), row.constant, row.oracle)
            if v is not None
        ]
        lo, hi = (min(seen), max(seen)) if seen else (0.0, 1.0)
        steps = 20 if hi - lo <= 2 else 1
        lo, hi = math.floor(lo * steps) / steps, math.ceil(hi * steps) / steps
        return cls(lo, hi if hi > lo else lo + 1 / steps)

    def at(self, value: float | None) -> str | None:
        """Return the place of a value in percent of the axis."""
        if value is None:
            return None
        return f"{100 * (value - self.lo) / (self.hi - self.lo):.1f}"

    def style(self, row: BoardRow) -> str:
        """Return the places as CSS variables: value, interval, constant, oracle."""
        lo, hi = row.ci or (None, None)
        places = {"v": row.value, "l": lo, "h": hi, "c": row.constant, "o": row.oracle}
        return ";".join(f"--{k}:{self.at(v)}" for k, v in places.items() if v is not None)


def row_view(row: BoardRow, scale: Scale, others: Sequence[BoardRow | None]) -> dict[str, Any]:
    """Return what one row shows."""
    facts = row.facts
    trust, kind = _TRUST.get(facts["trust"], (facts["trust"], ""))
    return {
        "id": formatting.row_id(row),
        **formatting.row_name(row),
        "family": row.key.family,
        "licence": facts["licence"],
        "patch": facts["patch"],
        "data": facts["pretraining_data"],
        "rank": formatting.rank_text(row),
        "rank_value": row.rank,
        "top": row.rank is not None and row.rank_lo == 1,
        "value": row.value,
        "score": score_text(row.value, row.unit),
        "sd": None if row.sd is None else score_text(row.sd, row.unit),
        "ci": None
        if row.ci is None
        else (score_text(row.ci[0], row.unit), score_text(row.ci[1], row.unit)),
        "few": row.few and row.value is not None,
        "style": scale.style(row),
        "others": [
            None if o is None or o.value is None else (o.value, score_text(o.value, o.unit))
            for o in others
        ],
        "params": formatting.number(facts["params_m"]),
        "gflops": formatting.number(facts.get("gflops")),
        "fps": formatting.number(row.fps),
        "seeds": row.n_seeds,
        "trust": trust,
        "trust_kind": kind,
        "contaminated": facts["contaminated"],
        "published": None
        if row.paper_value is None
        else (row.paper_value, score_text(row.paper_value, row.unit)),
    }


def published(tables: Sequence[BoardTable]) -> Iterator[Mapping[str, Any]]:
    """Yield what others have published of the models here, with ours of the same where it is."""
    ours: dict[tuple[str, ...], BoardRow] = {}
    names: dict[str, None] = {}
    for one in tables:
        for metric, found in one.metrics.items():
            for row in found.rows:
                names[row.key.model] = None
                where = (one.key.protocol_label, one.key.dataset_label, metric)
                if row.paper_value is not None:
                    ours.setdefault((row.key.model, *where), row)
    for name in sorted(names):
        for paper in for_model(name):
            where = (paper.protocol_label, paper.dataset_label, paper.metric)
            own = ours.get((name, *where))
            same = own is not None and own.paper_value == paper.value
            yield {
                "model": name,
                "shown": formatting.breakable(name),
                "paper": paper,
                "ours": score_text(own.value, own.unit) if same and own is not None else None,
            }


def chart_data(tables: Sequence[BoardTable]) -> dict[str, Any]:
    """Return models once, and per table points `[model, score, lo, hi, params, gflops, fps]`.

    Scores as they are printed, `unit` says in what; None where nothing was computed. Points
    without a score are left out.
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
                "unit": UNITS[found.unit],
                "higher": all(row.higher_is_better for row in found.rows),
                "clips": table.n_clips or 0,
                "points": [_point(row, models) for row in found.rows if row.value is not None],
            }
        )
    return {"models": list(models.values()), "tables": made}


def _point(row: BoardRow, models: dict[str, dict[str, Any]]) -> list[float | int | None]:
    key = formatting.row_id(row)
    if key not in models:
        models[key] = {
            "at": len(models),
            "name": row.key.model,
            "family": row.key.family,
            "licence": row.facts["licence"],
            "patch": row.facts["patch"],
        }
    lo, hi = row.ci or (None, None)
    places = (row.facts["params_m"], row.facts.get("gflops"), row.fps)
    times = 100 if row.unit == "share" else 1
    scores = (None if v is None else round(times * v, 2) for v in (row.value, lo, hi))
    return [models[key]["at"], *scores, *places]
