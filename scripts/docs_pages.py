"""Tables of the site that are made of the registry and of the command line; a hook of mkdocs.

A line `<!-- made: KIND NAME ... -->` of a page is replaced by what `KIND` makes of the names, so
that parameters, cards and options are never copied by hand.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from math import isinf
from pathlib import Path
from typing import Any

from tvseg_bench import register_builtins
from tvseg_bench.__main__ import main
from tvseg_bench.benchmark.registry import datasets, models, protocols
from tvseg_bench.benchmark.results.text import score_text
from tvseg_bench.benchmark.types import MetricCard

ROOT = Path(__file__).resolve().parent.parent
LINE = re.compile(r"^<!-- made: (\w+)(.*?) -->$", re.MULTILINE)
ADDRESS = re.compile(r"https?://[^\s,;)>|]*[^\s,;)>|.]")


def on_page_markdown(markdown: str, **_: object) -> str:
    """Replace the lines of a page; called by mkdocs."""
    register_builtins()
    return LINE.sub(lambda found: MADE[found[1]](*found[2].split()), markdown)


def table(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a Markdown table.

    Example:
        >>> print(table(["a", "b"], [["x | y", None]]))
        | a | b |
        | --- | --- |
        | x \\| y | - |
    """
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(value: Any) -> str:
    if value is None or value == "" or value == ():
        return "-"
    if isinstance(value, (tuple, list)):
        return ", ".join(map(str, value))
    return str(value).replace("|", "\\|").replace("\n", " ")


def protocol(name: str) -> str:
    """Return what stands at the head of a protocol's section, its metrics and its presets."""
    entry = protocols[name]
    facts = [
        f"Version {entry.version}",
        f"headline [`{entry.headline}`](../metrics.md#{anchor(entry.headline)})",
        f"from {entry.paper}",
    ]
    presets = [f"`{name}`" if p == "standard" else f"`{name}:{p}`" for p in entry.presets]
    metrics = [f"[`{m}`](../metrics.md#{anchor(m)})" for m in entry.metrics]
    lines = [
        "  \n".join([" · ".join(facts), f"Presets: {', '.join(presets)}"]),
        f"Metrics: {', '.join(metrics)}",
    ]
    return "\n\n".join(lines)


def anchor(metric: str) -> str:
    """Return the anchor of a metric's entry on the page of metrics."""
    return f"metric-{metric}"


def presets(*names: str) -> str:
    """Return the parameters of protocols of one family, one column for each different preset.

    The rows in which presets differ come first; the others are folded.
    """
    columns = _columns(names)
    fields = type(next(iter(columns.values()))).model_fields
    values = {f: [getattr(c, f) for c in columns.values()] for f in fields}
    differ = [f for f in fields if any(v != values[f][0] for v in values[f])]
    headers = ["parameter", *columns]
    rows = [[f"`{f}`", *map(_value, values[f])] for f in differ]
    about = json.loads(printed("info", names[0], "--json"))["parameters"]
    every = [
        [f"`{f}`", f"`{about[f]['takes']}`", _value(values[f][0]), about[f]["meaning"]]
        for f in fields
    ]
    folded = table(["parameter", "takes", "`standard`", "meaning"], every).replace("\n", "\n    ")
    return (
        f"{table(headers, rows)}\n\n"
        f'??? note "All {len(fields)} parameters and what they mean"\n\n    {folded}\n'
    )


def _columns(names: Sequence[str]) -> Mapping[str, Any]:
    """Return the presets under the heads of their columns; equal ones share a column."""
    found: dict[str, tuple[Any, list[str]]] = {}
    for name in names:
        for preset, config in protocols[name].presets.items():
            key = f"{preset} {config!r}"
            found.setdefault(key, (config, []))[1].append(name)
    several = dict.fromkeys(_presets(names), 0)
    for key in found:
        several[key.split()[0]] += 1
    return {
        _head(key.split()[0], owners, several[key.split()[0]] > 1): config
        for key, (config, owners) in found.items()
    }


def _presets(names: Sequence[str]) -> list[str]:
    return [preset for name in names for preset in protocols[name].presets]


def _head(preset: str, owners: Sequence[str], ambiguous: bool) -> str:
    scopes = ", ".join(owner.rpartition("-")[2] for owner in owners)
    return f"`{preset}` ({scopes})" if ambiguous else f"`{preset}`"


def _value(value: Any) -> str:
    return "`null`" if value is None else f"`{value}`"


def _range(card: MetricCard) -> str:
    """Return the range of a metric, with the unit where that is no share."""
    ends = " to ".join(
        "no bound" if isinf(end) else f"{end:g}" for end in (card.lowest, card.highest)
    )
    return ends if card.unit == "share" else f"{ends}, in {card.unit}"


def metric(name: str, protocol: str) -> str:
    """Return range and direction of a metric, and what has been measured of it."""
    card = protocols[protocol].metrics[name]
    better = "higher" if card.higher_is_better else "lower"
    facts = [
        f"**Range** {_range(card)}",
        f"{better} is better",
        "declared by " + ", ".join(f"`{p}`" for p in protocols if name in protocols[p].metrics),
    ]
    measured = {
        "constant map": _measured(protocol, name, MEASURED[-1], "constant/"),
        **{model: _measured(protocol, name, model) for model in MEASURED},
        "oracle": _measured(protocol, name, MEASURED[-1], "oracle/"),
    }
    if not any(measured.values()):
        return " · ".join(facts)
    shown = table([f"`{protocol}`", *measured], [["moving-shapes:val", *measured.values()]])
    return f"{' · '.join(facts)}\n\n{shown}"


MEASURED = ("baseline/pixels", "baseline/random", "timet/tiny")
"""Models of the repository's own results that show what good and bad look like."""


def _measured(protocol: str, metric: str, model: str, reference: str = "") -> str | None:
    """Return a value of the repository's own results as printed; None where there is none."""
    result = _results().get((protocol, model))
    if result is None:
        return None
    values = {name: found["value"] for name, found in result["metrics"].items()}
    value = (result["references"] if reference else values).get(reference + metric)
    card = protocols[protocol].metrics[metric]
    return None if value is None else score_text(value, card.unit)


@cache
def _results() -> Mapping[tuple[str, str], Any]:
    """Return the repository's own results on generated data by protocol and model."""
    files = (ROOT / "leaderboards" / "results" / "moving-shapes" / "results").glob("*.json")
    found = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    return {(r["protocol"]["id"], r["model"]["name"]): r for r in found if r["status"] == "ok"}


def dataset(name: str) -> str:
    """Return the card of a data set."""
    shown = {
        key: value
        for key, value in asdict(datasets[name].card).items()
        if key not in ("name", "title") and value not in ((), None, "")
    }
    rows = [[key.replace("_", " "), _linked(_cell(value))] for key, value in shown.items()]
    return table(["field", "value"], rows)


def _linked(text: str) -> str:
    return ADDRESS.sub(lambda found: f"<{found[0]}>", text)


def built_in_models() -> str:
    """Return the built-in models, a row each."""
    rows = []
    for name in models:
        entry = models.loaded(name)
        if entry is None or entry.card is None:
            continue
        card = entry.card
        weights = "a file" if entry.needs_weights else "none needed"
        size = f"{card.params_m:g}" if card.params_m is not None else "-"
        rows.append(
            [
                f"`{name}`",
                card.patch_size,
                card.embed_dim,
                size,
                weights,
                _short(card.licence),
            ]
        )
    headers = ["model", "patch", "channels", "parameters (millions)", "weights", "licence"]
    return table(headers, rows)


def _short(licence: str) -> str:
    """Return a licence, an address as a link of one word."""
    return f"[its own]({licence})" if ADDRESS.fullmatch(licence) else licence


def options(command: str) -> str:
    """Return what `tvseg-bench COMMAND --help` prints."""
    return f"```text\n{printed(command, '--help').rstrip()}\n```"


def printed(*typed: str) -> str:
    """Return what the command line prints."""
    out = io.StringIO()
    os.environ["COLUMNS"] = "80"
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        main(typed)
    return out.getvalue()


MADE: Mapping[str, Callable[..., str]] = {
    "protocol": protocol,
    "presets": presets,
    "metric": metric,
    "dataset": dataset,
    "models": built_in_models,
    "options": options,
}
"""What a line may ask for."""
