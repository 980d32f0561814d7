"""Charts of a report as positions in an SVG; the page draws them in its own colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

HEIGHT = 150
_TOP, _BOTTOM = 8, 20
WIDTH = 1000


def timeline(
    series: Sequence[tuple[str, Sequence[float | None]]],
    positions: Sequence[int],
    middles: Sequence[float],
) -> dict[str, Any] | None:
    """Return mIoU over time on the axis of the frames above it, None for less than three frames.

    Args:
        series: name and one value per frame, within 0..1, None where a frame has no value; below
            0 it is drawn as 0.
        positions: of the frames that are shown above, the first and the last among them.
        middles: where their middles are, in percent of the width.
    """
    length = len(series[0][1])
    if length < 3 or len(positions) < 2:
        return None
    places = np.interp(np.arange(length), positions, np.asarray(middles) * WIDTH / 100)

    def x(t: int) -> float:
        return round(float(places[t]), 1)

    return {
        **_axes(middles),
        "marks": [x(t) for t in positions],
        "lines": [
            {
                "name": name,
                "colour": i % 8 + 1,
                "paths": _paths([(x(t), v) for t, v in enumerate(values)]),
                "mean": _mean(values),
            }
            for i, (name, values) in enumerate(series)
        ],
    }


def _axes(middles: Sequence[float]) -> dict[str, Any]:
    """Return the size of a chart, its ends, and where 0, 50 and 100 % are."""
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "left": middles[0] * WIDTH / 100,
        "right": middles[-1] * WIDTH / 100,
        "levels": [(label, _y(value)) for label, value in (("0", 0.0), ("50", 0.5), ("100", 1.0))],
    }


def _y(value: float) -> float:
    return round(_TOP + (HEIGHT - _TOP - _BOTTOM) * (1 - max(value, 0.0)), 1)


def _mean(values: Sequence[float | None]) -> str:
    known = [v for v in values if v is not None]
    return f"{100 * sum(known) / len(known):.1f}" if known else "–"


def _paths(points: Sequence[tuple[float, float | None]]) -> list[str]:
    """Return a path for every run of frames that have a value."""
    paths: list[list[str]] = [[]]
    for x, value in points:
        if value is None:
            paths.append([])
        else:
            paths[-1].append(f"{'L' if paths[-1] else 'M'}{x} {_y(value)}")
    return [" ".join(path) + ("h0.1" if len(path) == 1 else "") for path in paths if path]


def scatter(points: Sequence[tuple[str, float, float]]) -> dict[str, Any]:
    """Return clips as points: the score of A to the right, that of B upwards; 0..100 each."""
    return {
        "points": [
            {
                "x": round(100 * b, 1),
                "y": round(100 - 100 * a, 1),
                "ahead": "a" if a > b else "b" if b > a else "even",
                "title": f"{clip}: {100 * a:.1f} and {100 * b:.1f}",
            }
            for clip, a, b in points
        ],
        "ahead": sum(a > b for _, a, b in points),
        "behind": sum(b > a for _, a, b in points),
    }


def shares(
    counts: NDArray[np.int64], positions: Sequence[int], middles: Sequence[float]
) -> dict[str, Any] | None:
    """Return the share of every cluster over time as areas on top of each other.

    Args:
        counts: [T, K] pixels of each cluster in each frame.
        positions: of the frames that are shown above, from 0 to T - 1.
        middles: where their middles are, in percent of the width.
    """
    if len(counts) < 3:
        return None
    x = np.interp(np.arange(len(counts)), positions, np.asarray(middles) * WIDTH / 100).round(1)
    heights = np.cumsum(counts / np.maximum(counts.sum(1, keepdims=True), 1), axis=1)
    edges = np.concatenate([np.zeros((len(counts), 1)), heights], axis=1)
    inner = HEIGHT - _TOP - _BOTTOM
    y = (_TOP + inner * (1 - edges)).round(1)
    areas = []
    for k in range(counts.shape[1]):
        there = [f"{a} {b}" for a, b in zip(x, y[:, k], strict=True)]
        back = [f"{a} {b}" for a, b in zip(x[::-1], y[::-1, k + 1], strict=True)]
        areas.append(f"M{'L'.join([*there, *back])}Z")
    return {**_axes(middles), "areas": areas}
