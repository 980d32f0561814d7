"""tvseg_bench: what do frozen visual features know about video?

    import tvseg_bench
    report = tvseg_bench.run("dino/vits16", "kmeans-clip", "davis-2017", weights="dino.pth")
    report.results[0].metrics["miou"].value

The same names as on the command line, the same results. Importing this loads nothing heavy.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvseg_bench.benchmark.version import __version__

if TYPE_CHECKING:
    from tvseg_bench.benchmark.execution.callbacks import RunCallbacks
    from tvseg_bench.benchmark.execution.run import RunReport
    from tvseg_bench.benchmark.plugins.load import LoadedModel
    from tvseg_bench.benchmark.types import Dataset

__all__ = [
    "__version__",
    "list_datasets",
    "list_models",
    "list_protocols",
    "load_dataset",
    "load_model",
    "register_builtins",
    "run",
]


def run(
    model: str | Iterable[str] | None = None,
    protocol: str | Iterable[str] | None = None,
    dataset: str | Iterable[str] | None = None,
    *,
    callbacks: RunCallbacks | None = None,
    **options: Any,
) -> RunReport:
    """Evaluate models by protocols on data sets, as `tvseg-bench run` does.

    Args:
        model: references; None = the embedded default.
        protocol: names, each with an optional `:preset`.
        dataset: names, each with an optional `:split`.
        callbacks: hears plan, progress and results; None = silence.
        **options: the fields of `benchmark.selection.Selection`, such as `output`, `seeds`,
            `limit`, `weights`, `data_root`, `device`, `dtype`, or `overrides` as a mapping from
            `protocol.NAME.field` to its value.

    Returns:
        Every cell of the selection, computed now or found finished in `output`.

    Raises:
        UsageError: a name or parameter that does not exist; nothing was run.
    """
    from tvseg_bench.benchmark.errors import UsageError, did_you_mean
    from tvseg_bench.benchmark.execution.selection import Selection, make_selection
    from tvseg_bench.benchmark.paths import data_root

    register_builtins()
    for name in options:
        if name not in Selection.__dataclass_fields__:
            raise UsageError(did_you_mean("option", name, Selection.__dataclass_fields__))
    values = {"model": model, "protocol": protocol, "dataset": dataset, **options}
    values.setdefault("data_root", data_root())
    from tvseg_bench.benchmark.execution.run import run_selection

    return run_selection(make_selection(values), callbacks)


def load_model(reference: str, *, weights: str | Path | None = None) -> LoadedModel:
    """Build, check and freeze a model; see `benchmark.loading.load_model`."""
    from tvseg_bench.benchmark.plugins.load import load_model as load

    register_builtins()
    return load(reference, weights=None if weights is None else Path(weights))


def load_dataset(reference: str, *, data_root: str | Path | None = None) -> Dataset:
    """Open a data set, `NAME` or `NAME:split`; nothing is decoded before it is asked for."""
    from tvseg_bench.benchmark import paths
    from tvseg_bench.benchmark.execution.selection import split_reference
    from tvseg_bench.benchmark.registry import datasets

    register_builtins()
    name, split = split_reference(reference)
    root = paths.data_root() if data_root is None else Path(data_root)
    return datasets[name].open(root, split)


def list_models() -> list[dict[str, Any]]:
    """Return one row per registered model."""
    from tvseg_bench.benchmark.cli import cards

    register_builtins()
    return cards.list_models()


def list_protocols() -> list[dict[str, Any]]:
    """Return one row per registered protocol."""
    from tvseg_bench.benchmark.cli import cards

    register_builtins()
    return cards.list_protocols()


def list_datasets() -> list[dict[str, Any]]:
    """Return one row per registered data set."""
    from tvseg_bench.benchmark.cli import cards

    register_builtins()
    return cards.list_datasets()


def register_builtins() -> None:
    """Fill the registries; the built-ins go through the same door as plugins."""
    import tvseg_bench.benchmark.data
    import tvseg_bench.models
    import tvseg_bench.protocols  # noqa: F401
