"""The settings, callbacks and outcome of a training run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tvseg_bench.benchmark.types import Clip
from tvseg_bench.models.training.recipes import TrainingPlan

Validate = Callable[[Path], Mapping[str, float | None]]
"""From a folder with weights and card to scores; the first one chooses where labels may."""


class TrainCallbacks:
    """Called while a run goes; the methods here do nothing."""

    def on_start(self, step: int, n_steps: int, clips: int) -> None:
        """Called before the first step, with its number, the number of steps and of clips."""

    def on_step(self, step: int, row: Mapping[str, float | None]) -> None:
        """Called after a step, with its row of `metrics.jsonl`."""

    def on_skip(self, name: str, reason: str) -> None:
        """Called once for each clip that cannot be read."""

    def on_validation(self, step: int, scores: Mapping[str, float | None]) -> None:
        """Called after a validation, with its scores."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """Everything that a training run is given."""

    plan: TrainingPlan
    model: str
    """Reference of the model to start from."""
    clips: Sequence[Clip]
    manifests: Mapping[str, str]
    """Source -> hash, as `sources.open_clips` gives them."""
    output: Path
    weights: Path | None = None
    seed: int = 0
    device: str = "cpu"
    resume: bool = False
    workers: int = 2
    validate: Validate | None = None
    tensorboard: bool = False


@dataclass(frozen=True, kw_only=True)
class TrainingOutcome:
    """The result of a run."""

    folder: Path
    steps: int
    skipped: Mapping[str, str]
    already_finished: bool = False
