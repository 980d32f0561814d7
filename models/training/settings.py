"""What a run is told, what it tells while it goes, and what it gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tvseg_bench.benchmark.types import Clip
from tvseg_bench.models.training.recipes import TrainingPlan

Validate = Callable[[Path], Mapping[str, float | None]]
"""From a folder with weights and card to scores; the first one chooses where labels may."""


class TrainCallbacks:
    """Hears what happens; the command line shows it, a library call stays silent."""

    def on_start(self, step: int, n_steps: int, clips: int) -> None:
        """Hear where the run begins and how long it is."""

    def on_step(self, step: int, row: Mapping[str, float | None]) -> None:
        """Hear what is written down about a step."""

    def on_skip(self, name: str, reason: str) -> None:
        """Hear of a clip that cannot be read, once."""

    def on_validation(self, step: int, scores: Mapping[str, float | None]) -> None:
        """Hear scores."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A run."""

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
    """What a run gave."""

    folder: Path
    steps: int
    skipped: Mapping[str, str]
    already_finished: bool = False
