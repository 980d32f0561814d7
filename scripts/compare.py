"""Two models of a run, protocol by protocol: A, B, and A - B with an interval over shared clips.

    python scripts/compare.py RUN timet/tiny selfdistil/tiny

Both are scored on the same draws of clips, so what makes a clip hard for both cancels.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tvseg_bench.benchmark.result_schema import Result
from tvseg_bench.benchmark.result_store import ResultStore
from tvseg_bench.benchmark.statistics import paired_difference

Key = tuple[str, str, str, int]


def results(store: ResultStore) -> dict[str, dict[Key, Result]]:
    """Return model -> (data set, split, protocol, seed) -> result."""
    found: dict[str, dict[Key, Result]] = {}
    for file in store.load_all()[0]:
        result = file.result
        key = (result.dataset.id, result.dataset.split, result.protocol.id, result.seed)
        if result.status == "ok":
            found.setdefault(result.model.name, {})[key] = result
    return found


def line(store: ResultStore, key: Key, a: Result, b: Result) -> str:
    """Return the row of one protocol, in percent."""
    metric = a.headline or "miou"
    rows = [store.read_samples(r.cell_id, frames=False)[0] for r in (a, b)]
    resample = a.samples.resample if a.samples else "mean"
    difference = paired_difference(*rows, metric, resample=resample)
    name = f"{key[0]}:{key[1]} {key[2]}"
    own = [r.metrics[metric].value for r in (a, b)]
    shown = [f"{100 * value:6.1f}" for value in own]
    if difference.lo is None:
        return f"{name:<38}{metric:>9}{shown[0]}{shown[1]}  {difference.method}"
    gain, lo, hi = (100 * v for v in (difference.value, difference.lo, difference.hi))
    sure = "different" if difference.different else "not told apart"
    return f"{name:<38}{metric:>9}{shown[0]}{shown[1]}{gain:+6.1f} [{lo:+.1f}, {hi:+.1f}]  {sure}"


def main() -> None:
    """Parse and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("a", metavar="A")
    parser.add_argument("b", metavar="B")
    given = parser.parse_args()
    store = ResultStore(given.run)
    found = results(store)
    print(f"A = {given.a}, B = {given.b}; percent, A - B with a 95 % interval over clips")
    for key in sorted(found[given.a].keys() & found[given.b].keys()):
        print(line(store, key, found[given.a][key], found[given.b][key]))


if __name__ == "__main__":
    main()
