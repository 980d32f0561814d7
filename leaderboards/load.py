"""From folders to measurements: which files are results, which of them belong on a board.

One bad file never takes the rest down: it becomes a problem that names it. Only what a board
needs is kept in memory.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.results import result_file
from tvseg_bench.benchmark.results.schema import Metric, Result, Samples
from tvseg_bench.benchmark.results.text import ResultError, escape_control
from tvseg_bench.leaderboards.board_keys import RowKey, TableKey, table_key
from tvseg_bench.leaderboards.published.numbers import beside, for_model

_COMPANIONS = {"manifest.json", "model_card.json", "check_report.json"}
"""JSON files that stand beside results and are not results."""
_ELSEWHERE = {"samples", "media", "errors"}
"""Folders of a run that hold no results."""
_SAME = 1e-6
"""How far the same measurement may differ between two machines."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What a board needs of one result file."""

    table: TableKey
    row: RowKey
    seed: int
    cell_id: str
    path: Path
    file: str
    """The path as it is shown."""
    sha256: str
    metrics: Mapping[str, Metric]
    references: Mapping[str, float | None]
    samples: Samples | None
    background: int | None
    n_clips: int | None
    facts: Mapping[str, Any]
    """Columns of the table that do not depend on the metric."""
    paper_values: Mapping[str, float]
    """Metric -> the number that was published for this model, setting and data."""


@dataclass
class LoadedResults:
    """Everything found below some folders."""

    measurements: list[Measurement] = field(default_factory=list)
    params: dict[TableKey, Mapping[str, Any]] = field(default_factory=dict)
    """Resolved parameters of each table's protocol."""
    problems: list[result_file.Problem] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """One sentence for every result that is complete and yet not on the board."""
    results: int = 0
    """Files that are results, on the board or not."""


def load(folders: Sequence[Path], *, partial: bool = False) -> LoadedResults:
    """Read every result below the folders.

    Partial, skipped and failed results are left out and named. Of equal results of one cell the
    first counts; where they differ none does, and all files are named.

    Args:
        partial: whether results of the first clips only count as well.

    Raises:
        UsageError: if a folder is not there.
    """
    loaded = LoadedResults()
    cells: dict[str, list[Measurement]] = {}
    for file, found in _results(folders, loaded):
        loaded.results += 1
        measured = _measurement(file, found, partial)
        if measured is None:
            loaded.left_out.append(_why_left_out(found.result))
            continue
        loaded.params.setdefault(measured.table, found.result.protocol.params)
        cells.setdefault(measured.cell_id, []).append(measured)
    for same in cells.values():
        if _agree(same):
            loaded.measurements.append(same[0])
        else:
            loaded.problems += list(_disagreement(same))
    loaded.measurements.sort(key=lambda m: (m.table, m.row, m.seed))
    loaded.left_out.sort()
    return loaded


def _results(
    folders: Sequence[Path], loaded: LoadedResults
) -> Iterator[tuple[str, result_file.ResultFile]]:
    seen: set[str] = set()
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(
                f"{folder} is not a folder; give the folder that 'tvseg-bench run -o' wrote"
            )
        for path, file in _files(folder):
            real = os.path.realpath(path)
            if real in seen:  # folders that hold one another, and links
                continue
            seen.add(real)
            try:
                yield file, result_file.read_result(path)
            except result_file.NotAResultError as error:
                loaded.left_out.append(escape_control(_shown(error, path, file)))
            except ResultError as error:
                loaded.problems.append(result_file.Problem(file, _shown(error, path, file)))


def _shown(error: ResultError, path: Path, file: str) -> str:
    """Return the sentence with the path as it is shown: without the folders above."""
    return str(error).replace(str(path), file)


def _files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield the JSON files that may be results, in the order of their names."""
    shown, entered = folder.resolve().name, set[str]()
    for root, names, files in os.walk(folder, followlinks=True):
        here, real = Path(root), os.path.realpath(root)
        if real in entered:  # so that loops of links end
            names.clear()
            continue
        entered.add(real)
        below = "/".join((shown, *here.relative_to(folder).parts))
        names[:] = sorted(n for n in names if not n.startswith(".") and n not in _ELSEWHERE)
        for name in sorted(files):
            if name.endswith(".json") and not name.startswith(".") and name not in _COMPANIONS:
                yield here / name, f"{below}/{name}"


def _measurement(file: str, found: result_file.ResultFile, partial: bool) -> Measurement | None:
    """Return what the board needs, None where the result does not belong on it."""
    result = found.result
    if result.status != "ok" or (result.partial and not partial):
        return None
    return Measurement(
        table=table_key(result),
        row=RowKey(result.model.name, result.model.revision, result.layer, result.dtype),
        seed=result.seed,
        cell_id=result.cell_id,
        path=found.path,
        file=file,
        sha256=found.sha256,
        metrics=result.metrics,
        references=result.references,
        samples=result.samples,
        background=result.dataset.background,
        n_clips=result.dataset.n_clips,
        facts=_facts(result),
        paper_values=_published(result),
    )


def _published(result: Result) -> dict[str, float]:
    """Return what others published of the same; a result's own word on its headline goes first."""
    found = beside(
        for_model(result.model.name),
        model=result.model.name,
        protocol=result.protocol.id,
        preset=result.protocol.preset,
        params=result.protocol.params,
        dataset=result.dataset.id,
        split=result.dataset.split,
        clips=result.dataset.n_clips,
    )
    values = {metric: row.value for metric, row in found.items()}
    reported = result.trust.reported_in_paper
    if reported is not None and result.headline is not None:
        values[result.headline] = reported.value
    return values


def _facts(result: Result) -> dict[str, Any]:
    card, made = result.model.card, result.provenance
    return {
        "params_m": card.params_m,
        "patch": card.patch_size,
        "pretraining_data": " ".join(card.pretraining_data),
        "licence": card.licence,
        "fps": result.timing.fps,
        "gflops": result.timing.gflops,
        "gpu": made.hardware.gpu or "",
        "suite_version": made.suite,
        "torch_version": made.packages.get("torch", ""),
        "date": (made.ended or made.started or "")[:10],
        "trust": result.trust.level,
        "contaminated": result.dataset.id in card.trained_on_eval_data,
    }


def _why_left_out(result: Result) -> str:
    key = table_key(result)
    what = f"{result.model.name}, {key.protocol_label} on {key.dataset_label}, seed {result.seed}"
    if result.status != "ok":
        return f"{what}: {result.status}: {escape_control(' '.join(result.reason.split()))[:300]}"
    return f"{what}: partial, the first {result.limit} clips only"


def _agree(same: Iterable[Measurement]) -> bool:
    first, *others = same
    return all(
        list(m.metrics) == list(first.metrics)
        and all(map(_equal, m.metrics.values(), first.metrics.values()))
        for m in others
    )


def _equal(a: Metric, b: Metric) -> bool:
    left, right = ((m.value, *(m.ci95 or (None, None))) for m in (a, b))
    return all(
        x == y if x is None or y is None else abs(x - y) <= _SAME
        for x, y in zip(left, right, strict=True)
    )


def _disagreement(same: Sequence[Measurement]) -> Iterator[result_file.Problem]:
    files = " and ".join(m.file for m in same)
    for m in same:
        yield result_file.Problem(
            m.file,
            f"cell {m.cell_id} stands in {files} with different metrics, so none of them is on "
            "the board; find out which one is right and move the others away",
        )
