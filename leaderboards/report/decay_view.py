"""Scores over the distance of two frames, as a report draws them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tvseg_bench.leaderboards.report.charts import timeline

if TYPE_CHECKING:
    from tvseg_bench.leaderboards.report.gather import ReportedModel

SCORES = {
    "kept": "pixels that keep their cluster",
    "correct": "pixels that are right in both frames",
    "persistence": "overlap of an object's clusters",
}
"""Curve of `details.decay` -> what it shows."""
ORACLE = "perfect decision per patch"
MOST_MODELS = 7
"""Lines of models in a chart, the best ones; one colour more is the oracle's."""

Curves = dict[str, list[float | None]]


def decay_charts(models: Sequence[ReportedModel]) -> list[dict[str, Any]]:
    """Return a chart of each score, a line per model; none where no result holds curves."""
    found = [(m.name, *curves) for m in models if (curves := _curves(m)) is not None]
    if not found:
        return []
    distances = found[0][1]
    alike = [(name, curves) for name, own, curves in found if own == distances][:MOST_MODELS]
    reached = max((_reach(curve) for _, curves in alike for curve in curves.values()), default=0)
    distances, places = distances[:reached], range(reached)
    middles = [100 * (2 * i + 1) / (2 * reached) for i in places]
    charts = []
    for score, title in SCORES.items():
        lines = [(name, curves[score]) for name, curves in alike if score in curves]
        oracle = alike[0][1].get(f"oracle/{score}")
        if oracle is not None:
            lines.append((ORACLE, oracle))
        lines = [(name, curve[:reached]) for name, curve in lines if _reach(curve)]
        chart = timeline(lines, places, middles) if lines else None
        if chart is not None:
            charts.append({"title": title, "distances": distances, **chart})
    return charts


def _curves(model: ReportedModel) -> tuple[list[int], Curves] | None:
    """Return the distances and the curves of a result, None where it holds none as this suite
    writes them."""
    decay = model.result.details.get("decay")
    if not isinstance(decay, dict):
        return None
    distances, curves = decay.get("distances"), decay.get("curves")
    if not isinstance(distances, list) or not isinstance(curves, dict):
        return None
    apart = [d for d in distances if isinstance(d, int) and 0 < d < 2**31]
    shares = {name: _shares(values) for name, values in curves.items()}
    known = {name: v for name, v in shares.items() if v is not None and len(v) == len(apart)}
    return (apart, known) if len(apart) == len(distances) else None


def _reach(curve: Sequence[float | None]) -> int:
    """Return how many distances there are up to the last that has a value."""
    return max((i for i, v in enumerate(curve, 1) if v is not None), default=0)


def _shares(values: Any) -> list[float | None] | None:
    """Return a list of shares, None where it is none."""
    if not isinstance(values, list):
        return None
    if not all(v is None or (isinstance(v, int | float) and 0 <= v <= 1) for v in values):
        return None
    return values
