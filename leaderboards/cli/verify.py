"""`tvseg-bench verify`: published | ours | difference | verdict."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvseg_bench.benchmark.cli.output import MISMATCH, OK, SOME_FAILED, print_json
from tvseg_bench.benchmark.cli.parser import CommandParser, wanted_progress
from tvseg_bench.benchmark.errors import UsageError, did_you_mean
from tvseg_bench.benchmark.paths import data_root
from tvseg_bench.benchmark.registry import models
from tvseg_bench.leaderboards.published.numbers import NAME, Published, rows

if TYPE_CHECKING:
    from tvseg_bench.leaderboards.published.verify import Verdict

_ARXIV = re.compile(r"(\d{4}\.\d{4,5})(v\d+)?")


def add_arguments(parser: CommandParser) -> None:
    """Take a model or a paper, and what to measure with."""
    parser.add_argument("name", metavar="MODEL|PAPER")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="weights for the model")
    parser.add_argument("--data-root", metavar="DIR", help="folder of data sets ($TVSEG_DATA)")
    parser.add_argument(
        "--published",
        type=Path,
        metavar="CSV",
        help="another table of numbers, with the columns of leaderboards/published/numbers.csv",
    )
    parser.add_argument("--device", metavar="NAME", help="auto, cpu, cuda, ...")
    parser.add_argument("-o", "--output", metavar="DIR", help="folder of results (default: runs)")
    parser.add_progress()


def run(arguments: argparse.Namespace) -> int:
    """Measure what can be measured, and print it beside what is published.

    Returns:
        3 where a number is off by more than its tolerance, else 1 where one failed to run, else 0.

    Raises:
        UsageError: nothing is published under this name, or `--weights` is meant for several
            models.
    """
    claims = named(arguments.name, rows(arguments.published))
    claimed = {claim.model for claim in claims}
    if arguments.weights is not None and len(claimed) > 1:
        raise UsageError(
            f"--weights {arguments.weights} is for one model, and {arguments.name} names "
            f"{len(claimed)}; type for example: tvseg-bench verify {min(claimed)} --weights FILE"
        )
    verdicts = _measured(claims, arguments)
    if arguments.json:
        print_json([_plain(v) for v in verdicts])
    else:
        _print_verdicts(verdicts)
    words = {v.verdict for v in verdicts}
    return MISMATCH if "mismatch" in words else SOME_FAILED if "failed" in words else OK


def named(name: str, numbers: Sequence[Published]) -> tuple[Published, ...]:
    """Return the numbers of a paper by its key or arXiv number, of a model, or of a family.

    Raises:
        UsageError: nothing is published under this name here.
    """
    wanted = name.removeprefix("arXiv:").removeprefix("https://arxiv.org/abs/")
    arxiv = _ARXIV.fullmatch(wanted)
    wanted = arxiv[1] if arxiv else wanted
    for keys in (
        [row.paper for row in numbers],
        [row.arxiv for row in numbers],
        [row.model for row in numbers],
        [row.model.partition("/")[0] for row in numbers],
    ):
        found = tuple(row for row, key in zip(numbers, keys, strict=True) if key == wanted != "")
        if found:
            return found
    if name in models:
        raise UsageError(f"nothing is published of {name} in {NAME}; type: tvseg-bench run")
    if arxiv:
        known = ", ".join(sorted({row.paper for row in numbers}))
        raise UsageError(
            f"no number of arXiv {wanted} stands in {NAME}, which holds none that could not be "
            f"checked; it has those of {known}, and of models, as in: tvseg-bench verify timet"
        )
    known_names = {row.paper for row in numbers} | {row.model for row in numbers}
    raise UsageError(did_you_mean("model or paper", name, known_names))


def _measured(claims: Sequence[Published], arguments: argparse.Namespace) -> tuple[Verdict, ...]:
    from tvseg_bench.leaderboards.published.verify import Installation, verify

    root = arguments.data_root
    here = Installation(
        output=Path(arguments.output or "runs"),
        data_root=Path(root).expanduser() if root else data_root(),
        device=arguments.device or "auto",
        weights=arguments.weights,
        command=("tvseg-bench", *sys.argv[1:]),
    )
    wanted = wanted_progress(arguments)
    if wanted is None:
        return verify(claims, here)
    from tvseg_bench.benchmark.cli.progress import shown_run

    with shown_run(wanted) as callbacks:
        return verify(claims, here, callbacks)


def _plain(verdict: Verdict) -> dict[str, Any]:
    return {
        **verdict.claim.model_dump(mode="json"),
        "ours": verdict.ours,
        "difference": verdict.difference,
        "verdict": verdict.verdict,
        "reason": verdict.reason or None,
        "cells": list(verdict.cells),
    }


def _print_verdicts(verdicts: Sequence[Verdict]) -> None:
    from tvseg_bench.benchmark.cli.console import make_console, print_rows

    reasons = list(dict.fromkeys(v.reason for v in verdicts if v.reason))
    notes = {reason: f" [{i}]" for i, reason in enumerate(reasons, 1)}
    print_rows([_shown(verdict, notes.get(verdict.reason, "")) for verdict in verdicts])
    counts = dict.fromkeys(("match", "mismatch", "failed", "not run"), 0)
    for verdict in verdicts:
        counts[verdict.verdict] += 1
    summary = ", ".join(f"{n} {word}" for word, n in counts.items() if n)
    console = make_console()
    console.print(f"\n{len(verdicts)} published numbers: {summary}; ² is second-hand")
    for reason, note in notes.items():
        word = next(v.verdict for v in verdicts if v.reason == reason)
        console.print(f"{note.strip()} {word} ({reason})", markup=False, soft_wrap=True)


def _shown(verdict: Verdict, note: str) -> dict[str, str | None]:
    claim = verdict.claim
    given = " ".join(f"{name}={value}" for name, value in claim.params.items())
    mark = "²" if claim.evidence == "second-hand" else ""
    difference = verdict.difference
    return {
        "model": claim.model,
        "protocol": f"{claim.protocol_label} {given}".strip(),
        "dataset": claim.dataset_label,
        "metric": claim.metric,
        "published": claim.percent + mark,
        "ours": None if verdict.ours is None else f"{100 * verdict.ours:.{claim.decimals}f}",
        "difference": None if difference is None else f"{100 * difference:+.2f}",
        "verdict": _word(verdict) + note,
    }


def _word(verdict: Verdict) -> str:
    allowed = f"{100 * verdict.claim.tolerance:g}"
    if verdict.verdict == "match":
        return f"match (within {allowed})"
    if verdict.verdict == "mismatch":
        return f"mismatch (more than {allowed} off)"
    return verdict.verdict
