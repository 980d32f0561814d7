"""`submit check`: is a submission what it claims to be? Needs neither torch nor the data.

Its results pass the checks of any folder of results (`leaderboards.check`), which recompute scores
from the rows as far as these determine them. What cannot be recomputed without the data (the rows
themselves, the contract test) is compared with this version of the suite, and with the results
that are there already.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from tvseg_bench.benchmark.contract.check_report import CheckReport, parse_report
from tvseg_bench.benchmark.errors import TvsegError, UsageError
from tvseg_bench.benchmark.registry import DatasetEntry, datasets, protocols
from tvseg_bench.benchmark.results.result import format_validation_error
from tvseg_bench.benchmark.results.result_file import Problem, read_result
from tvseg_bench.benchmark.results.samples import read_samples
from tvseg_bench.benchmark.results.schema import Card, Result
from tvseg_bench.benchmark.results.text import ResultError
from tvseg_bench.benchmark.types import UnitScore
from tvseg_bench.leaderboards.board_keys import table_key
from tvseg_bench.leaderboards.check import check
from tvseg_bench.leaderboards.recompute import recomputed
from tvseg_bench.leaderboards.submission.archive import (
    CARD,
    REPORT,
    Archive,
    Manifest,
    read_archive,
)
from tvseg_bench.leaderboards.submission.regressions import against as compare_with

_FOLDER = "submission"


@dataclass(frozen=True)
class SubmittedRow:
    """One metric of one cell."""

    protocol: str
    dataset: str
    seed: int
    metric: str
    value: float | None
    recomputed: float | None
    """From the rows; None where they do not determine it."""
    existing: float | None
    """Of the same cell in the results that it was compared with."""


@dataclass(frozen=True)
class SubmissionReport:
    """What `check_submission` found."""

    file: str
    model: str | None
    revision: str | None
    rows: tuple[SubmittedRow, ...]
    problems: tuple[Problem, ...]

    @property
    def accepted(self) -> bool:
        """Return whether nothing is wrong."""
        return not self.problems


def check_submission(path: Path, *, against: Path | None = None) -> SubmissionReport:
    """Check an archive of `submit pack`, or what somebody else calls one.

    The registries have to be filled: `tvseg_bench.register_builtins()`.

    Args:
        against: a folder of results that are accepted already.

    Raises:
        UsageError: the archive or the folder is not there.
    """
    if not path.is_file() or path.is_symlink():
        raise UsageError(
            f"there is no archive {path}; type: tvseg-bench submit pack RUN -o {path}"
        )
    if against is not None and not against.is_dir():
        raise UsageError(f"{against} is not a folder of results to compare with; fix --against")
    try:
        archive = read_archive(path)
    except ResultError as error:
        return SubmissionReport(path.name, None, None, (), (Problem(path.name, str(error)),))
    with tempfile.TemporaryDirectory(prefix="tvseg-submission-") as place:
        return _check(archive, path.name, Path(place) / _FOLDER, against)


def _check(archive: Archive, name: str, folder: Path, against: Path | None) -> SubmissionReport:
    """Check the content of an archive, unpacked into a new folder."""
    for kind in ("results", "samples"):
        (folder / kind).mkdir(parents=True)
        for file, data in archive.below(kind).items():
            (folder / kind / file).write_bytes(data)
    problems = [*_orphans(archive), *_own_files(archive)]
    found: list[Result] = []
    for path in sorted((folder / "results").iterdir()):
        try:
            found.append(read_result(path).result)
        except ResultError:
            continue  # named by `check` below
    if not archive.below("results"):
        problems.append(Problem(name, "it holds no results; pack a finished run"))
    problems += [Problem(p.file.removeprefix(f"{_FOLDER}/"), p.message) for p in check(folder)]
    for result in found:
        problems += _result(result, archive)
    existing: dict[tuple[str, str], float | None] = {}
    if against is not None:
        wrong, existing = compare_with(found, against)
        problems += wrong
    return SubmissionReport(
        file=name,
        model=archive.manifest.model,
        revision=archive.manifest.revision,
        rows=tuple(_rows(found, folder, existing)),
        problems=tuple(dict.fromkeys(sorted(problems, key=lambda p: (p.file, p.message)))),
    )


def _orphans(archive: Archive) -> Iterator[Problem]:
    """Yield rows that belong to no result."""
    cells = {name.removesuffix(".json") for name in archive.below("results")}
    for name in archive.below("samples"):
        if name.removesuffix(".jsonl") not in cells:
            yield Problem(f"samples/{name}", "there is no result of this cell; leave the rows out")


# ------------------------------------------------------------------- card, report, results


def _own_files(archive: Archive) -> Iterator[Problem]:
    """Yield what is wrong with the card and the report of the contract test."""
    manifest = archive.manifest
    try:
        report = parse_report(archive.files[REPORT], REPORT)
    except ResultError as error:
        yield Problem(REPORT, str(error).removeprefix(f"{REPORT} "))
    else:
        yield from _report(report, manifest)
        card = _parse_card(archive)
        if isinstance(card, Problem):
            yield card
        elif card != report.model.card:
            yield Problem(CARD, f"it is not the card of {REPORT}; check and pack again")


def _parse_card(archive: Archive) -> Card | Problem:
    try:
        return Card.model_validate_json(archive.files[CARD])
    except ValidationError as error:
        return Problem(CARD, f"{format_validation_error(error)}; pack it again")


def _report(report: CheckReport, manifest: Manifest) -> Iterator[Problem]:
    again = f"type: tvseg-bench check {manifest.model}"
    if (report.model.name, report.model.revision) != (manifest.model, manifest.revision):
        yield Problem(
            REPORT,
            f"it is about {report.model.name} at {report.model.revision}, the submission about "
            f"{manifest.model} at {manifest.revision}; {again}",
        )
    if not report.passed:
        yield Problem(REPORT, f"the model fails {', '.join(report.failed)}; {again}")
    if report.left_out:
        yield Problem(REPORT, f"{', '.join(report.left_out)} was left out; {again}")


def _result(result: Result, archive: Archive) -> Iterator[Problem]:
    """Yield what keeps one result from being submitted, whatever its numbers."""
    file, manifest = f"results/{result.cell_id}.json", archive.manifest
    if (result.model.name, result.model.revision) != (manifest.model, manifest.revision):
        yield Problem(
            file,
            f"it is of {result.model.name} at {result.model.revision}, the submission of "
            f"{manifest.model} at {manifest.revision}; pack one model at a time",
        )
    card = _parse_card(archive)
    if isinstance(card, Card) and result.model.card != card:
        yield Problem(file, f"model.card is not {CARD}; run the cell again with --force")
    if result.status != "ok":
        yield Problem(file, f"its status is {result.status}; leave it out")
    if result.partial:
        yield Problem(file, f"it is partial, of {result.limit} clips; run it without --limit")
    if result.trust.level != "self-reported" or result.trust.verified_by is not None:
        yield Problem(
            file, f"trust.level is {result.trust.level!r}: others decide that; leave self-reported"
        )
    yield from _versions(result, file)


def _versions(result: Result, file: str) -> Iterator[Problem]:
    """Compare versions and named parameters with this suite's own."""
    run, data = result.protocol, result.dataset
    entry, dataset = protocols.loaded(run.id), datasets.loaded(data.id)
    if entry is None:
        yield Problem(file, f"the protocol {run.id!r} is none of this version of tvseg-bench")
    elif run.version != entry.version:
        yield Problem(file, _version("protocol", run.id, run.version, entry.version))
    elif run.preset not in entry.presets:
        yield Problem(file, f"{run.id} has no preset {run.preset!r} in this version")
    elif set(run.params) != set(type(entry.presets[run.preset]).model_fields):
        yield Problem(
            file, f"protocol.params are not those of {run.id} {run.version}; run the cell again"
        )
    if dataset is None:
        if data.id.partition(":")[0] not in datasets.schemes:
            yield Problem(file, f"the data set {data.id!r} is none of this version of tvseg-bench")
    elif data.version != dataset.card.version:
        yield Problem(file, _version("dataset", data.id, data.version, dataset.card.version))
    elif data.manifest_sha256 != _generated(dataset, data.split, data.manifest_sha256):
        yield Problem(
            file, f"dataset.manifest_sha256 is not that of {data.id}:{data.split}; run it again"
        )


def _generated(entry: DatasetEntry, split: str, stated: str) -> str:
    """Return the manifest of data that need no files; what is stated where they do."""
    try:
        return entry.open(None, split).manifest_sha256
    except TvsegError:
        return stated


def _version(kind: str, name: str, found: int, wanted: int) -> str:
    newer = "; upgrade tvseg-bench" if found > wanted else "; run it again with this version"
    return f"{kind}.version of {name} is {found}, this version of tvseg-bench has {wanted}{newer}"


def _clip_rows(result: Result, folder: Path) -> list[UnitScore]:
    """Return the rows of clips, none where they cannot be read, which `check` names."""
    path = folder / "samples" / f"{result.cell_id}.jsonl"
    try:
        return read_samples(path, result.cell_id)[0]
    except ResultError:
        return []


def _rows(
    results: Sequence[Result],
    folder: Path,
    existing: dict[tuple[str, str], float | None],
) -> Iterator[SubmittedRow]:
    """Yield a line per metric, for the page that a maintainer looks at."""
    for result in results:
        key, values = table_key(result), recomputed(result, _clip_rows(result, folder))
        for name, metric in result.metrics.items():
            yield SubmittedRow(
                protocol=key.protocol_label,
                dataset=key.dataset_label,
                seed=result.seed,
                metric=name,
                value=metric.value,
                recomputed=values.get(name),
                existing=existing.get((result.cell_id, name)),
            )
