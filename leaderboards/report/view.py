"""The page of a report: one section a table, with what made its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvseg_bench.benchmark.results.text import UNITS, score_text
from tvseg_bench.leaderboards.render import formatting
from tvseg_bench.leaderboards.render.html_view import Scale, row_view
from tvseg_bench.leaderboards.render.page.page import render_page
from tvseg_bench.leaderboards.report.charts import scatter
from tvseg_bench.leaderboards.report.classes import difference, per_class
from tvseg_bench.leaderboards.report.clip_view import clip_view, legend
from tvseg_bench.leaderboards.report.contingency import of_data_set
from tvseg_bench.leaderboards.report.decay_view import decay_charts
from tvseg_bench.leaderboards.summary import summaries

if TYPE_CHECKING:
    from tvseg_bench.benchmark.types import Unit
    from tvseg_bench.leaderboards.report.gather import (
        ReportContent,
        ReportedModel,
        Section,
    )

HERE = Path(__file__).parent
BOARD_STYLE = HERE.parent / "render" / "board.css"
MARK = "<!-- tvseg-bench report page -->"
"""Second line of the file, by which a later report knows its own."""
_SAME = "under the same matching, "
_SCOPES = {
    "frame": (
        "Every frame is clustered and matched on its own",
        "under the frame's own matching, ",
    ),
    "clip": ("Each clip is clustered and matched once", _SAME),
    "dataset": ("All clips are clustered together and matched once", _SAME),
    "labels": ("Labels are predicted as such, and nothing is matched", ""),
}
"""What a unit is, and under what its frames are scored."""
MOST_OPEN = 4
"""The images of so many tables start unfolded; those below start folded."""


def page(material: ReportContent) -> str:
    """Return the text of a report: one file that needs no network and no server."""
    pair = material.compare
    return render_page(
        "report.html.jinja",
        folders=[HERE],
        styles=[BOARD_STYLE, HERE / "report.css"],
        title="Report" if pair is None else f"{pair[0]} against {pair[1]}",
        mark=MARK,
        pair=pair,
        facts=_facts(material),
        summaries=summaries(material.board.tables),
        nav=_nav(material.sections),
        sections=_sections(material),
        partial=material.partial,
        problems=[str(problem) for problem in material.problems],
        left_out=material.board.left_out,
        interval=formatting.INTERVAL,
        comparison=formatting.COMPARISON,
        runs=_runs(material),
    )


def _nav(sections: Sequence[Section]) -> list[tuple[str, str]]:
    """Return the way to the protocols, or to the data sets where there are several."""
    found: dict[str, str] = {}
    several = len({s.table.key.dataset_label for s in sections}) > 1
    for section in sections:
        key = section.table.key
        found.setdefault(key.dataset_label if several else key.protocol_label, key.id)
    return list(found.items())


def _facts(material: ReportContent) -> dict[str, int]:
    rows = [m for section in material.sections for m in section.models]
    counts = {
        "model": len({m.name for m in rows}),
        "protocol": len({s.table.key.protocol_label for s in material.sections}),
        "data set": len({s.table.key.dataset_label for s in material.sections}),
        "result": len(rows),
    }
    return {word if n == 1 else f"{word}s": n for word, n in counts.items()}


def _sections(material: ReportContent) -> list[dict[str, Any]]:
    """Return the sections; of a long page the images of the first ones are unfolded."""
    made = [_section(section, material) for section in material.sections]
    illustrated = [section for section in made if section["clips"]]
    for i, section in enumerate(illustrated):
        section["unfolded"] = i < MOST_OPEN
    return made


def _section(section: Section, material: ReportContent) -> dict[str, Any]:
    key = section.table.key
    headline, ranked = next(iter(section.table.metrics.items()))
    scale = Scale.of(ranked.rows)
    recording = section.illustrated[0].recording if section.illustrated else None
    what, under = ("", "") if recording is None else _SCOPES[recording.scope]
    return {
        "id": key.id,
        "protocol": key.protocol_label,
        "dataset": key.dataset_label,
        "about": f"input {formatting.resolution_label(key.resolution)}",
        "what": what,
        "matched": recording is not None and recording.scope != "labels",
        "of_frames": "" if recording is None else recording.of_frames,
        "under": under,
        "headline": headline,
        "axis": (score_text(scale.lo, ranked.unit), score_text(scale.hi, ranked.unit)),
        "unit": UNITS[ranked.unit],
        "points": "points" if ranked.unit == "share" else UNITS[ranked.unit],
        "rows": [row_view(row, scale, []) for row in ranked.rows],
        "references": _references(ranked.rows),
        "difference": _difference(section, material.compare, headline, ranked.unit),
        "scatter": _scatter(section, material.compare, headline, ranked.unit),
        "clips": [clip_view(chosen, section, material.problems) for chosen in section.clips],
        "hidden": len([m for m in section.models if m.recording]) - len(section.illustrated),
        "legend": legend(section, recording),
        "whole": of_data_set(section.illustrated),
        "decay": decay_charts(section.models),
        "classes": _classes(section),
        "without": section.without,
    }


def _references(rows: Sequence[Any]) -> list[tuple[str, str]]:
    """Return what the same data give without a model."""
    names = {"constant": "one label everywhere", "oracle": "perfect decision per patch"}
    found = []
    for name, words in names.items():
        values = [getattr(row, name) for row in rows if getattr(row, name) is not None]
        if values:
            best = max if rows[0].higher_is_better else min
            found.append((words, score_text(best(values), rows[0].unit)))
    return found


def _difference(
    section: Section, pair: tuple[str, str] | None, metric: str, unit: Unit
) -> dict[str, Any] | None:
    if pair is None:
        return None
    by_name = {m.name: m for m in section.models}
    found = difference(by_name[pair[0]], by_name[pair[1]], metric)
    if found is None or found.value is None:
        return None
    known = found.lo is not None and found.hi is not None
    return {
        "value": score_text(found.value, unit, "+"),
        "ci": tuple(score_text(v, unit, "+") for v in (found.lo, found.hi)) if known else None,
        "different": found.different,
        "smallest": None if found.smallest is None else score_text(found.smallest, unit),
        "n": found.n,
    }


def _scatter(
    section: Section, pair: tuple[str, str] | None, metric: str, unit: Unit
) -> dict[str, Any] | None:
    if pair is None or unit != "share":
        return None
    by_name = {m.name: m for m in section.models}
    rows = [{r.clip: r.metrics.get(metric) for r in by_name[name].clip_rows} for name in pair]
    points = [
        (clip, a, b)
        for clip, a in rows[0].items()
        if a is not None and (b := rows[1].get(clip)) is not None
    ]
    return scatter(points) if len(points) > 1 else None


def _classes(section: Section) -> dict[str, Any] | None:
    """Return IoU per class, a column per model, the rarest class last."""
    models = section.illustrated or section.models
    found = [(m, {c.label: c for c in per_class(m)}) for m in models]
    found = [(m, classes) for m, classes in found if classes]
    if not found:
        return None
    support: Mapping[int, int] = dict(
        zip(
            found[0][0].result.per_class.labels,
            found[0][0].result.per_class.support,
            strict=False,
        )
    )
    names = {label: c.name for _, classes in found for label, c in classes.items()}
    labels = sorted(names, key=lambda label: (-support.get(label, 0), label))
    total = sum(support.values())
    return {
        "models": [formatting.breakable(m.name) for m, _ in found],
        "rows": [
            {
                "name": names[label],
                "share": score_text(support.get(label, 0) / total) if total else "–",
                "cells": [_class_cell(classes.get(label)) for _, classes in found],
            }
            for label in labels
        ],
    }


def _class_cell(found: Any) -> dict[str, Any] | None:
    if found is None:
        return None
    lo, hi = found.ci or (None, None)
    places = {"v": found.iou, "l": lo, "h": hi}
    return {
        "value": score_text(found.iou),
        "ci": None if found.ci is None else (score_text(lo), score_text(hi)),
        "style": ";".join(f"--{k}:{100 * v:.1f}" for k, v in places.items() if v is not None),
        "clips": found.clips,
    }


def _runs(material: ReportContent) -> list[dict[str, Any]]:
    """Return what made the numbers, one line per model."""
    seen: dict[str, ReportedModel] = {}
    for section in material.sections:
        for model in section.models:
            seen.setdefault(model.name, model)
    return [
        {
            "model": name,
            "revision": m.row.key.revision,
            "params": m.row.facts["params_m"],
            "licence": m.row.facts["licence"],
            "data": m.row.facts["pretraining_data"],
            "date": m.row.facts["date"],
            "suite": m.row.facts["suite_version"],
            "torch": m.row.facts["torch_version"],
            "contaminated": m.row.facts["contaminated"],
        }
        for name, m in seen.items()
    ]
