"""The contract test of a model: what a third party runs before submitting it.

Every check looks at one promise of the contract, on images of the embedded data set, without
any download; a ViT-S/16 takes well under a minute on a CPU. A check that needs one
which failed is not run, so one mistake is named once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import torch

from tvseg_bench.benchmark.contract import card_checks, feature_checks, law_checks, toy_checks
from tvseg_bench.benchmark.contract.check_report import (
    CHECKS,
    LEFT_OUT,
    CheckOutcome,
    CheckReport,
)
from tvseg_bench.benchmark.contract.model_probe import (
    ContractError,
    Finding,
    Subject,
    failed,
    kind_of,
    not_applicable,
)
from tvseg_bench.benchmark.contract.model_state import seeded
from tvseg_bench.benchmark.devices import resolve_device
from tvseg_bench.benchmark.errors import ModelError, TvsegError
from tvseg_bench.benchmark.plugins.load import LoadedModel, load_model, to_device
from tvseg_bench.benchmark.plugins.resolve import file_sha256, plugin_error
from tvseg_bench.benchmark.results.provenance import collect, sanitise
from tvseg_bench.benchmark.results.result import Card, Model, Plugin
from tvseg_bench.benchmark.results.text import escape_control, to_jsonable

OnOutcome = Callable[[CheckOutcome], None]

_SEEDS = (1, 2)
"""Under which the model is built the first and the second time."""

_CHECKS: dict[str, tuple[Callable[[Subject], Finding], tuple[str, ...]]] = {
    "weights": (card_checks.weights, ()),
    "card": (card_checks.card, ()),
    "shapes": (feature_checks.shapes, ()),
    "finite": (feature_checks.finite, ("shapes",)),
    "grids": (feature_checks.grids, ("finite",)),
    "determinism": (feature_checks.determinism, ("finite",)),
    "order": (feature_checks.order, ("determinism",)),
    "batch": (feature_checks.batch, ("determinism", "order")),
    "reinitialised": (law_checks.reinitialised, ("determinism", "weights")),
    "pixels": (law_checks.pixels, ("determinism",)),
    "normalisation": (law_checks.normalisation, ("determinism",)),
    "shift": (law_checks.shift, ("determinism",)),
    "time": (feature_checks.time, ("determinism",)),
    "segments": (feature_checks.segments, ("shapes",)),
    "frozen": (card_checks.frozen, ("shapes",)),
    "random-state": (card_checks.random_state, ("finite",)),
    "speed": (toy_checks.speed, ("finite",)),
    "toy": (toy_checks.toy, ("grids",)),
}
"""Check -> what it runs, and which checks have to pass before it."""


def check_model(
    reference: str,
    *,
    weights: Path | None = None,
    full: bool = False,
    device: str = "auto",
    leave_out: Sequence[str] = (),
    on_outcome: OnOutcome | None = None,
) -> CheckReport:
    """Run the contract test of a model.

    Args:
        reference: as after `--model`.
        full: also try larger images and more clips.
        device: `auto`, `cpu`, `cuda`, …
        on_outcome: called with every outcome as soon as it is known.

    Returns:
        One outcome per check; a model that cannot be built fails the check `weights`.

    Raises:
        UsageError: the reference or the device names nothing.
    """
    run = _Run(datetime.now(timezone.utc), on_outcome, frozenset(leave_out))
    place = resolve_device(device)
    build = partial(_build, reference, weights, place)
    begin = time.perf_counter()
    try:
        loaded = build(seed=_SEEDS[0])
    except ModelError as error:
        return run.without_model(reference, str(error), full)
    subject = Subject(
        loaded,
        kind_of(loaded.model, loaded.card.temporal),
        place,
        partial(build, seed=_SEEDS[1]),
        full,
        given_sha256=file_sha256(weights) if weights is not None and weights.is_file() else None,
    )
    for name in _CHECKS:
        run.one(name, subject)
    model = Model(
        name=loaded.card.name,
        revision=loaded.card.revision,
        card=Card.model_validate(to_jsonable(asdict(loaded.card)), strict=False),
        plugin=_plugin(loaded),
    )
    return run.report(model, subject.kind, full, time.perf_counter() - begin)


def _build(
    reference: str, weights: Path | None, device: torch.device, *, seed: int
) -> LoadedModel:
    """Build the model under a seed of the global generators, which it should not need."""
    with seeded(seed):
        loaded = load_model(reference, weights=weights)
        moved = to_device(loaded.model, device, torch.float32)
    return replace(loaded, model=moved)


@dataclass
class _Run:
    """Outcomes as they come in."""

    started: datetime
    on_outcome: OnOutcome | None
    leave_out: frozenset[str]
    outcomes: dict[str, CheckOutcome] = field(default_factory=dict)

    def one(self, name: str, subject: Subject) -> None:
        """Run one check; whatever somebody else's model raises becomes its outcome."""
        begin = time.perf_counter()
        action, needs = _CHECKS[name]
        unmet = [n for n in needs if not self._holds(n)]
        left_out = name in self.leave_out
        if left_out:
            finding = not_applicable(LEFT_OUT)
        elif unmet:
            finding = not_applicable(f"is not run while '{unmet[0]}' does not hold")
        else:
            finding = self._guarded(name, subject, action)
        self.add(name, finding, time.perf_counter() - begin, left_out=left_out)

    def _holds(self, name: str) -> bool:
        """Return whether a check was run, did not fail, and needs none that failed."""
        if name in self.leave_out or self.outcomes[name].status == "failed":
            return False
        return all(self._holds(n) for n in _CHECKS[name][1])

    def _guarded(
        self, name: str, subject: Subject, action: Callable[[Subject], Finding]
    ) -> Finding:
        try:
            return action(subject)
        except ContractError as error:
            return failed(f"the model {error}")
        except TvsegError as error:
            return failed(str(error))
        except Exception as error:  # somebody else's model may raise anything
            return failed(str(plugin_error(subject.card.name, f"checked for {name!r}", error)))

    def add(
        self, name: str, finding: Finding, seconds: float = 0.0, *, left_out: bool = False
    ) -> None:
        """Record an outcome and call `on_outcome` with it."""
        status, message, numbers = finding
        outcome = CheckOutcome(
            check=name,
            status=status,
            message=escape_control(message)[:4000],
            left_out=left_out,
            numbers=to_jsonable(numbers),
            seconds=round(seconds, 3),
        )
        self.outcomes[name] = outcome
        if self.on_outcome is not None:
            self.on_outcome(outcome)

    def report(self, model: Model, kind: Any, full: bool, seconds: float) -> CheckReport:
        """Return the report of what was noted."""
        return CheckReport(
            model=model,
            kind=kind,
            full=full,
            outcomes=tuple(self.outcomes[name] for name in CHECKS),
            seconds=round(seconds, 3),
            provenance=collect(started=self.started),
        )

    def without_model(self, reference: str, reason: str, full: bool) -> CheckReport:
        """Return the report of a model that cannot be built."""
        for name in CHECKS:
            built = name != "weights"
            self.add(name, not_applicable("the model was not built") if built else failed(reason))
        name = sanitise([reference])[:200].strip() or "unnamed"
        return self.report(Model(name=name, revision="unknown"), "unknown", full, 0.0)


def _plugin(loaded: LoadedModel) -> Plugin | None:
    """Return who brought the model, None for the suite's own."""
    origin = loaded.origin
    if origin.get("package") == "tvseg-bench" or not any(origin.values()):
        return None
    return Plugin(**origin)
