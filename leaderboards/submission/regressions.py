"""A submission beside the results that are there: nothing drifts, nothing disappears."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tvseg_bench.benchmark.results.result_file import Problem
from tvseg_bench.benchmark.results.schema import Result
from tvseg_bench.leaderboards.board_keys import table_key
from tvseg_bench.leaderboards.load import Measurement, load

DRIFT = 0.001
"""How far a number may move when a cell is submitted again."""

Existing = dict[tuple[str, str], float | None]
"""(cell, metric) -> value."""


def against(results: Sequence[Result], folder: Path) -> tuple[list[Problem], Existing]:
    """Compare a submission with a folder of accepted results.

    The same cell may not drift or lose a metric; a model's cells may not disappear; the same data
    have the same manifest, as many clips and the same constant-map score; versions are equal.

    Returns:
        What is wrong, and the values of the cells that are there already.

    Raises:
        UsageError: the folder is not there.
    """
    there = load([folder]).measurements
    problems = [
        *_removed(results, there),
        *(p for result in results for p in _drift(result, there)),
        *(p for result in results for p in _same_data(result, there)),
        *(p for result in results for p in _versions(result, there)),
    ]
    cells = {result.cell_id for result in results}
    values: Existing = {
        (m.cell_id, name): metric.value
        for m in there
        if m.cell_id in cells
        for name, metric in m.metrics.items()
    }
    return problems, values


def _file(result: Result) -> str:
    return f"results/{result.cell_id}.json"


def _removed(results: Sequence[Result], there: Sequence[Measurement]) -> Iterator[Problem]:
    """Yield the cells of the submitted model and revision that the submission lacks."""
    submitted = {result.cell_id for result in results}
    models = {(result.model.name, result.model.revision) for result in results}
    for m in there:
        if (m.row.model, m.row.revision) in models and m.cell_id not in submitted:
            yield Problem(
                f"results/{m.cell_id}.json",
                f"{m.row.model} has a result of {m.table.protocol_label} on "
                f"{m.table.dataset_label}, seed {m.seed}, which the submission leaves out; a "
                "submission holds all cells of its model that are there already",
            )


def _drift(result: Result, there: Sequence[Measurement]) -> Iterator[Problem]:
    for m in there:
        if m.cell_id != result.cell_id:
            continue
        for name, old in m.metrics.items():
            new = result.metrics.get(name)
            if new is None:
                yield Problem(_file(result), f"metrics.{name} is there already and is left out")
            elif (old.value is None) != (new.value is None):
                yield Problem(
                    _file(result),
                    f"metrics.{name} is {new.value}, the result that is there has {old.value}",
                )
            elif old.value is not None and new.value is not None:
                moved = abs(old.value - new.value)
                if moved > DRIFT:
                    yield Problem(
                        _file(result),
                        f"metrics.{name} is {new.value:.6f}, the result that is there has "
                        f"{old.value:.6f}: it moved by {moved:.4f}, at most {DRIFT} is taken",
                    )


def _same_data(result: Result, there: Sequence[Measurement]) -> Iterator[Problem]:
    """Yield where the data cannot have been those of the other models."""
    data, key = result.dataset, table_key(result)
    alike = [
        m
        for m in there
        if (m.table.dataset, m.table.split, m.table.dataset_version)
        == (data.id, data.split, data.version)
    ]
    if alike and data.manifest_sha256 not in {m.table.manifest_sha256 for m in alike}:
        yield Problem(
            _file(result),
            f"it was measured on other files of {data.id}:{data.split} than the results that are "
            "there (dataset.manifest_sha256); type: tvseg-bench data check "
            f"{data.id}:{data.split}",
        )
    for m in (m for m in alike if m.table == key):
        if None not in (m.n_clips, data.n_clips) and m.n_clips != data.n_clips:
            yield Problem(_file(result), f"it holds {data.n_clips} clips, the others {m.n_clips}")
        yield from _same_references(result, m.references, m.row.model)


def _same_references(
    result: Result, references: Mapping[str, float | None], model: str
) -> Iterator[Problem]:
    """Yield a score without a model that differs from the one beside another model."""
    for name, value in references.items():
        own = result.references.get(name)
        constant = name.startswith("constant/") and value is not None and own is not None
        if constant and abs(value - own) > DRIFT:  # type: ignore[operator]
            yield Problem(
                _file(result),
                f"references.{name} is {own:.6f}, beside {model} it is {value:.6f}, and no model "
                "has a part in it; restore the file",
            )


def _versions(result: Result, there: Sequence[Measurement]) -> Iterator[Problem]:
    for kind, name, own, others in (
        (
            "protocol",
            result.protocol.id,
            result.protocol.version,
            {m.table.protocol_version for m in there if m.table.protocol == result.protocol.id},
        ),
        (
            "dataset",
            result.dataset.id,
            result.dataset.version,
            {m.table.dataset_version for m in there if m.table.dataset == result.dataset.id},
        ),
    ):
        if others and own != max(others):
            yield Problem(
                _file(result),
                f"{kind}.version of {name} is {own}, the results that are there have "
                f"{max(others)}: they never share a table; run it with the same version",
            )
