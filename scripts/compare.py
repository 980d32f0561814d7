"""Models of finished runs, protocol by protocol: A, B, A - B over shared clips, then others.

    python scripts/compare.py RUN [RUN ...] --models timet/tiny,selfdistil/tiny,baseline/pixels

Prints a Markdown table, in percent, with 95 % intervals over clips. A and B are scored on the same
draws of clips, so what makes a clip hard for both cancels; a difference whose interval leaves out
0 is bold.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from tvseg_bench.benchmark.results.schema import Result
from tvseg_bench.benchmark.results.store import ResultStore
from tvseg_bench.benchmark.statistics.comparison import paired_difference

Key = tuple[str, str, str, int]
Cells = dict[str, dict[Key, Result]]


def results(store: ResultStore) -> Cells:
    """Return model -> (data set, split, protocol, seed) -> result."""
    found: Cells = {}
    for file in store.load_all()[0]:
        result = file.result
        key = (result.dataset.id, result.dataset.split, result.protocol.id, result.seed)
        if result.status == "ok":
            found.setdefault(result.model.name, {})[key] = result
    return found


def value(result: Result | None) -> str:
    """Return the headline with its interval."""
    if result is None:
        return ""
    metric = result.metrics[result.headline or "miou"]
    if metric.value is None:
        return "null"
    ends = metric.ci95
    shown = f"{100 * metric.value:.1f}"
    return shown if ends is None else f"{shown} [{100 * ends[0]:.1f}, {100 * ends[1]:.1f}]"


def gain(store: ResultStore, a: Result, b: Result) -> str:
    """Return A - B with its interval."""
    rows_a, rows_b = (store.read_samples(r.cell_id, frames=False)[0] for r in (a, b))
    metric = a.headline or "miou"
    difference = paired_difference(
        rows_a,
        rows_b,
        metric,
        facts=a.metrics[metric],
        resample=a.samples.resample if a.samples else "mean",
        background=a.dataset.background,
    )
    if difference.value is None or difference.lo is None or difference.hi is None:
        return difference.method
    ends = f"[{100 * difference.lo:+.1f}, {100 * difference.hi:+.1f}]"
    shown = f"{100 * difference.value:+.1f} {ends}"
    return f"**{shown}**" if difference.different else shown


def table(run: Path, models: Sequence[str]) -> list[str]:
    """Return the rows of one run."""
    store = ResultStore(run)
    found = results(store)
    a, b, *others = (found.get(model, {}) for model in models)
    lines = []
    for key in sorted(a.keys() & b.keys()):
        cells = [f"{key[0]}:{key[1]}", f"`{key[2]}`", str(a[key].dataset.n_clips)]
        cells += [value(a[key]), value(b[key]), gain(store, a[key], b[key])]
        lines.append(" | ".join([*cells, *(value(other.get(key)) for other in others)]))
    return lines


def main() -> None:
    """Parse and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    parser.add_argument("--models", required=True, metavar="A,B,...", help="two or more")
    given = parser.parse_args()
    models = given.models.split(",")
    if len(models) < 2:
        parser.error("--models takes two names or more, by comma")
    heads = ["data", "protocol", "clips", *(f"`{m}`" for m in models)]
    heads.insert(5, "first − second")
    lines = [" | ".join(heads), "|".join(["---"] * len(heads))]
    for run in given.runs:
        lines += table(run, models)
    print(*(f"| {line} |" for line in lines), sep="\n")


if __name__ == "__main__":
    main()
