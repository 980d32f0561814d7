"""The table that a run prints: one per data set, a column per protocol, references below."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean, stdev
from typing import TYPE_CHECKING

from tvseg_bench.benchmark.statistics.intervals import FEW_CLIPS

if TYPE_CHECKING:
    from tvseg_bench.benchmark.results.result import Metric, Result

BASELINES = ("baseline/random", "baseline/pixels")
REFERENCES = {"constant": "(constant map)", "oracle": "(patch-grid oracle)"}


@dataclass(frozen=True)
class ResultTable:
    """Rows of one data set; every value is a percentage as text."""

    title: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str]]]
    """Name and one value per column; best model first, references last."""
    notes: Sequence[str] = ()


@dataclass
class _Cellgroup:
    """The seeds of one model under one protocol on one data set."""

    results: list[Result] = field(default_factory=list)

    def headline(self) -> list[Metric]:
        return [r.metrics[r.headline] for r in self.results if r.headline]

    def value(self) -> float | None:
        values = [m.value for m in self.headline() if m.value is not None]
        return mean(values) if values else None


def tables(results: Iterable[Result]) -> list[ResultTable]:
    """Return one table per data set of the finished results."""
    by_dataset: dict[str, list[Result]] = {}
    for result in results:
        if result.status == "ok":
            partial = f", first {result.limit} clips" if result.partial else ""
            title = f"{result.dataset.id}:{result.dataset.split}{partial}"
            by_dataset.setdefault(title, []).append(result)
    return [_table(title, rows) for title, rows in by_dataset.items()]


def _table(title: str, results: Sequence[Result]) -> ResultTable:
    groups: dict[tuple[str, str], _Cellgroup] = {}
    for result in results:
        key = (result.model.name, column_title(result))
        groups.setdefault(key, _Cellgroup()).results.append(result)
    columns = list(dict.fromkeys(protocol for _, protocol in groups))
    models = list(dict.fromkeys(model for model, _ in groups))
    models.sort(key=lambda m: _rank(groups, m, columns))
    rows: list[tuple[str, Sequence[str]]] = [
        (model, [_cell(groups.get((model, column))) for column in columns]) for model in models
    ]
    rows += _reference_rows(results, columns)
    return ResultTable(title, columns, rows, _notes(results, models))


def protocol_label(result: Result) -> str:
    """Return the protocol, with its preset where it is not the standard one."""
    name = result.protocol.id
    return name if result.protocol.preset == "standard" else f"{name}:{result.protocol.preset}"


def column_title(result: Result) -> str:
    """Return the protocol, with its headline where that is not mIoU."""
    headline = "" if result.headline == "miou" else f" ({result.headline})"
    return protocol_label(result) + headline


def _rank(
    groups: Mapping[tuple[str, str], _Cellgroup], model: str, columns: Sequence[str]
) -> tuple[float, str]:
    values = [groups[model, c].value() for c in columns if (model, c) in groups]
    said = [v for v in values if v is not None]
    return (-mean(said) if said else 1.0, model)


def _cell(group: _Cellgroup | None) -> str:
    """Return `36.1 [31.8, 40.4]`, and the spread over seeds where there are several."""
    if group is None:
        return ""
    value = group.value()
    if value is None:
        return "–"
    metrics = group.headline()
    text = f"{100 * value:.1f}"
    if len(metrics) > 1:
        values = [m.value for m in metrics if m.value is not None]
        return f"{text} ± {100 * stdev(values):.1f}" if len(values) > 1 else text
    ends = metrics[0].ci95
    if ends is None:
        return text
    few = "*" if metrics[0].n < FEW_CLIPS else ""
    return f"{text} [{100 * ends[0]:.1f}, {100 * ends[1]:.1f}]{few}"


def _reference_rows(
    results: Sequence[Result], columns: Sequence[str]
) -> list[tuple[str, Sequence[str]]]:
    """Return what the same truth gives without a model, one row per patch size."""
    patches = sorted({r.model.card.patch_size or 0 for r in results})
    rows: list[tuple[str, Sequence[str]]] = []
    for name, title in REFERENCES.items():
        for patch in patches if name == "oracle" else [None]:
            shown = [_reference(results, column, name, patch) for column in columns]
            suffix = f", patch {patch}" if patch is not None else ""
            rows.append((title.replace(")", f"{suffix})"), shown))
    return rows


def _reference(results: Sequence[Result], column: str, name: str, patch: int | None) -> str:
    for result in results:
        value = result.references.get(f"{name}/{result.headline}")
        fits = patch is None or result.model.card.patch_size == patch
        if column_title(result) == column and fits and value is not None:
            return f"{100 * value:.1f}"
    return ""


def _notes(results: Sequence[Result], models: Sequence[str]) -> list[str]:
    notes = [
        "in percent (mIoU of all classes present where no other metric is named), 95 % interval "
        "over clips"
    ]
    headlines = [r.metrics[r.headline] for r in results if r.headline]
    if any(m.ci95 and m.n < FEW_CLIPS for m in headlines):
        notes.append("* fewer than ten clips: the interval is a rough one")
    missing = [name for name in BASELINES if name not in models]
    if missing:
        notes.append(f"to set the scores in relation, add --model {','.join(missing)}")
    return notes
