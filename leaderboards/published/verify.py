"""Published numbers against ours: what can run is run, the rest names what it would need.

A claim is a published number with its setting. Each is measured by the protocols and readers that
every run uses, and compared within the claim's own tolerance.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tvseg_bench.benchmark.errors import TvsegError
from tvseg_bench.benchmark.execution.selection import Selection, apply_overrides, parse_seeds
from tvseg_bench.benchmark.plugins.weights import locate
from tvseg_bench.benchmark.registry import datasets, models, protocols
from tvseg_bench.benchmark.statistics.intervals import mean_and_sd
from tvseg_bench.leaderboards.published.numbers import Published

if TYPE_CHECKING:
    from tvseg_bench.benchmark.execution.callbacks import RunCallbacks
    from tvseg_bench.benchmark.execution.run import RunReport
    from tvseg_bench.benchmark.results.result import Result


VerdictName = Literal["match", "mismatch", "not run", "failed"]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A claim and what came of it."""

    claim: Published
    verdict: VerdictName
    ours: float | None = None
    """Mean over the seeds."""
    reason: str = ""
    """What it needs to run, or why it failed; empty where there is a number."""
    cells: tuple[str, ...] = ()
    """Ids of the results that ours is the mean of."""

    @property
    def difference(self) -> float | None:
        """Ours minus published."""
        return None if self.ours is None else self.ours - self.claim.value


@dataclass(frozen=True, kw_only=True)
class Installation:
    """What there is to verify with."""

    output: Path = Path("runs")
    data_root: Path | None = None
    device: str = "auto"
    weights: Path | None = None
    """For the one model that is verified."""
    command: tuple[str, ...] | None = None


def verify(
    claims: Sequence[Published],
    installation: Installation,
    callbacks: RunCallbacks | None = None,
) -> tuple[Verdict, ...]:
    """Measure every claim that can be measured here, and judge it.

    Args:
        claims: in the order in which the verdicts come.
    """
    missing = {i: "; ".join(needs(claim, installation)) for i, claim in enumerate(claims)}
    verdicts = {
        i: Verdict(claim=claims[i], verdict="not run", reason=f"needs {text}")
        for i, text in missing.items()
        if text
    }
    runnable = [i for i, text in missing.items() if not text]
    for batch in _batches([claims[i] for i in runnable]):
        report = _run(batch, installation, callbacks)
        for i in runnable:
            if any(claims[i] is claim for claim in batch):
                verdicts[i] = judge(claims[i], report)
    return tuple(verdicts[i] for i in range(len(claims)))


# ------------------------------------------------------------------------------- needs


def needs(claim: Published, installation: Installation) -> list[str]:
    """Return what is not here and would have to be, nothing where the claim can run."""
    model, data = _model_needs(claim, installation), _data_needs(claim, installation)
    return [*model, *_protocol_needs(claim), *data]


def _model_needs(claim: Published, installation: Installation) -> Iterator[str]:
    if claim.model not in models:
        yield f"a model {claim.model}, which is not among those here"
        return
    entry = models[claim.model]
    if not entry.needs_weights or installation.weights is not None or entry.card is None:
        return
    if locate.find(entry.card, timm=entry.timm) is None:
        yield f"the weights of {claim.model} at {locate.place(entry.card)}"


def _protocol_needs(claim: Published) -> Iterator[str]:
    if claim.protocol not in protocols:
        yield f"a protocol {claim.protocol}, which the suite does not have"
    elif not claim.preset:
        yield f"the settings of {claim.protocol}, which the source does not state"
    elif claim.preset not in protocols[claim.protocol].presets:
        yield f"a preset {claim.protocol}:{claim.preset}, which the suite does not have"


def _data_needs(claim: Published, installation: Installation) -> Iterator[str]:
    if claim.dataset not in datasets:
        yield f"the data set {claim.dataset}, which the suite does not read"
        return
    entry, label = datasets[claim.dataset], f"{claim.dataset}:{claim.split}"
    try:
        found = len(entry.open(installation.data_root, claim.split).clips)
    except TvsegError:
        yield f"{label}: {entry.card.archive}"
        return
    if claim.clips is not None and found != claim.clips:
        yield f"all {claim.clips} clips of {label}, of which {found} are here"
    if _learns(claim) and entry.card.training:
        split = entry.card.training[0]
        try:
            entry.open(installation.data_root, split)
        except TvsegError:
            yield f"{claim.dataset}:{split} to learn from"


def _learns(claim: Published) -> bool:
    if claim.protocol not in protocols:
        return False
    entry = protocols[claim.protocol]
    if claim.preset not in entry.presets:
        return False
    config = apply_overrides(claim.protocol, entry.presets[claim.preset], claim.params)
    return entry.build(config).needs.training


# --------------------------------------------------------------------------------- run


def _batches(claims: Iterable[Published]) -> list[list[Published]]:
    """Return claims that one run can measure: of one model, one data set, the same seeds.

    A protocol has one setting in a run, so a second one of the same protocol is another run.
    """
    batches: dict[tuple[object, ...], list[Published]] = {}
    settings: dict[tuple[object, ...], list[tuple[str, dict[str, Any]]]] = {}
    for claim in claims:
        where = (claim.model, claim.dataset, claim.split, claim.seeds)
        known = settings.setdefault((*where, claim.protocol), [])
        setting = (claim.preset, dict(claim.params))
        if setting not in known:
            known.append(setting)
        batches.setdefault((*where, known.index(setting)), []).append(claim)
    return list(batches.values())


def _run(
    batch: Sequence[Published], installation: Installation, callbacks: RunCallbacks | None
) -> RunReport:
    from tvseg_bench.benchmark.execution.run import run_selection

    first = batch[0]
    selection = Selection(
        model=(first.model,),
        protocol=tuple(dict.fromkeys(f"{c.protocol}:{c.preset}" for c in batch)),
        dataset=(f"{first.dataset}:{first.split}",),
        output=installation.output,
        seeds=parse_seeds(first.seeds),
        overrides={
            f"protocol.{c.protocol}.{name}": value
            for c in batch
            for name, value in c.params.items()
        },
        weights={} if installation.weights is None else {first.model: installation.weights},
        data_root=installation.data_root,
        device=installation.device,
    )
    return run_selection(selection, callbacks, installation.command)


# ------------------------------------------------------------------------------- judge


def judge(claim: Published, report: RunReport) -> Verdict:
    """Compare a claim with the results of the run that measured it."""
    if report.plan.unavailable:
        return Verdict(claim=claim, verdict="failed", reason=report.plan.unavailable[0].reason)
    results = [r for r in report.results if _measures(r, claim)]
    cells = tuple(r.cell_id for r in results)
    without = next((r for r in results if r.status != "ok"), None)
    if without is not None:
        word: VerdictName = "failed" if without.status == "failed" else "not run"
        return Verdict(claim=claim, verdict=word, reason=without.reason, cells=cells)
    values = [r.metrics[claim.metric].value for r in results if claim.metric in r.metrics]
    known = [value for value in values if value is not None]
    if not known or len(known) < len(results):
        reason = f"needs a metric {claim.metric}, which {claim.protocol} does not give here"
        return Verdict(claim=claim, verdict="not run", reason=reason, cells=cells)
    ours, _ = mean_and_sd(known)
    near = abs(ours - claim.value) <= claim.tolerance
    return Verdict(claim=claim, verdict="match" if near else "mismatch", ours=ours, cells=cells)


def _measures(result: Result, claim: Published) -> bool:
    return (result.protocol.id, result.protocol.preset) == (claim.protocol, claim.preset)
