"""What is wrong with a folder of results, which field, and how to fix it.

`leaderboard check` shows it; a submission is unpacked and has to pass the same checks.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from tvseg_bench.benchmark.results.result_file import Problem, open_regular_file, read_result
from tvseg_bench.benchmark.results.samples import MAX_SAMPLES_BYTES, read_samples
from tvseg_bench.benchmark.results.schema import Result
from tvseg_bench.benchmark.results.text import ResultError
from tvseg_bench.benchmark.types import UnitScore
from tvseg_bench.leaderboards.load import Measurement, load
from tvseg_bench.leaderboards.row_checks import AGAIN, ResultWithRows, check_rows
from tvseg_bench.leaderboards.rows import samples_path

_ABSOLUTE = re.compile(r"""(?:^|[\s=,:'"])(?:/[\w.-]+/|~/|[A-Za-z]:[\\/])""")

Rows = tuple[list[UnitScore], list[UnitScore]]
"""Of clips and of frames."""


def check(folder: Path) -> list[Problem]:
    """Return everything that is wrong below a folder, by file; an empty list if nothing is.

    Unreadable, foreign and oversized files, unknown fields and newer schemas, edited
    identities, values, intervals and rows, rows that contradict each other, disagreeing
    duplicates, mixed versions, missing provenance, absolute paths.

    Raises:
        UsageError: if the folder is not there.
    """
    loaded = load([folder])
    problems = list(loaded.problems)
    for measured in loaded.measurements:
        problems += _check_result(measured)
    problems += _mixed(loaded.measurements)
    return sorted(problems, key=lambda p: (p.file, p.message))


def _check_result(measured: Measurement) -> Iterator[Problem]:
    """Yield what is wrong with one result and its rows."""
    result = read_result(measured.path).result
    rows, wrong = _read_rows(measured)
    messages = [*_name(measured), *_provenance(result), *wrong]
    yield from (Problem(measured.file, message) for message in messages)
    if rows is not None:
        yield from check_rows(ResultWithRows(measured, result, *rows))


def _name(measured: Measurement) -> Iterator[str]:
    stem = measured.path.stem
    if re.fullmatch(r"[0-9a-f]{16}", stem) and stem != measured.cell_id:
        yield f"the file is named after another cell; rename it to {measured.cell_id}.json"


def _provenance(result: Result) -> Iterator[str]:
    made = result.provenance
    for name in ("started", "python"):
        if getattr(made, name) is None:
            yield f"provenance.{name} is missing: nobody can repeat this number; {AGAIN}"
    if "torch" not in made.packages:
        yield f"provenance.packages holds no version of torch; {AGAIN}"
    if made.command and _ABSOLUTE.search(made.command):
        yield "provenance.command holds an absolute path; shorten it to the file's name"


def _read_rows(measured: Measurement) -> tuple[Rows | None, list[str]]:
    """Return the rows of clips and frames, and what is wrong with their file.

    None where there are no rows to check.
    """
    if measured.samples is None:
        return None, [f"samples is null: the numbers cannot be recomputed; {AGAIN}"]
    path, name = samples_path(measured.path, measured.cell_id), f"{measured.cell_id}.jsonl"
    if path is None:
        return None, [f"samples/{name} is not there; copy it from where the run was made"]
    try:
        with open_regular_file(path, MAX_SAMPLES_BYTES) as file:
            digest = hashlib.sha256()
            while block := file.read(2**20):
                digest.update(block)
        rows = read_samples(path, measured.cell_id, frames=True, metrics=measured.metrics)
    except ResultError as error:
        return None, [str(error).replace(str(path), f"samples/{name}")]
    wrong = []
    if digest.hexdigest() != measured.samples.sha256:
        wrong.append(f"samples/{name} is not the file of samples.sha256; restore it, or {AGAIN}")
    stated = (measured.samples.n_clips, measured.samples.n_frames)
    for field, found, count in zip(("n_clips", "n_frames"), map(len, rows), stated, strict=True):
        if found != count:
            wrong.append(f"samples.{field} is {count}, but samples/{name} holds {found}; {AGAIN}")
    return rows, wrong


def _mixed(measurements: Sequence[Measurement]) -> Iterator[Problem]:
    """Yield the results of an older protocol or data set version than the newest here."""
    newest: dict[tuple[str, str], int] = {}
    for m in measurements:
        for kind, name, version in _versions(m):
            newest[kind, name] = max(version, newest.get((kind, name), version))
    for m in measurements:
        for kind, name, version in _versions(m):
            if version < newest[kind, name]:
                yield Problem(
                    m.file,
                    f"{kind}.version is {version}, while others of {name!r} here have "
                    f"{newest[kind, name]}: they never share a table; run it again",
                )


def _versions(m: Measurement) -> tuple[tuple[str, str, int], ...]:
    return (
        ("protocol", m.table.protocol, m.table.protocol_version),
        ("dataset", m.table.dataset, m.table.dataset_version),
    )
