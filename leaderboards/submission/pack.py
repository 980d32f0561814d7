"""`submit pack`: the results of one model, its card and its contract test in one archive."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tvseg_bench.benchmark.contract.check_report import (
    REPORT_NAME,
    CheckReport,
    parse_report,
    read_report,
)
from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.results.result_file import atomic_write, open_regular_file, read_result
from tvseg_bench.benchmark.results.samples import MAX_SAMPLES_BYTES
from tvseg_bench.benchmark.results.schema import Result
from tvseg_bench.benchmark.results.store import ResultStore
from tvseg_bench.benchmark.results.text import ResultError
from tvseg_bench.benchmark.version import __version__
from tvseg_bench.leaderboards.board_keys import table_key
from tvseg_bench.leaderboards.submission.archive import CARD, REPORT, archive_bytes, sha256

_BASELINES = "baseline/"


@dataclass(frozen=True)
class PackReport:
    """What `pack` wrote."""

    path: Path
    model: str
    revision: str
    cells: tuple[str, ...]
    """One line per result: protocol, data set, seed."""
    left_out: tuple[str, ...]
    """One sentence per result that does not belong in a submission."""


@dataclass(frozen=True)
class _Cell:
    result: Result
    path: Path
    store: ResultStore

    @property
    def model(self) -> tuple[str, str]:
        return self.result.model.name, self.result.model.revision

    def __str__(self) -> str:
        key = table_key(self.result)
        return f"{key.protocol_label} on {key.dataset_label}, seed {self.result.seed}"


def pack(
    runs: Sequence[Path], out: Path, *, model: str | None = None, report: Path | None = None
) -> PackReport:
    """Write one archive of the finished results of one model.

    Results that are partial, skipped or failed are left out and named; so are the suite's own
    baselines. `check_report.json` is looked for in the runs.

    Args:
        out: the archive; what is there already is never overwritten.
        report: the report of `check`, where it lies elsewhere.

    Raises:
        UsageError: a folder that holds no results, several models and no choice, no report, or
            `out` is there.
        ResultError: a file is damaged or does not belong to the others.
    """
    if out.exists() or out.is_symlink():
        raise UsageError(f"{out} is there already; choose another name after -o")
    cells = [cell for run in runs for cell in _cells(run)]
    if not cells:
        shown = ", ".join(map(str, runs)) or "nothing"
        raise UsageError(f"{shown} holds no results; type: tvseg-bench run -o DIR")
    chosen = _one_model(cells, model)
    wanted = [cell for cell in chosen if cell.result.status == "ok" and not cell.result.partial]
    if not wanted:
        raise UsageError(f"no finished result of {chosen[0].result.model.name} is to be packed")
    name, revision = wanted[0].model
    files = dict(_files(wanted))
    found, data = _report(runs, report, name, revision)
    card = wanted[0].result.model.card
    files[CARD] = f"{card.model_dump_json(indent=1)}\n".encode()
    files[REPORT] = data
    _check_same_card(wanted, found)
    atomic_write(out, archive_bytes(__version__, name, revision, files))
    return PackReport(
        path=out,
        model=name,
        revision=revision,
        cells=tuple(sorted({str(cell) for cell in wanted})),
        left_out=tuple(_left_out(cells, wanted)),
    )


def _cells(run: Path) -> Iterator[_Cell]:
    store = ResultStore(run)
    if not store.results.is_dir():
        raise UsageError(
            f"{run} holds no results; give the folder that 'tvseg-bench run -o' wrote"
        )
    for path in sorted(store.results.glob("*.json")):
        if not path.name.startswith("."):
            yield _Cell(read_result(path).result, path, store)


def _one_model(cells: Sequence[_Cell], model: str | None) -> list[_Cell]:
    """Return the cells of the one model and revision that the submission is about."""
    candidates = [
        cell
        for cell in cells
        if (cell.model[0] == model if model else not cell.model[0].startswith(_BASELINES))
    ]
    known = sorted({cell.model for cell in candidates or cells})
    if not candidates:
        held = ", ".join(name for name, _ in known)
        asked = f"no results of {model!r}" if model else "results of the suite's baselines only"
        raise UsageError(f"the runs hold {asked} (they hold: {held}); type --model NAME")
    names = sorted({name for name, _ in known})
    if len(names) > 1:
        raise UsageError(
            f"the runs hold results of {' and '.join(names)}, a submission is about one model; "
            f"type --model {names[0]}"
        )
    if len(known) > 1:
        revisions = " and ".join(revision for _, revision in known)
        raise UsageError(
            f"the runs hold results of {names[0]} with the revisions {revisions}; pack the runs "
            "of one"
        )
    return candidates


def _files(cells: Sequence[_Cell]) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of results and samples; of equal cells the first counts."""
    known: dict[str, _Cell] = {}
    for cell in cells:
        result = cell.result
        first = known.setdefault(result.cell_id, cell)
        if first is not cell:
            if first.result.metrics != result.metrics:
                raise ResultError(
                    f"{first.path} and {cell.path} are the same cell with other numbers; pack the "
                    "run that is right"
                )
            continue
        if result.samples is None:
            raise ResultError(f"{cell.path} names no rows to recompute it from; run it again")
        with open_regular_file(cell.path, 2**26) as file:
            yield f"results/{result.cell_id}.json", file.read()
        rows = cell.store.samples_path(result.cell_id)
        with open_regular_file(rows, MAX_SAMPLES_BYTES) as file:
            data = file.read()
        if sha256(data) != result.samples.sha256:
            raise ResultError(
                f"{rows} is not the file that {cell.path.name} was made from; run it again"
            )
        yield f"samples/{result.cell_id}.jsonl", data


def _report(
    runs: Sequence[Path], given: Path | None, name: str, revision: str
) -> tuple[CheckReport, bytes]:
    """Return the report of the contract test of this very model, and its bytes."""
    paths = (
        [given] if given else [run / REPORT_NAME for run in runs if (run / REPORT_NAME).exists()]
    )
    for path in paths:
        found = read_report(path)
        if (found.model.name, found.model.revision) != (name, revision):
            continue
        if not found.passed:
            raise ResultError(
                f"{path}: {name} fails {', '.join(found.failed)}; fix it, then type: "
                f"tvseg-bench check {name} -o {runs[0]}"
            )
        with open_regular_file(path, 2**20) as file:
            data = file.read()
        return parse_report(data, str(path)), data
    other = f" ({paths[0]} is about another model or revision)" if paths else ""
    raise UsageError(
        f"there is no check report of {name} at {revision}{other}; type: tvseg-bench check {name} "
        f"-o {runs[0]}"
    )


def _check_same_card(cells: Sequence[_Cell], report: CheckReport) -> None:
    first = cells[0].result.model.card
    for cell in cells:
        if cell.result.model.card != first:
            raise ResultError(
                f"{cells[0].path.name} and {cell.path.name} hold different cards of one revision; "
                "run both again with --force"
            )
    if report.model.card != first:
        raise ResultError(
            "the card in the check report is not the one in the results; check and run again with "
            "the same card"
        )


def _left_out(cells: Sequence[_Cell], packed: Sequence[_Cell]) -> Iterator[str]:
    packed_ids = {id(cell) for cell in packed}
    for cell in cells:
        result = cell.result
        if id(cell) in packed_ids:
            continue
        why = "another model"
        if result.status != "ok":
            why = str(result.status)
        elif result.partial:
            why = f"the first {result.limit} clips only"
        yield f"{result.model.name}, {cell}: {why}"
