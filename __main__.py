"""The command line: the only place that imports all layers."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta, timezone
from importlib import import_module
from pathlib import Path
from typing import Any

from tvseg_bench import __version__, register_builtins
from tvseg_bench.benchmark.cli.arguments import build_parser, parse
from tvseg_bench.benchmark.errors import TvsegError, UsageError
from tvseg_bench.benchmark.paths import data_root, home

OK, SOME_FAILED, USAGE, MISMATCH, INTERRUPTED = 0, 1, 2, 3, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code.

    0 ok, 1 some cells failed or something is wrong with files, 2 usage, 3 verification mismatch,
    130 interrupted.
    """
    typed = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in typed
    try:
        parser = build_parser(__version__)
        arguments = parse(parser, typed)
        if arguments.command is None:
            parser.print_help()
            return OK
        return _handler(arguments.command)(arguments)
    except TvsegError as error:
        if debug:
            raise
        print(f"tvseg-bench: {error}", file=sys.stderr)
        return USAGE if isinstance(error, UsageError) else SOME_FAILED
    except KeyboardInterrupt:
        again = "; the same command goes on where this one stopped" if "run" in typed[:1] else ""
        print(f"\ntvseg-bench: interrupted{again}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=1, default=str))


def _list(arguments: argparse.Namespace) -> int:
    from tvseg_bench.benchmark.cli import show

    register_builtins()
    if arguments.kind == "runs":
        return _list_runs(arguments)
    rows: list[dict[str, Any]] = getattr(show, f"list_{arguments.kind}")()
    if arguments.json:
        _print_json(rows)
    else:
        print(show.text_table(list(rows[0]), [list(row.values()) for row in rows]))
        print(f"\n'tvseg-bench info NAME' tells more; {len(rows)} {arguments.kind}.")
    return OK


def _list_runs(arguments: argparse.Namespace) -> int:
    from tvseg_bench.benchmark.cli import show
    from tvseg_bench.benchmark.results.store import ResultStore

    files, problems = ResultStore(arguments.output).load_all()
    rows = []
    for result in (file.result for file in files):
        headline = result.headline
        value = result.metrics[headline].value if headline else None
        rows.append(
            {
                "cell": result.cell_id,
                "status": result.status,
                "model": result.model.name,
                "protocol": result.protocol.id,
                "preset": result.protocol.preset,
                "dataset": f"{result.dataset.id}:{result.dataset.split}",
                "seed": result.seed,
                headline or "miou": None if value is None else round(value, 4),
            }
        )
    if arguments.json:
        _print_json(rows)
    elif rows:
        print(show.text_table(list(rows[0]), [list(row.values()) for row in rows]))
    else:
        print(f"no results in {arguments.output}; type: tvseg-bench run -o {arguments.output}")
    return _problems(problems)


def _info(arguments: argparse.Namespace) -> int:
    from tvseg_bench.benchmark.cli import show

    register_builtins()
    card = show.info(arguments.name)
    if arguments.json:
        _print_json(card)
    else:
        print(show.info_text(card))
    return OK


def _selection(arguments: argparse.Namespace) -> Any:
    """Merge defaults, the config file and the command line, the last one winning."""
    from tvseg_bench.benchmark.execution.selection import (
        make_selection,
        parse_overrides,
        read_config,
    )

    values: dict[str, Any] = read_config(arguments.config) if arguments.config else {}
    overrides = {**values.get("overrides", {}), **parse_overrides(arguments.overrides)}
    skip = ("command", "config", "overrides", "json", "debug")
    typed = {
        k: v
        for k, v in vars(arguments).items()
        if k not in skip and v is not None and v is not False
    }
    merged = {**values, **typed, "overrides": overrides}
    merged.setdefault("data_root", data_root())
    return make_selection(merged)


def _run(arguments: argparse.Namespace) -> int:
    selection = _selection(arguments)
    register_builtins()
    from tvseg_bench.benchmark.cli.console import JsonCallbacks, RichCallbacks, print_report
    from tvseg_bench.benchmark.execution.run import run_selection

    with JsonCallbacks() if arguments.json else RichCallbacks() as callbacks:
        report = run_selection(selection, callbacks, ["tvseg-bench", *sys.argv[1:]])
    if not arguments.json:
        print_report(report)
    return SOME_FAILED if report.failed else OK


def _plan(arguments: argparse.Namespace) -> int:
    selection = _selection(arguments)
    register_builtins()
    from tvseg_bench.benchmark.cli.console import print_estimate
    from tvseg_bench.benchmark.execution.estimate import estimate

    found = estimate(selection)
    if arguments.json:
        _print_json(found)
    else:
        print_estimate(found)
    return SOME_FAILED if found["broken"] else OK


def _data(arguments: argparse.Namespace) -> int:
    from tvseg_bench.benchmark.cli import console_data
    from tvseg_bench.benchmark.data import status
    from tvseg_bench.benchmark.execution.selection import split_reference

    register_builtins()
    root = Path(arguments.data_root).expanduser() if arguments.data_root else data_root()
    if arguments.action == "status":
        rows = status.status(root)
        if arguments.json:
            _print_json([asdict(row) for row in rows])
        else:
            console_data.print_status(rows)
        return OK
    if arguments.name is None:
        raise UsageError(f"which data set? type: tvseg-bench data {arguments.action} NAME")
    name, split = split_reference(arguments.name)
    if arguments.action == "path":
        print(status.path(name, root))
        return OK
    report = console_data.run_check(name, split, root, quiet=arguments.json)
    if arguments.json:
        _print_json(asdict(report))
    else:
        console_data.print_check(report)
    return OK if report.ok else SOME_FAILED


def _leaderboard(arguments: argparse.Namespace) -> int:
    if arguments.action == "check":
        return _leaderboard_check(arguments)
    from tvseg_bench.benchmark.execution.selection import split_list
    from tvseg_bench.leaderboards.board import build

    out = arguments.output or arguments.folders[0]
    report = build(arguments.folders, out, split_list(arguments.format))
    if arguments.json:
        _print_json({"files": [str(f) for f in report.files], "rows": len(report.frame)})
    else:
        for file in report.files:
            print(f"wrote {file}")
    return _problems(report.board.problems)


def _leaderboard_check(arguments: argparse.Namespace) -> int:
    from tvseg_bench.leaderboards.check import check

    problems = [problem for folder in arguments.folders for problem in check(folder)]
    if arguments.json:
        _print_json([asdict(problem) for problem in problems])
        return SOME_FAILED if problems else OK
    if not problems:
        print("nothing is wrong")
    return _problems(problems)


def _problems(problems: Sequence[object]) -> int:
    for problem in problems:
        print(f"tvseg-bench: {problem}", file=sys.stderr)
    return SOME_FAILED if problems else OK


def _cache(arguments: argparse.Namespace) -> int:
    from tvseg_bench.benchmark.cli.console import print_rows
    from tvseg_bench.benchmark.features.cache.feature_cache import FeatureCache, parse_bytes

    cache = FeatureCache()
    if arguments.action == "path":
        print(cache.root)
        return OK
    if arguments.action == "prune":
        removed = cache.prune(
            everything=arguments.all,
            older_than=_days(arguments.older_than),
            to_bytes=None if arguments.to is None else parse_bytes(arguments.to),
        )
        rows = [asdict(row) for row in removed]
    else:
        rows = [asdict(row) for row in cache.status()]
    if arguments.json:
        _print_json(rows)
    elif rows:
        print_rows(rows)
    said = "removed" if arguments.action == "prune" else "held"
    total = sum(row["bytes"] for row in rows)
    if not arguments.json:
        print(
            f"{len(rows)} entries, {total / 1e6:.1f} MB {said}; limit {cache.limit / 1e9:.0f} GB"
        )
    return OK


def _days(days: float | None) -> timedelta | None:
    return None if days is None else timedelta(days=days)


def _weights(arguments: argparse.Namespace) -> int:
    from tvseg_bench.benchmark.cli import console_models

    register_builtins()
    if arguments.action == "get":
        found = console_models.get_weights(arguments.name, quiet=arguments.json)
    else:
        found = console_models.weights_path(arguments.name)
    if arguments.json:
        _print_json(found)
    else:
        print(found["path"])
    return OK if found.get("found", True) else SOME_FAILED


def _check(arguments: argparse.Namespace) -> int:
    from tvseg_bench.benchmark.cli.console_models import run_check
    from tvseg_bench.benchmark.contract.run_checks import write_report

    register_builtins()
    report = run_check(
        arguments.model, arguments.weights, arguments.full, arguments.device, arguments.json
    )
    if arguments.json:
        print(report.to_json(), end="")
    for file in write_report(report, arguments.output) if arguments.output else ():
        if not arguments.json:
            print(f"wrote {file}")
    return OK if report.passed else SOME_FAILED


def _new_model(arguments: argparse.Namespace) -> int:
    from tvseg_bench.benchmark.plugins.scaffold import new_model
    from tvseg_bench.models.template import TEMPLATE

    register_builtins()
    made = new_model(arguments.name, arguments.dir, TEMPLATE)
    if arguments.json:
        _print_json({"folder": made.folder, "files": made.files})
        return OK
    for file in made.files:
        print(f"wrote {file}")
    network, card = made.to_fill_in
    print(f"fill in {network} and {card}, then type: pip install --editable {made.folder}")
    return OK


def _submit(arguments: argparse.Namespace) -> int:
    from tvseg_bench.leaderboards.submission import command

    register_builtins()
    problems: list[str] = []
    if arguments.action == "pack":
        lines = command.pack_submission(
            arguments.paths, arguments.output, arguments.model, arguments.report, arguments.json
        )
    else:
        lines, problems = command.check_submissions(
            arguments.paths, arguments.against, arguments.json
        )
    for line in lines:
        print(line)
    return _problems(problems)


def _env(arguments: argparse.Namespace) -> int:
    import torch  # noqa: F401  (the GPU is known once torch is loaded)

    from tvseg_bench.benchmark.results.provenance import collect

    leave_out = {"command", "config_sha256", "seeds", "started", "ended", "world_size"}
    found = collect(started=datetime.now(timezone.utc)).model_dump(exclude=leave_out)
    found["TVSEG_DATA"] = os.environ.get("TVSEG_DATA")
    found["TVSEG_HOME"] = str(home())
    if arguments.json:
        _print_json(found)
        return OK
    for key, value in found.items():
        if isinstance(value, dict):
            print(f"{key}:", *(f"  {k}: {v}" for k, v in value.items()), sep="\n")
        else:
            print(f"{key}: {'-' if value is None else value}")
    return OK


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "list": _list,
    "info": _info,
    "run": _run,
    "plan": _plan,
    "data": _data,
    "leaderboard": _leaderboard,
    "weights": _weights,
    "check": _check,
    "new-model": _new_model,
    "submit": _submit,
    "cache": _cache,
    "env": _env,
}

ELSEWHERE: dict[str, str] = {
    "report": "tvseg_bench.leaderboards.report.command:report",
    "visualize": "tvseg_bench.leaderboards.report.command:visualize",
    "verify": "tvseg_bench.leaderboards.published.command:verify",
    "train": "tvseg_bench.models.training.command:run",
}
"""Commands that live beside what they show; each is loaded when it is typed."""


def _handler(command: str) -> Callable[[argparse.Namespace], int]:
    if command in COMMANDS:
        return COMMANDS[command]
    module, _, function = ELSEWHERE[command].partition(":")
    register_builtins()
    handler: Callable[[argparse.Namespace], int] = getattr(import_module(module), function)
    return handler


if __name__ == "__main__":
    sys.exit(main())
