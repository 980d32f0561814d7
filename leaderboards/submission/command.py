"""What the commands on folders of results show; no torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.leaderboards.submission.inspect import SubmissionReport, check_submission
from tvseg_bench.leaderboards.submission.pack import PackReport, pack


def pack_submission(
    runs: Sequence[Path], out: Path | None, model: str | None, report: Path | None, as_json: bool
) -> list[str]:
    """Pack a submission and return the lines that tell what is in it.

    Raises:
        UsageError: no archive is named.
        ResultError: the results or the report do not make a submission.
    """
    if out is None:
        raise UsageError("which archive? type: tvseg-bench submit pack RUN -o NAME.zip")
    done = pack(runs, out, model=model, report=report)
    return [_json(asdict(done))] if as_json else _packed(done)


def _packed(done: PackReport) -> list[str]:
    return [
        f"wrote {done.path}: {done.model}, {len(done.cells)} cells",
        *(f"  {cell}" for cell in done.cells),
        *(f"left out: {line}" for line in done.left_out),
        f"type: tvseg-bench submit check {done.path}",
    ]


def check_submissions(
    archives: Sequence[Path], against: Path | None, as_json: bool
) -> tuple[list[str], list[str]]:
    """Check archives and return the lines that tell what they hold, and what is wrong."""
    reports = [check_submission(path, against=against) for path in archives]
    problems = [str(problem) for report in reports for problem in report.problems]
    if as_json:
        return [_json([asdict(report) for report in reports])], problems
    return [line for report in reports for line in _checked(report)], problems


def _checked(report: SubmissionReport) -> list[str]:
    lines = []
    for row in report.rows:
        old = "" if row.existing is None else f", there already {row.existing:.4f}"
        value = "null" if row.value is None else f"{row.value:.4f}"
        lines.append(
            f"{row.protocol} on {row.dataset}, seed {row.seed}: {row.metric} {value}{old}"
        )
    if report.accepted:
        lines.append(f"{report.file} is accepted: {report.model} at {report.revision}")
    return lines


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, default=str)
