"""tvseg_bench: what do frozen visual features know about video?

    import tvseg_bench
    report = tvseg_bench.run("dino/vits16", "kmeans-clip", "davis-2017", weights="dino.pth")
    report.results[0].metrics["miou"].value

The names are those of the command line, and the results are the same. Importing this package
loads nothing heavy: neither torch nor numpy.
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
    progress: str | None = None,
    **options: Any,
) -> RunReport:
    """Evaluate models by protocols on data sets, as `tvseg-bench run` does.

    Args:
        model: one or several references, such as `dino/vits16`; None = the embedded default.
        protocol: names, each with an optional `:preset`.
        dataset: names, each with an optional `:split`.
        callbacks: an object whose methods are called with the plan, with progress and with each
            result; None = nothing is shown.
        progress: `auto`, `bar`, `lines` or `none`, as after `--progress`: shown on stderr, or
            below the cell of a notebook; None = nothing is shown. Excludes `callbacks`.
        **options: fields of `benchmark.execution.selection.Selection`, such as `output`, `seeds`,
            `limit`, `weights`, `data_root`, `device`, `dtype`, or `overrides` as a mapping from
            `protocol.NAME.field` to its value.

    Returns:
        The results of all cells of the selection, whether computed now or found in `output`.

    Raises:
        UsageError: a name or parameter that does not exist, or both `callbacks` and `progress`;
            nothing was run.
        ResultError: the output folder cannot be written.
    """
    from tvseg_bench.benchmark.cli.parser import PROGRESS
    from tvseg_bench.benchmark.errors import UsageError, did_you_mean
    from tvseg_bench.benchmark.execution.run import run_selection
    from tvseg_bench.benchmark.execution.selection import Selection, make_selection
    from tvseg_bench.benchmark.paths import data_root

    known = Selection.__dataclass_fields__
    for name in options:
        if name not in known:
            raise UsageError(did_you_mean("option", name, known))
    if progress is not None and progress not in PROGRESS:
        raise UsageError(did_you_mean("progress", progress, PROGRESS))
    if progress is not None and callbacks is not None:
        raise UsageError("callbacks and progress exclude each other; leave one of them out")
    register_builtins()
    values = {"model": model, "protocol": protocol, "dataset": dataset, **options}
    selection = make_selection({"data_root": data_root(), **values})
    if progress is None:
        return run_selection(selection, callbacks)
    from tvseg_bench.benchmark.cli.progress import shown_run

    with shown_run(progress) as shown:
        return run_selection(selection, shown)


def load_model(reference: str, *, weights: str | Path | None = None) -> LoadedModel:
    """Build a model, check it against its card, and freeze it.

    Args:
        reference: as after `--model`, such as `dino/vits16`, `timm:NAME` or `file:./my_model.py`.
        weights: a file for models that take one; None = the official weights, where they are on
            this machine.

    Raises:
        UsageError: no such model.
        ModelError: it cannot be built, its weights are not there or do not fit, or it breaks the
            contract.
    """
    from tvseg_bench.benchmark.plugins.load import load_model as load

    register_builtins()
    return load(reference, weights=None if weights is None else Path(weights))


def load_dataset(reference: str, *, data_root: str | Path | None = None) -> Dataset:
    """Open a data set; no frame is decoded before it is asked for.

    Args:
        reference: `NAME`, `NAME:split`, or `folder:PATH` for frames and masks of one's own.
        data_root: the folder with the data sets; None = `$TVSEG_DATA`.

    Raises:
        UsageError: no such data set or split.
        DataError: its files are not there, or are not what its layout promises.
    """
    from tvseg_bench.benchmark import paths
    from tvseg_bench.benchmark.execution.selection import split_reference
    from tvseg_bench.benchmark.registry import datasets

    register_builtins()
    name, split = split_reference(reference)
    root = paths.data_root() if data_root is None else Path(data_root)
    return datasets[name].open(root, split)


def list_models() -> list[dict[str, Any]]:
    """Return `name`, `patch`, `dim`, `params_m`, `weights`, `licence` and `from` of every model.

    Of plugins only `name` and `from` are known: a list imports none of them.
    """
    from tvseg_bench.benchmark.cli import cards

    register_builtins()
    return cards.list_models()


def list_protocols() -> list[dict[str, Any]]:
    """Return `name`, `version`, `presets` and `title` of every protocol."""
    from tvseg_bench.benchmark.cli import cards

    register_builtins()
    return cards.list_protocols()


def list_datasets() -> list[dict[str, Any]]:
    """Return `name`, `version`, `splits`, `title` and `licence` of every data set."""
    from tvseg_bench.benchmark.cli import cards

    register_builtins()
    return cards.list_datasets()


def register_builtins() -> None:
    """Fill the registries of models, protocols and data sets with those of this package.

    They are registered as plugins are; the functions above do it by themselves.
    """
    import tvseg_bench.benchmark.data
    import tvseg_bench.models
    import tvseg_bench.protocols  # noqa: F401
