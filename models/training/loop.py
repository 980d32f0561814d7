"""The training loop: batch -> objective -> backward -> optimiser -> log.

Step s depends on the weights after step s - 1 and on (seed, s) alone, so a run that was killed
goes on from its last checkpoint with the losses of one that was not.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.plugins.load import LoadedModel
from tvseg_bench.benchmark.version import __version__
from tvseg_bench.models.trained import CARD, WEIGHTS
from tvseg_bench.models.training import checkpoints
from tvseg_bench.models.training.backbone import TunedBackbone, open_backbone
from tvseg_bench.models.training.checkpoints import NAME as CHECKPOINT
from tvseg_bench.models.training.data.sampling import generator
from tvseg_bench.models.training.data.stream import ClipStream
from tvseg_bench.models.training.export import export
from tvseg_bench.models.training.frozen_cache import CachingBackbone
from tvseg_bench.models.training.metrics_log import NAME as JOURNAL
from tvseg_bench.models.training.metrics_log import MetricsLog, is_finished
from tvseg_bench.models.training.objectives.catalogue import objective_entry
from tvseg_bench.models.training.objectives.objective_types import ClipBatch, StepLoss
from tvseg_bench.models.training.optimiser import make_optimiser, set_rates
from tvseg_bench.models.training.processes import Processes
from tvseg_bench.models.training.settings import Setup, TrainCallbacks, TrainingOutcome

RUN_FILES = (checkpoints.CONFIG, JOURNAL, CARD, WEIGHTS, CHECKPOINT)
"""Files of a run, which no other run replaces."""
LOOKS, PAUSE_S = 12, 5.0
"""How often, and after how many seconds, a folder that processes see differently is looked at."""


@dataclass
class _Run:
    setup: Setup
    ranks: Processes
    callbacks: TrainCallbacks
    backbone: TunedBackbone
    loaded: LoadedModel
    objective: Any
    stream: ClipStream
    optimiser: torch.optim.Optimizer
    config: dict[str, Any]
    best: float = -math.inf
    """Best validation so far, where validation chooses the weights."""
    saved: int | None = None
    """Steps behind the last checkpoint."""
    caching: CachingBackbone | None = None

    @property
    def modules(self) -> dict[str, nn.Module]:
        return {"backbone": self.backbone, "objective": self.objective}

    @property
    def chooses(self) -> bool:
        """Whether validation chooses the weights, and not the number of steps."""
        return self.setup.validate is not None and self.setup.plan.recipe.selection == "published"

    @property
    def config_sha256(self) -> str:
        return hashlib.sha256(json.dumps(self.config, sort_keys=True).encode()).hexdigest()


def train(
    setup: Setup, ranks: Processes | None = None, callbacks: TrainCallbacks | None = None
) -> TrainingOutcome:
    """Run a training to its end, or on from where it was killed.

    Raises:
        UsageError: the output folder is in use, or a setting does not fit.
        TrainingError: the loss is NaN or infinite, or the checkpoint does not fit.
        ResultError: the disk is full or the folder cannot be written; what was there stays.
        DataError: no clip can be read.
    """
    run = _open(setup, ranks or Processes(), callbacks or TrainCallbacks())
    start = _begin(run)
    if start is None:
        steps = run.stream.n_steps
        return TrainingOutcome(folder=setup.output, steps=steps, skipped={}, already_finished=True)
    journal = MetricsLog(setup.output, start, setup.tensorboard) if run.ranks.first else None
    with journal or nullcontext():
        if journal:
            _restore(run, journal, start)
        run.callbacks.on_start(start, run.stream.n_steps, len(setup.clips))
        for step, batch in enumerate(run.stream.batches(start), start):
            row = _step(run, step, batch)
            if journal:
                journal.write_skipped(step, run.stream.skipped)
                journal.write(row)
            run.callbacks.on_step(step, row)
            _after(run, step, journal)
        skipped = run.ranks.merged(run.stream.skipped)
        if journal:
            journal.write({"finished": run.stream.n_steps, "skipped": len(skipped)})
    if run.ranks.first and not run.chooses:
        _export(run, setup.output, run.stream.n_steps)
    run.ranks.wait()  # nobody leaves, and takes the others down, before the files are there
    return TrainingOutcome(folder=setup.output, steps=run.stream.n_steps, skipped=skipped)


def _open(setup: Setup, ranks: Processes, callbacks: TrainCallbacks) -> _Run:
    plan = setup.plan
    torch.manual_seed(setup.seed)
    backbone, loaded = open_backbone(setup.model, plan.recipe.tune, setup.weights)
    device = torch.device(setup.device)
    backbone.to(device)
    torch.manual_seed(setup.seed)
    objective: Any = objective_entry(plan.method).build(plan.objective, backbone.dim)
    objective.to(device)
    stream = ClipStream(
        setup.clips,
        plan.recipe,
        loaded.card,
        setup.seed,
        rank=ranks.rank,
        world=ranks.world,
        workers=setup.workers,
        skip=callbacks.on_skip,
    )
    config = {
        "method": plan.method,
        "recipe_name": plan.name,
        "recipe": plan.recipe.model_dump(mode="json"),
        "objective": plan.objective.model_dump(mode="json"),
        "seed": setup.seed,
        "steps": stream.n_steps,
        "manifests": dict(setup.manifests),
        "clips": [clip.name for clip in setup.clips],
        "model": loaded.card.name,
        "revision": loaded.card.revision,
        "suite": __version__,
    }
    return _Run(
        setup=setup,
        ranks=ranks,
        callbacks=callbacks,
        backbone=backbone,
        loaded=loaded,
        objective=objective,
        stream=stream,
        optimiser=make_optimiser(backbone, objective, plan.recipe),
        config=config,
    )


def refuse_used(folder: Path, resume: bool) -> None:
    """Raise for a folder that holds a run, unless that is to be resumed.

    Raises:
        UsageError: naming a file of it.
    """
    used = _used(folder)
    if used and not resume:
        raise UsageError(
            f"{folder} holds a run already ({used[0]}); type --resume auto to go on with it, or "
            "choose another folder with -o"
        )


def _used(folder: Path) -> list[str]:
    return [name for name in RUN_FILES if (folder / name).exists()]


def _begin(run: _Run) -> int | None:
    """Return the first step to take, None where the run has finished before."""
    folder = run.setup.output
    step, finished = _agreed(run)  # also waits until all have seen the folder as it was
    if finished:
        return None
    if run.ranks.first:
        checkpoints.write_json(folder / checkpoints.CONFIG, run.config)
    if step is not None:
        checkpoints.load_checkpoint(folder, run.modules, run.optimiser)
        run.saved = step
    return step or 0


def _agreed(run: _Run) -> tuple[int | None, bool]:
    """Return the step of the checkpoint and whether the run has finished, as all processes see it.

    Raises:
        TrainingError: the folder goes on looking different, so that it is not shared.
    """
    for look in range(LOOKS):
        if look:  # shared storage may show another machine's files late
            time.sleep(PAUSE_S)
        seen = run.ranks.gathered(_look(run))
        if all(other == seen[0] for other in seen):
            step, finished = seen[0]
            return step, finished
    steps = ", ".join("none" if step is None else str(step) for step, _ in seen)
    raise checkpoints.TrainingError(
        f"{run.setup.output} is not one folder for all processes: they see checkpoints after "
        f"steps {steps}; choose a folder that all machines share with -o"
    )


def _look(run: _Run) -> tuple[int | None, bool]:
    """Return the step of the folder's checkpoint, and whether its run has finished."""
    folder = run.setup.output
    refuse_used(folder, run.setup.resume)
    checkpoints.refuse_other_config(folder, run.config)
    step = checkpoints.read_step(folder, run.config_sha256)
    has_card = (folder / CARD).exists()
    if step is None and has_card:
        raise checkpoints.TrainingError(
            f"{folder} holds weights that a run left behind but no checkpoint to go on from; "
            "choose another folder with -o"
        )
    return step, has_card and is_finished(folder)


def _step(run: _Run, step: int, batch: ClipBatch) -> dict[str, float | None]:
    """Take one step; return its row of the log."""
    began = time.perf_counter()
    recipe, device = run.setup.plan.recipe, torch.device(run.setup.device)
    torch.manual_seed(int(generator(run.setup.seed, 3, step, run.ranks.rank).integers(2**62)))
    set_rates(run.optimiser, recipe, step, run.stream.n_steps)
    batch = batch.to(device)
    backbone = _backbone(run, batch)
    bf16 = recipe.precision == "bf16"
    with torch.autocast(device.type, torch.bfloat16) if bf16 else nullcontext():
        loss: StepLoss = run.objective(backbone, batch)
    value = float(run.ranks.mean(loss.value))
    _refuse_nan(run, step, batch, "loss", value)
    run.optimiser.zero_grad(set_to_none=True)
    loss.value.backward()  # type: ignore[no-untyped-call]
    parameters = [p for group in run.optimiser.param_groups for p in group["params"]]
    run.ranks.average_gradients(parameters)
    limit = recipe.clip_gradient or math.inf
    norm = float(nn.utils.clip_grad_norm_(parameters, limit))
    _refuse_nan(run, step, batch, "gradient", norm)
    run.optimiser.step()
    run.objective.after_step(backbone, step, run.stream.n_steps)
    seconds = time.perf_counter() - began
    return {
        "step": step,
        "epoch": step // run.stream.steps_per_epoch,
        "loss": value,
        **{name: _number(run.ranks.mean(stat.float())) for name, stat in loss.stats.items()},
        "gradient": norm,
        "rate": run.optimiser.param_groups[0]["lr"],
        "clips_per_s": round(recipe.batch / seconds, 3),
    }


def _backbone(run: _Run, batch: ClipBatch) -> Any:
    """Return the backbone, with a cache of frozen states where the same pixels come again."""
    if not batch.repeatable:
        return run.backbone
    run.caching = run.caching or CachingBackbone(run.backbone)
    run.caching.expect(batch)
    return run.caching


def _after(run: _Run, step: int, journal: MetricsLog | None) -> None:
    """Save a checkpoint and validate, when it is time."""
    recipe, done, last = run.setup.plan.recipe, step + 1, run.stream.n_steps
    is_time = done % recipe.checkpoint_every == 0 or done == last
    is_time = is_time or (run.chooses and _is_due(run, done))  # no weights without a checkpoint
    if run.ranks.first and is_time:
        checkpoints.save_checkpoint(
            run.setup.output, done, run.config_sha256, run.modules, run.optimiser
        )
        run.saved = done
    if run.ranks.first and _is_due(run, done):
        _validate(run, done, journal)


def _is_due(run: _Run, done: int) -> bool:
    """Return whether validation follows this many steps."""
    every = run.setup.plan.recipe.validate_every * run.stream.steps_per_epoch
    return run.setup.validate is not None and (done % every == 0 or done == run.stream.n_steps)


def _restore(run: _Run, journal: MetricsLog, start: int) -> None:
    """Restore what an interrupted run had logged; validate where it was killed before it could."""
    run.best = max((_headline(row) for row in journal.validated), default=-math.inf)
    run.stream.skipped.update(journal.skipped)
    is_known = any(row["validated"] == start for row in journal.validated)
    if start and _is_due(run, start) and not is_known:
        _validate(run, start, journal)


def _validate(run: _Run, done: int, journal: MetricsLog | None) -> None:
    assert run.setup.validate is not None
    folder = run.setup.output / "candidate"
    _export(run, folder, done)
    scores = run.setup.validate(folder)
    run.callbacks.on_validation(done, scores)
    if journal:
        journal.write({"validated": done, **scores})
    if run.chooses and _headline(scores) > run.best:
        run.best = _headline(scores)
        _export(run, run.setup.output, done)


def _number(value: Tensor) -> float | None:
    """Return a finite number, else None: JSON has no NaN."""
    number = float(value)
    return number if math.isfinite(number) else None


def _headline(scores: Mapping[str, Any]) -> float:
    """Return the first score, below every other where there is none."""
    values = [value for name, value in scores.items() if name != "validated"]
    return -math.inf if not values or values[0] is None else float(values[0])


def _export(run: _Run, folder: Path, steps: int) -> None:
    keys = ("method", "recipe_name", "recipe", "objective", "seed", "manifests", "suite")
    training = {"steps": steps, **{key: run.config[key] for key in keys}}
    export(folder, run.backbone, run.objective, run.loaded, training, tuple(run.setup.manifests))


def _refuse_nan(run: _Run, step: int, batch: ClipBatch, what: str, value: float) -> None:
    if math.isfinite(value):
        return
    clips = ", ".join(
        f"{name} {list(frames)}" for name, frames in zip(batch.names, batch.frames, strict=True)
    )
    saved = f"the checkpoint after step {run.saved} stays" if run.saved else "no checkpoint yet"
    raise checkpoints.TrainingError(
        f"the {what} of step {step} is {value}; its clips: {clips[:600]}; {saved}; try a lower "
        "recipe.head_rate and recipe.backbone_rate, recipe.clip_gradient=1, or fp32"
    )
