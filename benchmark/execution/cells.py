"""Evaluates cells: features in, a result or a part of one out, whatever becomes of it.

What fails is recorded with its reason, and nothing that is finished is computed again.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from itertools import chain
from typing import TYPE_CHECKING, Literal, cast

from tvseg_bench.benchmark.errors import NotApplicableError, ProtocolError, TvsegError
from tvseg_bench.benchmark.evaluation import Recorder, RunContext, SharedCache
from tvseg_bench.benchmark.execution import run_files
from tvseg_bench.benchmark.execution.parts import CellPart, PartTiming, rows_of, rows_text
from tvseg_bench.benchmark.execution.plan import Cell, load
from tvseg_bench.benchmark.execution.timed_features import TimedFeatures
from tvseg_bench.benchmark.features.cache.feature_cache import FeatureCache
from tvseg_bench.benchmark.features.extract import ExtractOptions, feature_set
from tvseg_bench.benchmark.features.flops import gflops
from tvseg_bench.benchmark.features.frame_cache import FrameCache
from tvseg_bench.benchmark.results.provenance import collect
from tvseg_bench.benchmark.results.result import Plugin, Result, Timing, from_score, without_score
from tvseg_bench.benchmark.results.store import ResultStore

if TYPE_CHECKING:
    from tvseg_bench.benchmark.evaluation import ClipwiseEvaluation
    from tvseg_bench.benchmark.execution.selection import ProtocolChoice, Selection
    from tvseg_bench.benchmark.plugins.load import LoadedModel
    from tvseg_bench.benchmark.recording.writer import MediaRecorder
    from tvseg_bench.benchmark.types import Dataset, FeatureSet, Score, View

Progress = Callable[[Sequence[Cell], int, int], None]
"""Called with the cells that share the forward pass, frames done, and frames in total."""


@dataclass(frozen=True)
class SharedPass:
    """One forward pass that several cells share, and what else they share."""

    loaded: LoadedModel
    features: FeatureSet
    shared: SharedCache = field(default_factory=SharedCache)


@dataclass
class CellRunner:
    """Evaluates the cells of one selection in this process."""

    selection: Selection
    store: ResultStore
    command: Sequence[str] | None = None
    """The command line as typed, for the provenance."""
    progress: Progress | None = None
    frames: FrameCache = field(default_factory=lambda: FrameCache(0))
    """Where several models are shown the same frames, what keeps them."""
    cache: FeatureCache = field(default_factory=FeatureCache)
    _counted: dict[tuple[str, str, int], float | None] = field(default_factory=dict)
    """GFLOPs of a frame per model, revision and size."""
    _loaded: LoadedModel | None = None
    """The model that was used last."""

    def open(
        self,
        cells: Sequence[Cell],
        view: View,
        *,
        keep: bool,
        clips: tuple[int, int] | None = None,
    ) -> SharedPass:
        """Load the model of cells that share model, data set and view; compute nothing yet.

        Args:
            view: what the model is shown, which serves all the cells.
            keep: whether features are cached as they are computed.
            clips: first and one past the last clip; None = all.

        Raises:
            TvsegError: the model cannot be loaded.
        """
        loaded = self._load(cells[0])
        dataset = _part_of(cells[0].dataset, clips)
        return SharedPass(loaded, self._features(loaded, dataset, view, cells, keep))

    def open_training(self, cell: Cell, clips: tuple[int, int] | None = None) -> SharedPass:
        """Do the same for the clips that a cell learns from; their features are always cached."""
        assert cell.training is not None
        loaded, dataset = self._load(cell), _part_of(cell.training, clips)
        return SharedPass(loaded, self._features(loaded, dataset, cell.view, (cell,), True))

    def evaluate(self, cell: Cell, opened: SharedPass) -> Result:
        """Evaluate one cell and write its result, whatever becomes of it."""

        def score() -> tuple[Score, Timing, datetime]:
            started, begin = datetime.now(timezone.utc), time.perf_counter()
            timed = TimedFeatures(opened.features, cell.view)
            recorder = run_files.recorder_of(cell, self.selection)
            run = self._context(cell, opened, recorder)
            found = cell.protocol.evaluation.evaluate(timed, run)
            check_declared(cell.protocol, found)
            if recorder is not None:
                recorder.write()
            timing = self._timing(cell, opened, timed, time.perf_counter() - begin)
            return found, PartTiming.total([timing]), started

        return self._recorded(cell, score)

    def evaluate_range(self, cell: Cell, opened: SharedPass, clips: tuple[int, int]) -> CellPart:
        """Evaluate a range of clips of a cell whose protocol works clip by clip.

        Args:
            opened: the pass over those clips.
            clips: first and one past the last clip.

        Raises:
            TvsegError: anything that would make the cell fail or be skipped.
        """
        begin, started = time.perf_counter(), datetime.now(timezone.utc)
        clipwise(cell).check_dataset(cell.dataset)
        timed = TimedFeatures(opened.features, cell.view)
        recorder = run_files.recorder_of(cell, self.selection)
        run = replace(self._context(cell, opened, recorder), whole=cell.dataset)
        rows = list(clipwise(cell).score_clips(timed, run))
        return CellPart(
            cell_id=cell.key.cell_id,
            clips=clips,
            rows=rows_text(clipwise(cell).row_type, rows),
            recorded=None if recorder is None else recorder.part(),
            timing=self._timing(cell, opened, timed, time.perf_counter() - begin),
            started=started,
        )

    def reduce(self, cell: Cell, parts: Callable[[], Sequence[CellPart]]) -> Result:
        """Put the ranges of a cell together and write its result, whatever becomes of it.

        Args:
            parts: gives those of all clips in order; may raise what `evaluate_range` does.
        """

        def score() -> tuple[Score, Timing, datetime]:
            found = parts()
            evaluation = clipwise(cell)
            rows = [row for part in found for row in rows_of(part, evaluation.row_type)]
            made = evaluation.combine(rows, cell.dataset)
            check_declared(cell.protocol, made)
            recorder = run_files.recorder_of(cell, self.selection)
            if recorder is not None:
                for part in found:
                    if part.recorded is not None:
                        recorder.add_part(part.recorded)
                recorder.write()
            timing = PartTiming.total([part.timing for part in found])
            return made, timing, min(part.started for part in found)

        return self._recorded(cell, score)

    def without(self, cell: Cell, status: Literal["skipped", "failed"], reason: str) -> Result:
        """Write that a cell does not apply (`skipped`) or broke (`failed`)."""
        result = without_score(
            cell.key,
            status,
            reason,
            card=cell.card,
            provenance=collect(
                started=datetime.now(timezone.utc), command=self.command, seeds=(cell.seed,)
            ),
            plugin=_plugin(cell.origin),
        )
        return self.store.write(result, force=self.selection.force)

    def _recorded(self, cell: Cell, score: Callable[[], tuple[Score, Timing, datetime]]) -> Result:
        """Write the result of a cell, be it a score, a reason or an error."""
        try:
            found, timing, started = score()
        except NotApplicableError as reason:
            return self.without(cell, "skipped", str(reason))
        except TvsegError as error:
            return self.without(cell, "failed", str(error))
        except Exception as error:  # one broken cell must not take the grid down
            return self.without(cell, "failed", self._traced(cell, error))
        result = from_score(
            cell.key,
            found,
            card=cell.card,
            provenance=collect(started=started, command=self.command, seeds=(cell.seed,)),
            plugin=_plugin(cell.origin),
            timing=timing,
            background=cell.dataset.card.background,
            n_classes=len(cell.dataset.classes) or None,
            metrics=cell.protocol.entry.metrics,
        )
        return self.store.write(result, found, force=self.selection.force)

    def _traced(self, cell: Cell, error: Exception) -> str:
        """Write the traceback of an unexpected error, and return a sentence that names it."""
        trace = run_files.write_trace(
            self.store.directory,
            cell.key.cell_id,
            "".join(traceback.format_exception(error)),
        )
        return f"{type(error).__name__}: {error} (errors/{trace.name})".replace("\n", " ")

    def _load(self, cell: Cell) -> LoadedModel:
        if self._loaded is None or self._loaded.reference != cell.model:
            self._loaded = None  # one model in memory at a time
            self._loaded = load(cell.model, self.selection)
        return self._loaded

    def _features(
        self,
        loaded: LoadedModel,
        dataset: Dataset,
        view: View,
        cells: Sequence[Cell],
        keep: bool,
    ) -> FeatureSet:
        """Return the features of some or all clips, cached where they are read more than once."""
        options = ExtractOptions(
            device=self.selection.device,
            dtype="bf16" if self.selection.dtype == "bf16" else "fp32",
            batch_size=self.selection.batch_size or "auto",
        )
        show = self.progress
        return feature_set(
            loaded.model,  # type: ignore[arg-type]
            dataset,
            self.cache.cached_view(loaded.card, dataset, view, options.dtype),
            options,
            cache=self.cache,
            keep=keep,
            frames=self.frames,
            progress=None if show is None else lambda done, total: show(cells, done, total),
        )

    def _context(
        self, cell: Cell, opened: SharedPass, recorder: MediaRecorder | None
    ) -> RunContext:
        """Return what the protocol is handed."""
        training = None if cell.training is None else self.open_training(cell).features
        return RunContext(
            seed=cell.seed,
            device=self.selection.device,
            training=training,
            recorder=recorder or Recorder(),
            predictions=run_files.predictions_of(cell, self.selection),
            shared=opened.shared,
        )

    def _timing(
        self, cell: Cell, opened: SharedPass, timed: TimedFeatures, seconds: float
    ) -> PartTiming:
        return PartTiming(
            extract_s=timed.waited_s,
            protocol_s=seconds - timed.waited_s,
            frames=timed.frames,
            peak_gpu_mb=_peak_gpu_mb(),
            gflops=self._gflops(opened.loaded, cell),
        )

    def _gflops(self, loaded: LoadedModel, cell: Cell) -> float | None:
        key = (loaded.card.name, loaded.card.revision, cell.view.size)
        if key not in self._counted:
            self._counted[key] = gflops(loaded.model, cell.view.size)
        return self._counted[key]


def _part_of(dataset: Dataset, clips: tuple[int, int] | None) -> Dataset:
    return dataset if clips is None else replace(dataset, clips=dataset.clips[slice(*clips)])


def clipwise(cell: Cell) -> ClipwiseEvaluation[object]:
    """Return the evaluation of a cell whose protocol works clip by clip, as it declares."""
    assert cell.needs.unit == "clip"
    return cast("ClipwiseEvaluation[object]", cell.protocol.evaluation)


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


def _plugin(origin: Mapping[str, str | None]) -> Plugin | None:
    """Return who brought the model, None for the suite's own."""
    if origin.get("package") == "tvseg-bench" or not any(origin.values()):
        return None
    return Plugin(**{name: origin.get(name) for name in Plugin.model_fields})


def _peak_gpu_mb() -> float | None:
    """Return the peak of allocated GPU memory in MiB, None without a GPU."""
    import torch

    if not torch.cuda.is_available():
        return None
    return float(round(torch.cuda.max_memory_allocated() / 2**20, 1))
