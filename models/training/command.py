"""`tvseg-bench train`: what is typed becomes a run, and what happens is shown."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tvseg_bench.benchmark.cli.console import make_console
from tvseg_bench.benchmark.devices import resolve_device
from tvseg_bench.benchmark.errors import UsageError, did_you_mean
from tvseg_bench.benchmark.execution.selection import parse_overrides, split_list
from tvseg_bench.benchmark.paths import data_root
from tvseg_bench.models.training.data.sources import open_clips
from tvseg_bench.models.training.loop import train
from tvseg_bench.models.training.processes import Processes, processes
from tvseg_bench.models.training.recipes import make_plan
from tvseg_bench.models.training.settings import Setup, TrainCallbacks, TrainingOutcome, Validate

OK = 0
_KEYS = (
    *("model", "weights", "data", "clips", "output", "resume", "validate", "tensorboard"),
    *("data_root", "device", "seed", "workers", "recipe", "objective"),
)
_DEFAULTS: Mapping[str, Any] = {
    "output": Path("runs/train"),
    "resume": "never",
    "device": "auto",
    "seed": 0,
    "workers": 2,
    "data": ["moving-shapes?clips=400"],
}


def run(arguments: argparse.Namespace) -> int:
    """Train as typed; the entry of the command line.

    Raises:
        UsageError: what was typed does not fit.
    """
    values = _values(arguments)
    plan = make_plan(arguments.method, values["overrides"])
    if not values.get("model"):
        raise UsageError(
            "train needs a backbone to start from; type for example --model dino/vits16"
        )
    root = Path(values["data_root"]).expanduser() if values.get("data_root") else data_root()
    clips, manifests = open_clips(
        split_list(values["data"]), root, split_list(values.get("clips") or [])
    )
    device = resolve_device(values["device"])
    with processes(device.type) as ranks:
        setup = Setup(
            plan=plan,
            model=values["model"],
            clips=clips,
            manifests=manifests,
            output=Path(values["output"]).expanduser(),
            weights=Path(values["weights"]).expanduser() if values.get("weights") else None,
            seed=values["seed"],
            device=f"{device.type}:{ranks.local}" if device.type == "cuda" else str(device),
            resume=values["resume"] == "auto",
            workers=values["workers"],
            validate=_validation(values.get("validate"), root, values["output"]),
            tensorboard=bool(values.get("tensorboard")),
        )
        callbacks = _callbacks(ranks, arguments.json)
        with callbacks:
            outcome = train(setup, ranks, callbacks)
        if ranks.first:
            _tell(outcome, arguments.json)
    return OK


def _values(arguments: argparse.Namespace) -> dict[str, Any]:
    """Merge defaults, the config file and the command line, the last one winning."""
    config = _read_config(arguments.config) if arguments.config else {}
    overrides = {
        f"{owner}.{key}": value
        for owner in ("recipe", "objective")
        for key, value in (config.pop(owner, None) or {}).items()
    }
    typed = {key: getattr(arguments, key, None) for key in _KEYS}
    typed = {key: value for key, value in typed.items() if value not in (None, False)}
    typed_overrides = parse_overrides(arguments.overrides, ("recipe", "objective"))
    return {**_DEFAULTS, **config, **typed, "overrides": {**overrides, **typed_overrides}}


def _read_config(path: Path) -> dict[str, Any]:
    """Read a YAML file with the options' names as keys, `recipe` and `objective` as mappings."""
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"the config {path} cannot be read: {reason}; check --config") from None
    if not isinstance(loaded, dict):
        raise UsageError(f"the config {path} must hold keys such as `model:`, not a bare value")
    for key, value in loaded.items():
        if key not in _KEYS:
            raise UsageError(did_you_mean(f"key in {path}", str(key), _KEYS))
        if key in ("recipe", "objective") and not isinstance(value, dict):
            raise UsageError(f"{key} in {path} must be a mapping such as `{key}: {{…}}`")
    return loaded


def _validation(wanted: str | None, root: Path | None, output: Path | str) -> Validate | None:
    """Return what scores a folder with weights by `PROTOCOL@DATASET`."""
    if not wanted:
        return None
    protocol, at, dataset = wanted.partition("@")
    if not at or not protocol or not dataset:
        raise UsageError(
            f"--validate {wanted!r}: expected PROTOCOL@DATASET, as in kmeans-clip@moving-shapes"
        )
    from tvseg_bench.benchmark.execution.run import run_selection
    from tvseg_bench.benchmark.execution.selection import make_selection

    def validate(folder: Path) -> Mapping[str, float | None]:
        selection = make_selection(
            {
                "model": [f"file:{folder}"],
                "protocol": protocol,
                "dataset": dataset,
                "data_root": root,
                "output": Path(output) / "validation",
            }
        )
        scores: dict[str, float | None] = {}
        for result in run_selection(selection).results:
            if result.headline:
                name = f"{result.protocol.id}/{result.headline}"
                scores[name] = result.metrics[result.headline].value
        return scores

    return validate


class _Shown(TrainCallbacks):
    """Progress on the terminal; a line now and then where there is none."""

    def __init__(self) -> None:
        self.console = make_console(stderr=True)
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self._n_steps = 0

    def __enter__(self) -> _Shown:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def on_start(self, step: int, n_steps: int, clips: int) -> None:
        self._n_steps = n_steps
        at = f" from step {step}" if step else ""
        self.console.print(f"{clips} clips, {n_steps} steps{at}")
        self._task = self.progress.add_task("training", total=n_steps, completed=step)

    def on_step(self, step: int, row: Mapping[str, float | None]) -> None:
        shown = ("loss", "entropy", "empty", "clips_per_s")
        text = "  ".join(f"{k} {row[k]:.4g}" for k in shown if row.get(k) is not None)
        self.progress.update(self._task, completed=step + 1, description=text)
        every = max(self._n_steps // 20, 1)
        if not self.console.is_terminal and (step % every == 0 or step + 1 == self._n_steps):
            self.console.print(f"step {step + 1}/{self._n_steps}  {text}")

    def on_skip(self, name: str, reason: str) -> None:
        self.console.print(f"skipped {name}: {reason}", markup=False)

    def on_validation(self, step: int, scores: Mapping[str, float | None]) -> None:
        told = ", ".join(f"{k} {'-' if v is None else f'{v:.4f}'}" for k, v in scores.items())
        self.console.print(f"after step {step}: {told}", markup=False)


class _Silent(TrainCallbacks):
    def __enter__(self) -> _Silent:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def _callbacks(ranks: Processes, as_json: bool) -> _Shown | _Silent:
    return _Shown() if ranks.first and not as_json else _Silent()


def _tell(outcome: TrainingOutcome, as_json: bool) -> None:
    if as_json:
        told = {
            "folder": str(outcome.folder),
            "steps": outcome.steps,
            "skipped": dict(outcome.skipped),
        }
        sys.stdout.write(json.dumps(told) + "\n")
        return
    done = "was finished before" if outcome.already_finished else "finished"
    lines: list[str] = [f"{outcome.folder}: {done}, {outcome.steps} steps"]
    if outcome.skipped:
        lines.append(f"{len(outcome.skipped)} clips could not be read and were skipped")
    lines.append(f"evaluate it: tvseg-bench run --model file:{outcome.folder}")
    sys.stdout.write("\n".join(lines) + "\n")


def options() -> Sequence[str]:
    """Return the keys of a config file."""
    return _KEYS
