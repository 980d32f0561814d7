"""What the commands for model authors show: weights, check and new-model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

from tvseg_bench.benchmark.cli.console import make_console
from tvseg_bench.benchmark.errors import ModelError, UsageError
from tvseg_bench.benchmark.registry import models

if TYPE_CHECKING:
    from tvseg_bench.benchmark.contract.run_checks import CheckOutcome, CheckReport
    from tvseg_bench.benchmark.registry import ModelEntry


def get_weights(name: str, quiet: bool) -> dict[str, Any]:
    """Fetch the official weights of a model, with a progress bar; return what came.

    Raises:
        UsageError: no such model, it needs no weights, or it has no address.
        ModelError: the file cannot be fetched or is not the one that was wanted.
    """
    from tvseg_bench.benchmark.plugins.resolve import find_model
    from tvseg_bench.benchmark.plugins.weights.download import get

    entry = find_model(name).entry
    _refuse_weightless(name, entry)
    card = entry.card
    if card is None:
        raise ModelError(f"the card of {name} names no weights; ask its author where they are")
    bar = (BarColumn(), DownloadColumn(), TransferSpeedColumn())
    shown = make_console(stderr=True)
    with Progress(*bar, console=shown, disable=quiet, transient=True) as progress:
        task = progress.add_task(name, total=None)
        fetched = get(
            card, progress=lambda n, all_: progress.update(task, completed=n, total=all_)
        )
    return {
        "path": str(fetched.path),
        "sha256": fetched.sha256,
        "checked": fetched.checked,
        "downloaded": fetched.downloaded,
        "licence": card.licence,
    }


def weights_path(name: str) -> dict[str, Any]:
    """Return where the weights of a model lie, or where they belong if they are not there.

    Raises:
        UsageError: no such model, or it needs no weights.
        ModelError: nothing is known of its weights.
    """
    from tvseg_bench.benchmark.plugins.weights import locate

    entry = models[name]
    _refuse_weightless(name, entry)
    card = entry.card
    if card is None:
        raise ModelError(
            f"the card of {name} names no weights; type --weights FILE when running it"
        )
    found = locate.find(card, timm=entry.timm)
    return {"path": str(found or locate.place(card)), "found": found is not None}


def _refuse_weightless(name: str, entry: ModelEntry) -> None:
    """Refuse a model that is whole without a file, rather than name a place for one."""
    known = entry.card is not None and entry.card.weights_url is not None
    if entry.card is not None and not entry.takes_weights and not known:
        raise UsageError(
            f"{name} takes no weights file, so there is none to fetch; type: tvseg-bench run "
            f"--model {name}"
        )


def run_check(
    reference: str, weights: Path | None, full: bool, device: str, quiet: bool
) -> CheckReport:
    """Run the contract test, telling each outcome as it comes."""
    from rich.markup import escape

    from tvseg_bench.benchmark.contract.run_checks import check_model

    console = make_console()
    colours = {"passed": "green", "failed": "red", "warning": "yellow"}

    def tell(outcome: CheckOutcome) -> None:
        colour = colours.get(outcome.status, "dim")
        text = escape(f"{outcome.check}: {outcome.message}")
        console.print(f"[{colour}]{outcome.status:>14}[/{colour}]  {text}")

    on_outcome = None if quiet else tell
    return check_model(reference, weights=weights, full=full, device=device, on_outcome=on_outcome)
