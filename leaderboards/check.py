"""`leaderboard check`: what is wrong with a folder of results, which field, how to mend it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from tvseg_bench.benchmark.results.result_file import Problem, open_regular_file, read_result
from tvseg_bench.benchmark.results.samples import MAX_SAMPLES_BYTES, read_samples
from tvseg_bench.benchmark.results.schema import Result
from tvseg_bench.benchmark.results.text import ResultError
from tvseg_bench.benchmark.statistics.intervals import interval_of
from tvseg_bench.leaderboards.load import Measurement, load
from tvseg_bench.leaderboards.rows import evidence, samples_path

_AGAIN = "run the cell again with --force"
_ABSOLUTE = re.compile(r"""(?:^|[\s=,:'"])(?:/[\w.-]+/|~/|[A-Za-z]:[\\/])""")
_SAME = 1e-6
"""How near the rows must come to an interval to make it."""


def check(folder: Path) -> list[Problem]:
    """Return everything that is wrong below a folder, by file; an empty list if nothing is.

    Unreadable, foreign, oversized and linked files, unknown fields and newer schemas, edited
    identities, values, intervals and rows, disagreeing duplicates, mixed versions, missing
    provenance, absolute paths.

    Raises:
        UsageError: if the folder is not there.
    """
    loaded = load([folder])
    problems = list(loaded.problems)
    for measured in loaded.measurements:
        problems += _one(measured)
    problems += _mixed(loaded.measurements)
    return sorted(problems, key=lambda p: (p.file, p.message))


def _one(measured: Measurement) -> Iterator[Problem]:
    result = read_result(measured.path).result
    messages = [*_name(measured), *_provenance(result), *_rows(measured)]
    yield from (Problem(measured.file, message) for message in messages)
    found, wrong = evidence(measured)
    yield from wrong
    for name, rows in (found or {}).items():
        metric = measured.metrics[name]
        made = interval_of(metric.value, [rows])
        ends = (made.lo, made.hi)
        if metric.ci95 is None or _near(metric.ci95, ends):
            continue
        wrong_end = f"is {list(metric.ci95)}, but the rows give {list(ends)}"
        if metric.ci_method != made.method:
            wrong_end += f" by {made.method!r}; ci_method is {metric.ci_method!r}"
        yield Problem(measured.file, f"metrics.{name}.ci95 {wrong_end}; {_AGAIN}")


def _near(found: tuple[float, float], made: tuple[float | None, float | None]) -> bool:
    return all(b is not None and abs(a - b) <= _SAME for a, b in zip(found, made, strict=True))


def _name(measured: Measurement) -> Iterator[str]:
    stem = measured.path.stem
    if re.fullmatch(r"[0-9a-f]{16}", stem) and stem != measured.cell_id:
        yield f"the file is named after another cell; rename it to {measured.cell_id}.json"


def _provenance(result: Result) -> Iterator[str]:
    made = result.provenance
    for name in ("started", "python"):
        if getattr(made, name) is None:
            yield f"provenance.{name} is missing: nobody can repeat this number; {_AGAIN}"
    if "torch" not in made.packages:
        yield f"provenance.packages holds no version of torch; {_AGAIN}"
    if made.command and _ABSOLUTE.search(made.command):
        yield "provenance.command holds an absolute path; shorten it to the file's name"


def _rows(measured: Measurement) -> Iterator[str]:
    """Yield what is wrong with the samples file as a whole."""
    if measured.samples is None:
        yield f"samples is null: the numbers cannot be recomputed; {_AGAIN}"
        return
    path = samples_path(measured.path, measured.cell_id)
    if path is None:
        yield f"samples/{measured.cell_id}.jsonl is not there; copy it from where the run was made"
        return
    try:
        with open_regular_file(path, MAX_SAMPLES_BYTES) as file:
            digest = hashlib.sha256()
            while block := file.read(2**20):
                digest.update(block)
        clips, frames = read_samples(path, measured.cell_id, frames=True, metrics=measured.metrics)
    except ResultError as error:
        yield str(error).replace(str(path), f"samples/{path.name}")
        return
    if digest.hexdigest() != measured.samples.sha256:
        yield f"samples/{path.name} is not the file of samples.sha256; restore it, or {_AGAIN}"
    for name, found, told in (
        ("n_clips", len(clips), measured.samples.n_clips),
        ("n_frames", len(frames), measured.samples.n_frames),
    ):
        if found != told:
            yield f"samples.{name} is {told}, but samples/{path.name} holds {found}; {_AGAIN}"


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
