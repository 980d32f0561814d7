"""The command line: the only place that imports all layers."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tvseg_bench import __version__
from tvseg_bench.benchmark.arguments import build_parser, parse
from tvseg_bench.benchmark.errors import TvsegError, UsageError
from tvseg_bench.benchmark.home import data_root

OK, SOME_FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code.

    0 ok, 1 some cells failed or something is wrong with files, 2 usage, 130 interrupted.
    """
    typed = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in typed
    try:
        parser = build_parser(__version__)
        arguments = parse(parser, typed)
        if arguments.command is None:
            parser.print_help()
            return OK
        return COMMANDS[arguments.command](arguments)
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


def _register() -> None:
    """Fill the registries; the built-ins go through the same door as plugins."""
    import tvseg_bench.benchmark.data
    import tvseg_bench.models
    import tvseg_bench.protocols  # noqa: F401


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=1, default=str))


def _list(arguments: argparse.Namespace) -> int:
    from tvseg_bench.benchmark import show

    _register()
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
    from tvseg_bench.benchmark import show
    from tvseg_bench.benchmark.store import ResultStore

    loaded = ResultStore(arguments.output).load_all()
    rows = []
    for result in loaded.results:
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
    for problem in loaded.problems:
        print(f"tvseg-bench: {problem}", file=sys.stderr)
    return SOME_FAILED if loaded.problems else OK


def _info(arguments: argparse.Namespace) -> int:
    from tvseg_bench.benchmark import show

    _register()
    card = show.info(arguments.name)
    if arguments.json:
        _print_json(card)
    else:
        print(show.info_text(card))
    return OK


def _selection(arguments: argparse.Namespace) -> Any:
    """Merge defaults, the config file and the command line, the last one winning."""
    from tvseg_bench.benchmark.selection import make_selection, parse_overrides, read_config

    values: dict[str, Any] = read_config(arguments.config) if arguments.config else {}
    overrides = {**values.get("overrides", {}), **parse_overrides(arguments.overrides)}
    skip = ("command", "config", "overrides", "json", "debug")
    typed = {k: v for k, v in vars(arguments).items() if k not in skip and v not in (None, False)}
    merged = {**values, **typed, "overrides": overrides}
    merged.setdefault("data_root", data_root())
    return make_selection(merged)


def _run(arguments: argparse.Namespace) -> int:
    selection = _selection(arguments)
    _register()
    from tvseg_bench.benchmark.plugins import load_plugin_files
    from tvseg_bench.benchmark.console import JsonListener, RichListener, results_table
    from tvseg_bench.benchmark.run import run_selection

    load_plugin_files(selection.plugin)
    with JsonListener() if arguments.json else RichListener() as listener:
        report = run_selection(selection, listener, ["tvseg-bench", *sys.argv[1:]])
    if not arguments.json:
        results_table(report, selection.output)
    return SOME_FAILED if report.failed else OK


def _plan(arguments: argparse.Namespace) -> int:
    selection = _selection(arguments)
    _register()
    from tvseg_bench.benchmark.plugins import load_plugin_files
    from tvseg_bench.benchmark.console import plan_rows, print_plan

    load_plugin_files(selection.plugin)
    rows = plan_rows(selection)
    if arguments.json:
        _print_json(rows)
    else:
        print_plan(rows)
    return SOME_FAILED if rows["broken"] else OK


def _data(arguments: argparse.Namespace) -> int:
    raise NotImplementedError


def _leaderboard(arguments: argparse.Namespace) -> int:
    from tvseg_bench.leaderboards import board

    raise NotImplementedError


def _cache(arguments: argparse.Namespace) -> int:
    raise NotImplementedError


def _env(arguments: argparse.Namespace) -> int:
    raise NotImplementedError


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "list": _list,
    "info": _info,
    "run": _run,
    "plan": _plan,
    "data": _data,
    "leaderboard": _leaderboard,
    "cache": _cache,
    "env": _env,
}

if __name__ == "__main__":
    sys.exit(main())
