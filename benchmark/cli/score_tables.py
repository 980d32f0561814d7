"""The tables that a run prints: one per data set, a column per protocol, references below."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from rich.console import Console
from rich.markup import escape

from tvseg_bench.benchmark.cli.console import make_console, plain_table
from tvseg_bench.benchmark.cli.output import counted
from tvseg_bench.benchmark.execution.run import RunReport
from tvseg_bench.benchmark.results.result import Metric, Result
from tvseg_bench.benchmark.results.text import metric_label, score_text
from tvseg_bench.benchmark.statistics.intervals import FEW_CLIPS

BASELINES = ("baseline/random", "baseline/pixels")
REFERENCES = {"constant": "constant map", "oracle": "patch-grid oracle"}


@dataclass(frozen=True)
class ScoreTable:
    """Rows of one data set; every value is text, a percentage where its column names no unit."""

    title: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str]]]
    """Name and one value per column; best model first, references last."""
    notes: Sequence[str] = ()


def _headlines(results: Iterable[Result]) -> list[Metric]:
    return [r.metrics[r.headline] for r in results if r.headline]


def _mean(results: Iterable[Result]) -> float | None:
    values = [m.value for m in _headlines(results) if m.value is not None]
    return mean(values) if values else None


def score_tables(results: Iterable[Result]) -> list[ScoreTable]:
    """Return one table per data set of the finished results."""
    by_dataset: dict[str, list[Result]] = {}
    for result in results:
        if result.status == "ok":
            partial = f", first {counted(result.limit or 0, 'clip')}" if result.partial else ""
            title = f"{result.dataset.id}:{result.dataset.split}{partial}"
            by_dataset.setdefault(title, []).append(result)
    return [_table(title, rows) for title, rows in by_dataset.items()]


def _table(title: str, results: Sequence[Result]) -> ScoreTable:
    groups: dict[tuple[str, str], list[Result]] = {}  # the seeds of a cell
    for result in results:
        key = (result.model.name, column_title(result))
        groups.setdefault(key, []).append(result)
    columns = list(dict.fromkeys(protocol for _, protocol in groups))
    models = list(dict.fromkeys(model for model, _ in groups))
    models.sort(key=lambda m: _rank(groups, m, columns))
    rows: list[tuple[str, Sequence[str]]] = [
        (model, [_cell(groups.get((model, column))) for column in columns]) for model in models
    ]
    rows += _reference_rows(results, columns)
    return ScoreTable(title, columns, rows, _notes(results, models))


def protocol_label(result: Result) -> str:
    """Return the protocol, with its preset where it is not the standard one."""
    name = result.protocol.id
    return name if result.protocol.preset == "standard" else f"{name}:{result.protocol.preset}"


def column_title(result: Result) -> str:
    """Return the protocol, with its headline where that is not mIoU."""
    name = result.headline or "miou"
    if name == "miou":
        return protocol_label(result)
    unit = result.metrics[name].unit if name in result.metrics else "share"
    return f"{protocol_label(result)} ({metric_label(name, unit)})"


def _rank(
    groups: Mapping[tuple[str, str], Sequence[Result]], model: str, columns: Sequence[str]
) -> tuple[float, str]:
    found = [groups[model, c] for c in columns if (model, c) in groups]
    shares = [group for group in found if all(m.unit == "share" for m in _headlines(group))]
    known = [value for group in shares if (value := _mean(group)) is not None]
    return (-mean(known) if known else 1.0, model)


def _cell(group: Sequence[Result] | None) -> str:
    """Return `36.1 [31.8, 40.4]`, and the spread over seeds where there are several."""
    if group is None:
        return ""
    value = _mean(group)
    if value is None:
        return "–"
    metrics = _headlines(group)
    unit = metrics[0].unit
    text = score_text(value, unit)
    if len(metrics) > 1:
        values = [m.value for m in metrics if m.value is not None]
        return f"{text} ± {score_text(stdev(values), unit)}" if len(values) > 1 else text
    ends = metrics[0].ci95
    if ends is None:
        return text
    few = "*" if metrics[0].n < FEW_CLIPS else ""
    return f"{text} [{score_text(ends[0], unit)}, {score_text(ends[1], unit)}]{few}"


def _reference_rows(
    results: Sequence[Result], columns: Sequence[str]
) -> list[tuple[str, Sequence[str]]]:
    """Return what the ground truth alone gives, one row per patch size."""
    patches = sorted({r.model.card.patch_size or 0 for r in results})
    rows: list[tuple[str, Sequence[str]]] = []
    for name, title in REFERENCES.items():
        for patch in patches if name == "oracle" else [None]:
            shown = [_reference(results, column, name, patch) for column in columns]
            suffix = f", patch {patch}" if patch is not None else ""
            rows.append((f"({title}{suffix})", shown))
    return rows


def _reference(results: Sequence[Result], column: str, name: str, patch: int | None) -> str:
    for result in results:
        value = result.references.get(f"{name}/{result.headline}")
        fits = patch is None or result.model.card.patch_size == patch
        if column_title(result) == column and fits and value is not None:
            return score_text(value, result.metrics[result.headline or "miou"].unit)
    return ""


def _higher(result: Result) -> bool:
    return result.metrics[result.headline or "miou"].higher_is_better


def _notes(results: Sequence[Result], models: Sequence[str]) -> list[str]:
    notes = [
        "in percent (mIoU of all classes present where no other metric is named), 95 % interval "
        "over clips"
    ]
    lower = {r.headline for r in results if r.headline and not _higher(r)}
    if lower:
        notes.append(f"lower {', '.join(sorted(lower))} is better")
    if any(m.ci95 and m.n < FEW_CLIPS for m in _headlines(results)):
        notes.append("* fewer than ten clips: the interval is a rough one")
    missing = [name for name in BASELINES if name not in models]
    if missing:
        notes.append(f"to set the scores in relation, add --model {','.join(missing)}")
    return notes


def print_report(report: RunReport) -> None:
    """Print the tables of a run, and what has no number."""
    console = make_console()
    for table in score_tables(report.results):
        print_table(console, table)
    skipped = [r for r in report.results if r.status == "skipped"]
    for reason in dict.fromkeys(r.reason for r in skipped):
        cells = [r for r in skipped if r.reason == reason]
        names = ", ".join(dict.fromkeys(protocol_label(r) for r in cells))
        console.print(f"skipped {escape(names)} ({counted(len(cells), 'cell')}): {escape(reason)}")
    if report.waiting and report.record is not None:
        folder = escape(str(report.record.output))
        jobs = ", ".join(jobs.job for jobs in report.record.content.jobs)
        console.print(
            f"{counted(report.waiting, 'cell')} handed to {report.record.content.executor}"
            + (f" as {jobs}" if jobs else "")
            + f"; type: tvseg-bench status {folder}",
            soft_wrap=True,
        )
    if report.failed:
        console.print(
            f"[red]{counted(report.failed, 'cell')} failed[/red]; the reasons are printed above"
        )


def print_table(console: Console, table: ScoreTable) -> None:
    """Print one table with its notes; what is too wide goes on below, so that nothing is cut."""
    for i, columns in enumerate(_blocks(table, console.width)):
        rich = plain_table(escape(table.title) + (", continued" if i else ""))
        rich.add_column("model", no_wrap=True)
        for c in columns:
            rich.add_column(escape(table.columns[c]), justify="right", no_wrap=True)
        for name, values in table.rows:
            style = "dim" if name.startswith("(") else None
            rich.add_row(escape(name), *(escape(values[c]) for c in columns), style=style)
        console.print()
        console.print(rich)
    for note in table.notes:
        console.print(f"[dim]{escape(note)}[/dim]")


def _blocks(table: ScoreTable, width: int) -> list[list[int]]:
    """Return the columns that fit beside each other and the names, block by block."""
    names = max(len(name) for name, _ in table.rows)
    blocks: list[list[int]] = []
    left = 0
    for c, title in enumerate(table.columns):
        wide = 2 + max(len(title), *(len(values[c]) for _, values in table.rows))
        if not blocks or wide > left:
            blocks.append([])
            left = width - names
        blocks[-1].append(c)
        left -= wide
    return blocks
