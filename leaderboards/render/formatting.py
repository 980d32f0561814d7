"""How boards and reports show names, numbers and ranks, and state how numbers were compared."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tvseg_bench.benchmark.results.text import short_hash

if TYPE_CHECKING:
    from markupsafe import Markup

    from tvseg_bench.leaderboards.board import BoardTable
    from tvseg_bench.leaderboards.rows import BoardRow

INTERVAL = (
    "95 % intervals over clips: Student's t times the jackknife's standard error on the logit "
    "scale, each clip left out in turn (below ten clips, marked †, they are a rough guide)"
)
COMPARISON = (
    "models are compared in pairs over the clips they share, by Student's t, with Holm's "
    "correction over all pairs of a table: the chance that any two equal models are called "
    "different is at most 5 %"
)
"""How intervals and ranks are made, in the words that every form of a board prints."""


def row_id(row: BoardRow) -> str:
    """Return 8 hexadecimal digits that are the same for one model in every table."""
    return short_hash(astuple(row.key))[:8]


def breakable(name: str) -> Markup:
    """Return a name, escaped, that may be broken behind its slashes.

    Example:
        >>> print(breakable("dino/<b>"))
        dino/<wbr>&lt;b&gt;
    """
    from markupsafe import Markup

    return Markup("/<wbr>").join(name.split("/"))


def row_name(row: BoardRow) -> dict[str, str]:
    """Return the name, and in a second line what sets this row apart from its default."""
    model = row.key.model
    return {"model": model, "shown": breakable(model), "extra": " · ".join(row_extra(row))}


def row_extra(row: BoardRow) -> list[str]:
    """Return what sets a row apart from its model: revision, layer and type where not usual."""
    key = row.key
    extra = [key.revision.removeprefix("sha256:")[:8]]
    extra += [f"layer {key.layer}"] if key.layer != -1 else []
    extra += [key.dtype] if key.dtype != "fp32" else []
    return extra


def rank_text(row: BoardRow) -> str:
    """Return the rank, or the range of ranks that cannot be excluded."""
    if row.rank is None:
        return "–"
    return f"{row.rank}" if row.rank_lo == row.rank_hi else f"{row.rank_lo}–{row.rank_hi}"


def number(value: float | None) -> tuple[float, str] | None:
    """Return a number and its text with three digits or so, None for None.

    Example:
        >>> number(21.66), number(0.123), number(1234.0), number(None)
        ((21.66, '21.7'), (0.123, '0.12'), (1234.0, '1234'), None)
    """
    if value is None:
        return None
    digits = 0 if value >= 100 else 1 if value >= 1 else 2
    return value, f"{value:.{digits}f}"


def unlike(table: BoardTable, tables: Sequence[BoardTable]) -> list[str]:
    """Return the parameters by which a table differs from others of its protocol and preset."""
    alike = [t for t in tables if t.key.protocol_label == table.key.protocol_label]
    names: list[Any] = sorted(
        name
        for name in table.params
        if any(t.params.get(name) != table.params[name] for t in alike)
    )
    return [f"{name}={json.dumps(table.params[name])}" for name in names]


@lru_cache(maxsize=1024)
def resolution_label(view: str) -> str:
    """Return a view in a few words.

    Example:
        >>> resolution_label('{"frames":null,"resize":"short-side","size":224}')
        '224 short-side'
        >>> resolution_label('{"frames":4,"resize":"square","sampling":"random","size":224}')
        '224 square, 4 frames random'
    """
    fields: Mapping[str, Any] = json.loads(view)
    words = " ".join(str(fields[name]) for name in ("size", "resize") if name in fields)
    if fields.get("frames") is not None:
        words += f", {fields['frames']} frames {fields.get('sampling', '')}".rstrip()
    return words or view


def number_of(count: int, what: str) -> str:
    """Return a count with its noun.

    Example:
        >>> number_of(1, "clip"), number_of(12, "clip")
        ('1 clip', '12 clips')
    """
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
