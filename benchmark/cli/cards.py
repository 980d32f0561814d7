"""Lists and cards of what is registered, as plain values and text; loads nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import isinf
from typing import Any, Literal, get_args, get_origin

from tvseg_bench.benchmark.errors import UsageError, did_you_mean
from tvseg_bench.benchmark.registry import datasets, models, protocols


def text_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return aligned columns, one per key of the first row.

    Example:
        >>> print(text_table([{"name": "a", "k": 1}, {"name": "long", "k": None}]))
        name  k
        a     1
        long  -
    """
    cells = [list(rows[0]), *([_plain(v) for v in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(v.ljust(w) for v, w in zip(row, widths, strict=True)) for row in cells)
    return "\n".join(line.rstrip() for line in lines)


def _plain(value: Any) -> str:
    if value is None or value == "" or value == ():
        return "-"
    if isinstance(value, (tuple, list)):
        return ", ".join(map(str, value))
    return str(value)


def list_models() -> list[dict[str, Any]]:
    """Return one row per registered model; a plugin's card is not loaded for a list."""
    rows = []
    for name in models:
        entry = models.loaded(name)
        card = entry.card if entry else None
        rows.append(
            {
                "name": name,
                "patch": card.patch_size if card else None,
                "dim": card.embed_dim if card else None,
                "params_m": card.params_m if card else None,
                "weights": "file" if entry and entry.needs_weights else None,
                "licence": card.licence if card else None,
                "from": models.origin(name),
            }
        )
    return rows


def list_protocols() -> list[dict[str, Any]]:
    """Return one row per registered protocol."""
    return [
        {
            "name": name,
            "version": protocols[name].version,
            "presets": list(protocols[name].presets),
            "title": protocols[name].title,
        }
        for name in protocols
    ]


def list_datasets() -> list[dict[str, Any]]:
    """Return one row per registered data set."""
    rows = []
    for name in datasets:
        card = datasets[name].card
        rows.append(
            {
                "name": name,
                "version": card.version,
                "splits": list(card.splits),
                "title": card.title,
                "licence": card.licence,
            }
        )
    return rows


def find_card(name: str) -> dict[str, Any]:
    """Return everything known about a model, protocol or data set.

    Raises:
        UsageError: nothing of that name, with the nearest ones.
    """
    bare = name.partition(":")[0]
    if bare in protocols:
        return _protocol_info(bare)
    if bare in datasets:
        return {"kind": "dataset", **asdict(datasets[bare].card)}
    if name in models:
        return {"kind": "model", "from": models.origin(name), **_model_info(name)}
    if ":" in name:
        return _reference_info(name)
    raise UsageError(
        did_you_mean("name", name, [*models, *protocols, *datasets], "tvseg-bench list models")
    )


def _reference_info(reference: str) -> dict[str, Any]:
    """Return the card behind `file:`, `timm:` or a dotted name; built only if it must be."""
    from tvseg_bench.benchmark.plugins.load import load_model
    from tvseg_bench.benchmark.plugins.resolve import find_model

    found = find_model(reference)
    card = found.entry.card or load_model(reference).card
    return {"kind": "model", **dict(found.origin), **asdict(card)}


def _model_info(name: str) -> dict[str, Any]:
    entry = models[name]
    if entry.card is None:
        return {"name": name, "note": "the card is known once the model is built"}
    return {"needs_weights": entry.needs_weights, **asdict(entry.card)}


def _protocol_info(name: str) -> dict[str, Any]:
    entry = protocols[name]
    standard = entry.presets["standard"]
    return {
        "kind": "protocol",
        "name": name,
        "version": entry.version,
        "title": entry.title,
        "paper": entry.paper,
        "headline": entry.headline,
        "metrics": {
            metric: {
                "range": [None if isinf(end) else end for end in (card.lowest, card.highest)],
                "unit": card.unit,
                "better": "higher" if card.higher_is_better else "lower",
                "meaning": card.title,
            }
            for metric, card in entry.metrics.items()
        },
        "parameters": {
            field: {
                "takes": _accepted(about.annotation),
                **{preset: dict(config)[field] for preset, config in entry.presets.items()},
                "meaning": " ".join((about.description or "").split()),
            }
            for field, about in type(standard).model_fields.items()
        },
    }


def _accepted(annotation: Any) -> str:
    """Return what a parameter takes, in words.

    Example:
        >>> from typing import Literal, Union
        >>> _accepted(Union[int, Literal["gt"], None])
        'int | gt | null'
    """
    parts = get_args(annotation)
    if get_origin(annotation) is Literal:
        return " | ".join(map(str, parts))
    if parts:
        return " | ".join(_accepted(part) for part in parts)
    if annotation is type(None):
        return "null"
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


def card_text(card: Mapping[str, Any]) -> str:
    """Return a card as lines; metrics and parameters of a protocol as tables."""
    in_tables = ("metrics", "parameters")
    lines = [f"{key}: {_plain(value)}" for key, value in card.items() if key not in in_tables]
    if "metrics" in card:
        rows = [
            {
                "metric": name,
                "range": _range(*m["range"]),
                **{k: m[k] for k in ("unit", "better", "meaning")},
            }
            for name, m in card["metrics"].items()
        ]
        lines += ["", text_table(rows)]
    if "parameters" in card:
        parameters: Mapping[str, Mapping[str, Any]] = card["parameters"]
        rows = [
            {"parameter": name}
            | {c: "null" if v is None else str(v) for c, v in p.items() if c != "meaning"}
            for name, p in parameters.items()
        ]
        lines += ["", text_table(rows), ""]
        lines += [f"{name}: {p['meaning']}" for name, p in parameters.items() if p["meaning"]]
    return "\n".join(lines)


def _range(lowest: float | None, highest: float | None) -> str:
    """Return a range, its bounds left out where there are none.

    Example:
        >>> _range(-1.0, 1.0), _range(0.0, None)
        ('-1..1', '0..')
    """
    return "..".join("" if end is None else f"{end:g}" for end in (lowest, highest))
