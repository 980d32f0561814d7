"""One clip of a report in plain values: images as `data:` addresses, charts as positions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.metrics.matching import UNMATCHED, Match
from tvseg_bench.benchmark.recording.writer import spread
from tvseg_bench.benchmark.results.result_file import Problem
from tvseg_bench.benchmark.results.text import ResultError, score_text
from tvseg_bench.benchmark.types import VOID
from tvseg_bench.leaderboards.render.formatting import breakable
from tvseg_bench.leaderboards.report import drawing, video
from tvseg_bench.leaderboards.report.charts import timeline
from tvseg_bench.leaderboards.report.contingency import of_unit

if TYPE_CHECKING:
    from tvseg_bench.benchmark.recording.reader import RecordedClip, Recording
    from tvseg_bench.leaderboards.report.gather import ReportedModel, Section, SelectedClip

    Models: TypeAlias = Sequence[tuple[ReportedModel, RecordedClip]]

Frames: TypeAlias = NDArray[np.uint8]
"""[T, H, W, 3] RGB."""
Maps: TypeAlias = NDArray[np.int64]
"""[T, H, W] ids."""
Part: TypeAlias = tuple[str, str, Frames]
"""A name, what it shows, and the frames."""

COLUMNS = 5
"""Frames of a clip side by side."""
FPS = 3
_ACROSS = 4


def clip_view(chosen: SelectedClip, section: Section, problems: list[Problem]) -> dict[str, Any]:
    """Return everything about one clip: strips, timeline, video, contingency.

    Args:
        problems: gets what keeps its images from being shown.
    """
    models = [(m, c) for m in section.illustrated if (c := m.clip(chosen.name)) is not None]
    first, clip = models[0]
    recording = first.recording
    assert recording is not None
    shown: dict[str, Any] = {
        "why": chosen.why,
        "name": breakable(chosen.name),
        "scores": [(m.name, score_text(c.score)) for m, c in models],
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
    segments = _segment_parts(images, truth, models, maps, recording)
    by_clip = recording.scope == "clip"
    return {
        **shown,
        "rows": strips([(name, note, part[at]) for name, note, part in segments]),
        "raw": strips(_cluster_parts(images[at], at, models, maps, recording)),
        "features": strips(_feature_parts(at, models, colours)),
        "frames": [clip.frames[i] for i in at],
        "timeline": timeline(
            [(m.name, c.series) for m, c in models],
            [clip.positions[i] for i in at],
            drawing.columns(len(at), clip.size[1]),
        ),
        "video": _video([(name, part) for name, _, part in segments]),
        "tables": [
            of_unit(m.name, c.units[0], recording, label_name)
            for m, c in models
            if by_clip and c.units
        ],
    }


def _segment_parts(
    images: Frames, truth: Maps, models: Models, maps: Sequence[Maps], recording: Recording
) -> list[Part]:
    """Return the frames, the ground truth, and what each model's clusters were matched with."""
    true = drawing.segments(images, truth, recording.background)
    return [
        ("frame", "what the model is shown", images),
        ("truth", "the labels of the data set; dark is void", true),
        *(
            (
                m.name,
                f"{recording.metric} {score_text(c.score)}",
                drawing.segments(images, _matched(c, ids), recording.background),
            )
            for (m, c), ids in zip(models, maps, strict=True)
        ),
    ]


def _cluster_parts(
    images: Frames,
    at: Sequence[int],
    models: Models,
    maps: Sequence[Maps],
    recording: Recording,
) -> list[Part]:
    """Return each model's clusters as they are; nothing where labels are predicted."""
    if recording.scope == "labels":
        return []
    return [
        (m.name, f"{len(c.units[0].clusters)} clusters", drawing.clusters(images, ids[at]))
        for (m, c), ids in zip(models, maps, strict=True)
    ]


def _feature_parts(
    at: Sequence[int], models: Models, colours: Sequence[Frames | None]
) -> list[Part]:
    """Return each model's features as colours, where they were recorded."""
    return [
        (m.name, f"{c.grid[0]} x {c.grid[1]} patches", drawing.resized(pca[at], c.size))
        for (m, c), pca in zip(models, colours, strict=True)
        if pca is not None
    ]


def _matched(clip: RecordedClip, ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the labels [T, H, W] that the clusters of the recorded frames were matched with."""
    out = np.full(ids.shape, UNMATCHED, np.int64)
    for i, position in enumerate(clip.positions):
        unit = next((u for u in reversed(clip.units) if u.start <= position), None)
        if unit is not None:
            order = np.argsort(unit.clusters, kind="stable")
            clusters = np.asarray(unit.clusters, np.int64)[order]
            out[i] = Match(clusters, np.asarray(unit.assigned, np.int64)[order]).apply(ids[i])
    return out


def strips(parts: Sequence[Part]) -> list[dict[str, Any]]:
    """Return one strip of frames per part: its name, what it shows, and its frames."""
    return [
        {
            "name": breakable(name),
            "note": note,
            "alt": f"{name}: {note}",
            "strip": drawing.strip(frames),
            "frames": len(frames),
        }
        for name, note, frames in parts
    ]


def _video(parts: Sequence[tuple[str, NDArray[np.uint8]]]) -> video.Film | None:
    if len(parts[0][1]) < 3:
        return None
    return video.film(drawing.panels(parts, _ACROSS), FPS)


def legend(section: Section, recording: Recording | None) -> list[dict[str, str]]:
    """Return names and colours of the classes, where labels are classes."""
    if recording is None or recording.labels != "semantic":
        return []
    seen = {
        label
        for chosen in section.clips
        for model in section.illustrated
        if (clip := model.clip(chosen.name)) is not None
        for unit in clip.units
        for label in (*unit.labels, *unit.assigned)
        if label not in (VOID, UNMATCHED)
    }
    return [
        {
            "name": label_name(label, recording),
            "colour": drawing.css(drawing.label_colour(label, recording.background)),
        }
        for label in sorted(seen)
    ]


def label_name(label: int, recording: Recording) -> str:
    """Return the name of a label in words."""
    if recording.labels == "semantic" and 0 <= label < len(recording.classes):
        return recording.classes[label]
    return "background" if label == recording.background else f"object {label}"
