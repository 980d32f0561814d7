"""Runs a plan: cells -> results, each written the moment its cell ends.

What is done is skipped, what fails is recorded with its reason, and the rest goes on. Killed at
any point, the same command goes on where it stopped and gives the same numbers.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import chain
from typing import TYPE_CHECKING, Literal

from tvseg_bench.benchmark.devices import resolve_device
from tvseg_bench.benchmark.errors import NotApplicableError, ProtocolError, TvsegError
from tvseg_bench.benchmark.evaluation import Recorder, RunContext, SharedCache
from tvseg_bench.benchmark.execution import run_files
from tvseg_bench.benchmark.execution.callbacks import RunCallbacks
from tvseg_bench.benchmark.execution.plan import Cell, Plan, load, make_plan, shared_view
from tvseg_bench.benchmark.execution.timed_features import TimedFeatures
from tvseg_bench.benchmark.features.cache.feature_cache import FeatureCache
from tvseg_bench.benchmark.features.extract import ExtractOptions, feature_set
from tvseg_bench.benchmark.features.flops import gflops
from tvseg_bench.benchmark.results.provenance import collect
from tvseg_bench.benchmark.results.result import Plugin, Result, Timing, from_score, without_score
from tvseg_bench.benchmark.results.store import ResultStore

if TYPE_CHECKING:
    from tvseg_bench.benchmark.execution.selection import ProtocolChoice, Selection
    from tvseg_bench.benchmark.plugins.load import LoadedModel
    from tvseg_bench.benchmark.types import Dataset, FeatureSet, Score, View


@dataclass(frozen=True)
class RunReport:
    """What a run gave: every cell of the selection, done before or now."""

    plan: Plan
    results: tuple[Result, ...]

    @property
    def failed(self) -> int:
        """Return how many cells have no number although they should."""
        return len(self.plan.unavailable) + sum(r.status == "failed" for r in self.results)


@dataclass
class _Runner:
    """Runs the cells that are not done; holds what all groups share."""

    selection: Selection
    store: ResultStore
    callbacks: RunCallbacks
    command: Sequence[str] | None
    cache: FeatureCache = field(default_factory=FeatureCache)
    counted: dict[tuple[str, str, int], float | None] = field(default_factory=dict)
    """GFLOPs of a frame per model, revision and size."""

    def group(self, cells: Sequence[Cell]) -> Iterator[Result]:
        """Run cells of one model, data set and view on one extraction pass."""
        first = cells[0]
        try:
            loaded = load(first.model, self.selection)
            keep = sum(cell.protocol.evaluation().needs.passes for cell in cells) > 1
            features = self._features(loaded, first.dataset, shared_view(cells), cells, keep)
        except TvsegError as error:
            for cell in cells:
                yield self._without(cell, "failed", str(error), None)
            return
        shared = SharedCache()
        for cell in cells:
            self.callbacks.on_start(cell)
            yield self._cell(cell, features, loaded, shared)

    def _features(
        self,
        loaded: LoadedModel,
        dataset: Dataset,
        view: View,
        cells: Sequence[Cell],
        keep: bool,
    ) -> FeatureSet:
        """Return the features that the cells share, kept where they are read more than once."""
        options = ExtractOptions(
            device=self.selection.device,
            dtype="bf16" if self.selection.dtype == "bf16" else "fp32",
            batch_size=self.selection.batch_size or "auto",
        )
        return feature_set(
            loaded.model,  # type: ignore[arg-type]
            dataset,
            self.cache.cached_view(loaded.card, dataset, view, options.dtype),
            options,
            cache=self.cache,
            keep=keep,
            progress=lambda done, total: self.callbacks.on_progress(cells, done, total),
        )

    def _evaluate(
        self, cell: Cell, features: FeatureSet, loaded: LoadedModel, shared: SharedCache
    ) -> Score:
        """Hand the protocol what it needs; write what was recorded once it has its score."""
        recorder, training = run_files.recorder_of(cell, self.selection), None
        if cell.training is not None:
            training = self._features(loaded, cell.training, cell.view, (cell,), keep=True)
        run = RunContext(
            seed=cell.seed,
            device=self.selection.device,
            training=training,
            recorder=recorder or Recorder(),
            predictions=run_files.predictions_of(cell, self.selection),
            shared=shared,
        )
        score = cell.protocol.evaluation().evaluate(features, run)
        if recorder is not None:
            recorder.write()
        return score

    def _cell(
        self, cell: Cell, features: FeatureSet, loaded: LoadedModel, shared: SharedCache
    ) -> Result:
        """Evaluate one cell and write its result, whatever becomes of it."""
        started, begin = datetime.now(timezone.utc), time.perf_counter()
        timed = TimedFeatures(features, cell.view)
        try:
            score = self._evaluate(cell, timed, loaded, shared)
            check_declared(cell.protocol, score)
        except NotApplicableError as reason:
            return self._without(cell, "skipped", str(reason), loaded)
        except TvsegError as error:
            return self._without(cell, "failed", str(error), loaded)
        except Exception as error:  # one broken cell must not take the grid down
            trace = run_files.write_trace(
                self.store.directory, cell.key.cell_id, traceback.format_exc()
            )
            text = f"{type(error).__name__}: {error} (errors/{trace.name})".replace("\n", " ")
            return self._without(cell, "failed", text, loaded)
        seconds = time.perf_counter() - begin
        timing = Timing(
            extract_s=round(timed.waited_s, 3),
            protocol_s=round(seconds - timed.waited_s, 3),
            fps=round(timed.frames / seconds, 3) if timed.frames else None,
            peak_gpu_mb=_peak_gpu_mb(),
            gflops=self._gflops(loaded, cell),
        )
        return self._ok(cell, score, timing, started, loaded)

    def _gflops(self, loaded: LoadedModel, cell: Cell) -> float | None:
        key = (loaded.card.name, loaded.card.revision, cell.view.size)
        if key not in self.counted:
            self.counted[key] = gflops(loaded.model, cell.view.size)
        return self.counted[key]

    def _ok(
        self, cell: Cell, score: Score, timing: Timing, started: datetime, loaded: LoadedModel
    ) -> Result:
        result = from_score(
            cell.key,
            score,
            card=cell.card,
            provenance=collect(started=started, command=self.command, seeds=(cell.seed,)),
            plugin=_plugin(loaded),
            timing=timing,
            background=cell.dataset.card.background,
            n_classes=len(cell.dataset.classes) or None,
            metrics=cell.protocol.entry.metrics,
        )
        return self._write(cell, result, score)

    def _without(
        self,
        cell: Cell,
        status: Literal["skipped", "failed"],
        reason: str,
        loaded: LoadedModel | None,
    ) -> Result:
        result = without_score(
            cell.key,
            status,
            reason,
            card=cell.card,
            provenance=collect(
                started=datetime.now(timezone.utc), command=self.command, seeds=(cell.seed,)
            ),
            plugin=None if loaded is None else _plugin(loaded),
        )
        return self._write(cell, result)

    def _write(self, cell: Cell, result: Result, score: Score | None = None) -> Result:
        written = self.store.write(result, score, force=self.selection.force)
        self.callbacks.on_result(cell, written, True)
        return written


def run_selection(
    selection: Selection,
    callbacks: RunCallbacks | None = None,
    command: Sequence[str] | None = None,
) -> RunReport:
    """Run every cell of a selection that is not done yet.

    Args:
        command: the command line as typed, for the provenance.

    Raises:
        UsageError: a name or parameter that does not exist, or predictions asked of protocols
            that make none; nothing was run.
        ResultError: the output folder cannot be written.
    """
    callbacks = callbacks or RunCallbacks()
    resolve_device(selection.device)
    plan = make_plan(selection)
    store = ResultStore(selection.output)
    run_files.write_manifest(selection.output, plan)
    done = {} if selection.force else finished(plan, store)
    run_files.check_predictions(plan, done)
    callbacks.on_plan(plan, len(plan.cells) - len(done))
    for part in plan.unavailable:
        callbacks.on_unavailable(part)
    runner = _Runner(selection, store, callbacks, command)
    results: dict[str, Result] = dict(done)
    for group in plan.groups():
        for cell in group:
            if cell.key.cell_id in done:
                callbacks.on_result(cell, done[cell.key.cell_id], False)
        todo = [cell for cell in group if cell.key.cell_id not in done]
        for result in runner.group(todo) if todo else ():
            results[result.cell_id] = result
            if selection.fail_fast and result.status == "failed":
                return _report(plan, results)
    return _report(plan, results)


def check_declared(protocol: ProtocolChoice, score: Score) -> None:
    """Refuse a score whose metrics, references or rows hold what the protocol does not declare.

    Raises:
        ProtocolError: naming the protocol, the metric, and those that are declared.
    """
    rows = (row.metrics for row in (*score.clips, *score.frames))
    for name in chain(score.metrics, score.references, *rows):
        if protocol.entry.card_of(name) is None:
            raise ProtocolError(
                f"the protocol {protocol.name} returned the metric {name!r}, which its entry does "
                f"not declare; declared: {', '.join(protocol.entry.metrics)}; add a MetricCard to "
                "the metrics of its ProtocolEntry"
            )


def finished(plan: Plan, store: ResultStore) -> dict[str, Result]:
    """Return the results of the cells that need no work."""
    found = {cell.key.cell_id: store.finished(cell.key.cell_id) for cell in plan.cells}
    return {cell_id: result for cell_id, result in found.items() if result is not None}


def _report(plan: Plan, results: dict[str, Result]) -> RunReport:
    order = [cell.key.cell_id for cell in plan.cells]
    return RunReport(plan, tuple(results[i] for i in dict.fromkeys(order) if i in results))


def _plugin(loaded: LoadedModel) -> Plugin | None:
    """Return who brought the model, None for the suite's own."""
    origin = loaded.origin
    if origin.get("package") == "tvseg-bench" or not any(origin.values()):
        return None
    return Plugin(**{name: origin.get(name) for name in Plugin.model_fields})


def _peak_gpu_mb() -> float | None:
    """Return the peak of allocated GPU memory in MiB, None without a GPU."""
    import torch

    if not torch.cuda.is_available():
        return None
    return float(round(torch.cuda.max_memory_allocated() / 2**20, 1))
