"""A report in plain values: pictures as `data:` addresses, charts as positions, tables as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.metrics.matching import UNMATCHED, Match
from tvseg_bench.benchmark.recording.writer import spread
from tvseg_bench.benchmark.results.result_file import Problem
from tvseg_bench.benchmark.results.text import ResultError
from tvseg_bench.benchmark.types import VOID
from tvseg_bench.leaderboards.render.html_view import Scale, row_view
from tvseg_bench.leaderboards.render.page.page import render_page
from tvseg_bench.leaderboards.render.statement import COMPARISON, INTERVAL
from tvseg_bench.leaderboards.render.words import breakable, percent, resolution_label
from tvseg_bench.leaderboards.report import pictures, video
from tvseg_bench.leaderboards.report.charts import scatter, timeline
from tvseg_bench.leaderboards.report.classes import difference, per_class
from tvseg_bench.leaderboards.report.contingency import of_data_set, of_unit
from tvseg_bench.leaderboards.summary import summaries

if TYPE_CHECKING:
    from tvseg_bench.benchmark.recording.reader import RecordedClip, Recording
    from tvseg_bench.leaderboards.report.gather import (
        ReportContent,
        ReportedModel,
        Section,
        SelectedClip,
    )

HERE = Path(__file__).parent
BOARD_STYLE = HERE.parent / "render" / "board.css"
MARK = "<!-- tvseg-bench report page -->"
"""Second line of the file, by which a later report knows its own."""
COLUMNS = 5
"""Frames of a clip side by side."""
FPS = 3
_ACROSS = 4
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
"""The pictures of so many tables start unfolded; those below start folded."""


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
        interval=INTERVAL,
        comparison=COMPARISON,
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
    """Return the sections; of a long page the pictures of the first ones are unfolded."""
    made = [_section(section, material) for section in material.sections]
    pictured = [section for section in made if section["clips"]]
    for i, section in enumerate(pictured):
        section["unfolded"] = i < MOST_OPEN
    return made


def _section(section: Section, material: ReportContent) -> dict[str, Any]:
    key = section.table.key
    headline, ranked = next(iter(section.table.metrics.items()))
    scale = Scale.of(ranked.rows)
    kept = section.pictured[0].kept if section.pictured else None
    what, under = ("", "") if kept is None else _SCOPES[kept.scope]
    return {
        "id": key.id,
        "protocol": key.protocol_label,
        "dataset": key.dataset_label,
        "about": f"input {resolution_label(key.resolution)}",
        "what": what,
        "matched": kept is not None and kept.scope != "labels",
        "of_frames": "" if kept is None else kept.of_frames,
        "under": under,
        "headline": headline,
        "axis": (percent(scale.lo), percent(scale.hi)),
        "rows": [row_view(row, scale, []) for row in ranked.rows],
        "references": _references(ranked.rows),
        "difference": _difference(section, material.compare, headline),
        "scatter": _scatter(section, material.compare, headline),
        "clips": [_clip(chosen, section, material.problems) for chosen in section.clips],
        "hidden": len([m for m in section.models if m.kept]) - len(section.pictured),
        "legend": _legend(section, kept),
        "whole": of_data_set(section.pictured),
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
            found.append((words, percent(max(values))))
    return found


def _difference(
    section: Section, pair: tuple[str, str] | None, metric: str
) -> dict[str, Any] | None:
    if pair is None:
        return None
    by_name = {m.name: m for m in section.models}
    found = difference(by_name[pair[0]], by_name[pair[1]], metric)
    if found is None or found.value is None:
        return None
    known = found.lo is not None and found.hi is not None
    return {
        "value": _signed(found.value),
        "ci": (_signed(found.lo), _signed(found.hi)) if known else None,
        "different": found.different,
        "smallest": None if found.smallest is None else percent(found.smallest),
        "n": found.n,
    }


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:+.1f}"


def _scatter(section: Section, pair: tuple[str, str] | None, metric: str) -> dict[str, Any] | None:
    if pair is None:
        return None
    by_name = {m.name: m for m in section.models}
    rows = [{r.clip: r.metrics.get(metric) for r in by_name[name].clip_rows} for name in pair]
    points = [
        (clip, a, b)
        for clip, a in rows[0].items()
        if a is not None and (b := rows[1].get(clip)) is not None
    ]
    return scatter(points) if len(points) > 1 else None


def _legend(section: Section, kept: Recording | None) -> list[dict[str, str]]:
    """Return names and colours of the classes, where labels are classes."""
    if kept is None or kept.labels != "semantic":
        return []
    seen = {
        label
        for chosen in section.clips
        for model in section.pictured
        if (clip := model.clip(chosen.name)) is not None
        for unit in clip.units
        for label in (*unit.labels, *unit.assigned)
        if label not in (VOID, UNMATCHED)
    }
    return [
        {
            "name": label_name(label, kept),
            "colour": pictures.css(pictures.label_colour(label, kept.background)),
        }
        for label in sorted(seen)
    ]


def label_name(label: int, kept: Recording) -> str:
    """Return the name of a label in words."""
    if kept.labels == "semantic" and 0 <= label < len(kept.classes):
        return kept.classes[label]
    return "background" if label == kept.background else f"object {label}"


def _clip(chosen: SelectedClip, section: Section, problems: list[Problem]) -> dict[str, Any]:
    """Return everything about one clip: strips, timeline, video, contingency."""
    models = [(m, c) for m in section.pictured if (c := m.clip(chosen.name)) is not None]
    first, clip = models[0]
    kept = first.kept
    assert kept is not None
    shown: dict[str, Any] = {
        "why": chosen.why,
        "name": breakable(chosen.name),
        "scores": [(m.name, percent(c.score)) for m, c in models],
        "broken": "",
    }
    try:
        images, truth = first.cell.images(clip), first.cell.truth(clip).astype(np.int64)
        maps = [m.cell.maps(c) for m, c in models]
        colours = [m.colours(c) for m, c in models]
    except ResultError as error:
        problems.append(Problem(section.table.key.protocol_label, str(error)))
        return {**shown, "broken": str(error)}
    at = spread(len(clip.positions), COLUMNS)
    true = pictures.segments(images, truth, kept.background)
    matched = [
        pictures.segments(images, _matched(c, ids), kept.background)
        for (_, c), ids in zip(models, maps, strict=True)
    ]
    plain = [
        ("frame", "what the model is shown", images),
        ("truth", "the labels of the data set; dark is void", true),
    ]
    scored = [
        (m.name, f"{kept.metric} {percent(c.score)}", part)
        for (m, c), part in zip(models, matched, strict=True)
    ]
    raw = [
        (
            m.name,
            f"{len(c.units[0].clusters)} clusters",
            pictures.clusters(images[at], ids[at]),
        )
        for (m, c), ids in zip(models, maps, strict=True)
        if kept.scope != "labels"
    ]
    features = [
        (m.name, f"{c.grid[0]} x {c.grid[1]} patches", pictures.enlarged(pca[at], c.size))
        for (m, c), pca in zip(models, colours, strict=True)
        if pca is not None
    ]
    middles = pictures.columns(len(at), clip.size[1])
    return {
        **shown,
        "rows": strips([(name, note, part[at]) for name, note, part in (*plain, *scored)]),
        "raw": strips(raw),
        "features": strips(features),
        "frames": [clip.frames[i] for i in at],
        "timeline": timeline(
            [(m.name, c.series) for m, c in models], [clip.positions[i] for i in at], middles
        ),
        "video": _video([(name, part) for name, _, part in (*plain, *scored)]),
        "tables": [of_unit(m.name, c.units[0], kept, label_name) for m, c in models if c.units]
        if kept.scope == "clip"
        else [],
    }


def _matched(clip: RecordedClip, ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the labels [T, H, W] that the clusters of the kept frames were matched with."""
    out = np.full(ids.shape, UNMATCHED, np.int64)
    for i, position in enumerate(clip.positions):
        unit = next((u for u in reversed(clip.units) if u.start <= position), None)
        if unit is not None:
            order = np.argsort(unit.clusters, kind="stable")
            clusters = np.asarray(unit.clusters, np.int64)[order]
            out[i] = Match(clusters, np.asarray(unit.assigned, np.int64)[order]).apply(ids[i])
    return out


def strips(parts: Sequence[tuple[str, str, NDArray[np.uint8]]]) -> list[dict[str, Any]]:
    """Return one picture per part: its name, what it shows, and its frames."""
    return [
        {
            "name": breakable(name),
            "note": note,
            "alt": f"{name}: {note}",
            "strip": pictures.strip(frames),
            "frames": len(frames),
        }
        for name, note, frames in parts
    ]


def _video(parts: Sequence[tuple[str, NDArray[np.uint8]]]) -> video.Film | None:
    if len(parts[0][1]) < 3:
        return None
    return video.film(pictures.panels(parts, _ACROSS), FPS)


def _classes(section: Section) -> dict[str, Any] | None:
    """Return IoU per class, a column per model, the rarest class last."""
    models = section.pictured or section.models
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
        "models": [breakable(m.name) for m, _ in found],
        "rows": [
            {
                "name": names[label],
                "share": percent(support.get(label, 0) / total) if total else "–",
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
        "value": percent(found.iou),
        "ci": None if found.ci is None else (percent(lo), percent(hi)),
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
