"""`tvseg-bench verify`: published | ours | difference | verdict, from the command line."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tvseg_bench.benchmark.errors import UsageError, did_you_mean
from tvseg_bench.benchmark.paths import data_root
from tvseg_bench.benchmark.registry import models
from tvseg_bench.leaderboards.published.numbers import NAME, Published, rows

if TYPE_CHECKING:
    from tvseg_bench.leaderboards.published.verify import Installation, Verdict

OK, SOME_FAILED, MISMATCH = 0, 1, 3
_ARXIV = re.compile(r"(\d{4}\.\d{4,5})(v\d+)?")


def verify(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code.

    3 where a number is off by more than its tolerance, else 1 where one failed to run, else 0.

    Raises:
        UsageError: nothing is published under this name, or `--weights` is meant for several
            models.
    """
    from tvseg_bench.leaderboards.published.verify import Installation

    claims = named(arguments.name, rows(arguments.published))
    taken = {claim.model for claim in claims}
    if arguments.weights is not None and len(taken) > 1:
        raise UsageError(
            f"--weights {arguments.weights} is for one model, and {arguments.name} names "
            f"{len(taken)}; type for example: tvseg-bench verify {min(taken)} --weights FILE"
        )
    root = Path(arguments.data_root).expanduser() if arguments.data_root else data_root()
    here = Installation(
        output=Path(arguments.output or "runs"),
        data_root=root,
        device=arguments.device or "auto",
        weights=arguments.weights,
        command=("tvseg-bench", *sys.argv[1:]),
    )
    verdicts = _measured(claims, here, quiet=arguments.json)
    if arguments.json:
        sys.stdout.write(json.dumps([_plain(v) for v in verdicts], indent=1) + "\n")
    else:
        _print(verdicts)
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
    for column in ("paper", "arxiv", "model"):
        found = tuple(row for row in numbers if wanted and getattr(row, column) == wanted)
        if found:
            return found
    family = tuple(row for row in numbers if row.model.partition("/")[0] == wanted)
    if family:
        return family
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


def _measured(claims: Sequence[Published], here: Installation, quiet: bool) -> tuple[Verdict, ...]:
    from tvseg_bench.leaderboards.published.verify import verify as measure

    if quiet:
        return measure(claims, here)
    from tvseg_bench.benchmark.cli.console import RichCallbacks

    with RichCallbacks() as callbacks:
        return measure(claims, here, callbacks)


def _plain(verdict: Verdict) -> dict[str, Any]:
    claim = cast("Published", verdict.claim)
    return {
        **claim.model_dump(mode="json"),
        "ours": verdict.ours,
        "difference": verdict.difference,
        "verdict": verdict.verdict,
        "reason": verdict.reason or None,
        "cells": list(verdict.cells),
    }


def _print(verdicts: Sequence[Verdict]) -> None:
    from tvseg_bench.benchmark.cli.console import make_console, print_rows

    reasons = list(dict.fromkeys(v.reason for v in verdicts if v.reason))
    notes = {reason: f" [{i}]" for i, reason in enumerate(reasons, 1)}
    print_rows([_shown(verdict, notes.get(verdict.reason, "")) for verdict in verdicts])
    counts = dict.fromkeys(("match", "mismatch", "failed", "not run"), 0)
    for verdict in verdicts:
        counts[verdict.verdict] += 1
    said = ", ".join(f"{n} {word}" for word, n in counts.items() if n)
    console = make_console()
    console.print(f"\n{len(verdicts)} published numbers: {said}; ² is second-hand")
    for reason, note in notes.items():
        word = next(v.verdict for v in verdicts if v.reason == reason)
        console.print(f"{note.strip()} {word} ({reason})", markup=False, soft_wrap=True)


def _shown(verdict: Verdict, note: str) -> dict[str, str | None]:
    claim = cast("Published", verdict.claim)
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
