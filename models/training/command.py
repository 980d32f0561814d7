"""`tvseg-bench train`: tune a backbone on unlabelled video."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvseg_bench.benchmark.cli.output import OK, print_json
from tvseg_bench.benchmark.cli.parser import CommandParser, given_options, wanted_progress
from tvseg_bench.benchmark.cli.selection_options import add_resources, executor_options_of
from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.paths import data_root

if TYPE_CHECKING:
    from tvseg_bench.models.training.settings import Setup, TrainingOutcome, Validate
    from tvseg_bench.models.training.slurm_job import JobOptions

_DEFAULTS: Mapping[str, Any] = {
    "output": Path("runs/train"),
    "resume": "never",
    "device": "auto",
    "seed": 0,
    "workers": 2,
    "data": ["moving-shapes?clips=400"],
    "executor": "local",
}
_OPTIONS = (
    *("model", "weights", "data", "clips", "output", "resume", "validate", "tensorboard"),
    *("data_root", "device", "seed", "workers", "executor", "executor_options"),
)
"""Options that are keys of a config file too."""
_OWNERS = ("recipe", "objective")
"""What overrides begin with; mappings in a config file."""


def add_arguments(parser: CommandParser) -> None:
    """Take a method, a backbone and clips, and how to train."""
    parser.epilog = (
        "Example: tvseg-bench train timet --model dino/vits16 --data davis-2017:train "
        "-o runs/timet recipe.epochs=10"
    )
    parser.add_argument("method", metavar="METHOD[:RECIPE]", help="timet, timet:timet, ...")
    parser.add_argument("--model", metavar="NAME", help="the backbone to start from")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="weights for the backbone")
    parser.add_argument(
        "--data", action="append", metavar="NAME", help="data sets, video files or folders"
    )
    parser.add_argument("--clips", metavar="LIST", help="names of the clips to train on")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="default: runs/train")
    parser.add_argument("--config", metavar="YAML", type=Path, help="the same keys in a file")
    parser.add_choice("--resume", ("auto", "never"), help="default: never")
    parser.add_argument("--validate", metavar="PROTOCOL@DATASET", help="score now and then")
    parser.add_argument("--tensorboard", action="store_true", help="also write event files")
    parser.add_argument("--data-root", metavar="DIR", help="folder of data sets ($TVSEG_DATA)")
    parser.add_argument("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1, mps")
    parser.add_argument("--seed", type=int, metavar="N", help="default: 0")
    parser.add_argument(
        "--workers", type=int, metavar="N", help="threads that decode (default: 2)"
    )
    group = parser.add_argument_group("several nodes", "docs: guide/train.md")
    group.add_argument("--executor", metavar="NAME", help="local (default) or slurm")
    group.add_argument("--nodes", type=int, metavar="N", help="nodes of the job (default: 1)")
    add_resources(
        group,
        "GPUs of a node, each with a process",
        "processors of a process",
        "memory of a node",
    )
    parser.add_progress()
    parser.add_overrides("recipe.epochs=10")


def run(arguments: argparse.Namespace) -> int:
    """Train here or as a job, with progress on stderr, and print the folder with the weights.

    Raises:
        UsageError: what was typed does not fit.
    """
    values = _values(arguments)
    method, shown = arguments.method, wanted_progress(arguments)
    from tvseg_bench.models.training import slurm_job

    options = slurm_job.parse_job_options(values["executor"], values["executor_options"])
    if options is not None:
        return _run_job(method, values, options, arguments)
    slurm_job.refuse_second(_output(values))
    outcome = train_here(method, values, shown)
    if outcome is not None:
        _print_outcome(outcome, arguments.json)
    return OK


def train_here(
    method: str, values: Mapping[str, Any], progress: str | None
) -> TrainingOutcome | None:
    """Train in this process, which may be one of several.

    Args:
        values: of the command line and its config, merged.
        progress: the word after `--progress`; None = nothing is shown.

    Returns:
        The outcome; None in every process but the first.
    """
    from tvseg_bench.benchmark.devices import resolve_device
    from tvseg_bench.models.training.loop import train
    from tvseg_bench.models.training.processes import processes
    from tvseg_bench.models.training.progress import training_progress

    setup = _setup(method, values)
    device = resolve_device(values["device"])
    with processes(device.type) as ranks:
        place = f"{device.type}:{ranks.local}" if device.type == "cuda" else str(device)
        with training_progress(progress if ranks.first else None) as callbacks:
            outcome = train(replace(setup, device=place), ranks, callbacks)
        return outcome if ranks.first else None


def _run_job(
    method: str, values: Mapping[str, Any], options: JobOptions, arguments: argparse.Namespace
) -> int:
    """Train as a job of Slurm: submit it, and with --wait follow it."""
    from tvseg_bench.benchmark.execution.executors.slurm_arrays import cluster_of
    from tvseg_bench.models.training import slurm_job
    from tvseg_bench.models.training.progress import job_progress

    setup = _setup(method, values)  # what can be wrong with it is said now, and not by the job
    if slurm_job.has_ended(setup.output):
        outcome = slurm_job.followed_outcome(method, values, setup.output, options)
        outcome = outcome or train_here(method, {**values, "device": "cpu"}, None)
        assert outcome is not None
        _print_outcome(outcome, arguments.json)
        return OK
    job, is_new = slurm_job.submit(method, values, setup.output, options)
    on_slurm = cluster_of(options.resources) == "slurm"
    logs = setup.output / slurm_job.FOLDER
    if on_slurm and not options.resources.wait:
        if arguments.json:
            print_json({"folder": setup.output, "job": job, "logs": logs})
        else:
            print(f"{setup.output}: submitted as Slurm job {job}, logs in {logs}")
            print(f"follow it: squeue -j {job}, or the same command with --wait")
        return OK
    say = job_progress(wanted_progress(arguments))
    if on_slurm:
        say(f"{'submitted' if is_new else 'follows'} Slurm job {job}, logs in {logs}")
    _print_outcome(slurm_job.follow(setup.output, job, on_slurm, say), arguments.json)
    return OK


def _setup(method: str, values: Mapping[str, Any]) -> Setup:
    """Return the training run that the values describe, for the CPU.

    Raises:
        UsageError: an unknown method, no model, or clips that are not there.
    """
    from tvseg_bench.benchmark.execution.selection import split_list
    from tvseg_bench.models.training.data.sources import open_clips
    from tvseg_bench.models.training.recipes import make_plan
    from tvseg_bench.models.training.settings import Setup

    plan = make_plan(method, values["overrides"])
    if not values.get("model"):
        raise UsageError(
            "train needs a backbone to start from; type for example --model dino/vits16"
        )
    root = Path(values["data_root"]).expanduser() if values.get("data_root") else data_root()
    clips, manifests = open_clips(
        split_list(values["data"]), root, split_list(values.get("clips") or [])
    )
    return Setup(
        plan=plan,
        model=values["model"],
        clips=clips,
        manifests=manifests,
        output=_output(values),
        weights=Path(values["weights"]).expanduser() if values.get("weights") else None,
        seed=values["seed"],
        resume=values["resume"] == "auto",
        workers=values["workers"],
        validate=_validation(values.get("validate"), root, values["output"]),
        tensorboard=bool(values.get("tensorboard")),
    )


def _values(arguments: argparse.Namespace) -> dict[str, Any]:
    """Merge defaults, the config file and the command line, the last one winning."""
    from tvseg_bench.benchmark.execution.selection import parse_overrides, read_config

    path = arguments.config
    config = read_config(path, (*_OPTIONS, *_OWNERS)) if path else {}
    for key in _OWNERS:
        if not isinstance(config.get(key, {}), dict):
            raise UsageError(f"{key} in {path} must be a mapping such as `{key}: {{…}}`")
    overrides = {
        f"{owner}.{key}": value
        for owner in _OWNERS
        for key, value in (config.pop(owner, None) or {}).items()
    }
    leave_out = ("method", "config", "overrides", "json", "debug", "progress")
    given = given_options(arguments, leave_out)
    options = _executor_options(given, config)
    typed = parse_overrides(arguments.overrides, _OWNERS)
    more = {"overrides": {**overrides, **typed}, "executor_options": options}
    return {**_DEFAULTS, **config, **given, **more}


def _executor_options(given: dict[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Take the options of jobs out of what was typed, and merge them with the config's."""
    in_file = config.get("executor_options") or {}
    if not isinstance(in_file, dict):
        raise UsageError("executor_options must be a mapping such as `{nodes: 2}`")
    nodes = {"nodes": given.pop("nodes")} if "nodes" in given else {}
    return {**executor_options_of(given, in_file), **nodes}


def _output(values: Mapping[str, Any]) -> Path:
    return Path(values["output"]).expanduser()


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


def _print_outcome(outcome: TrainingOutcome, as_json: bool) -> None:
    if as_json:
        folder, skipped = outcome.folder, dict(outcome.skipped)
        print_json({"folder": folder, "steps": outcome.steps, "skipped": skipped})
        return
    done = "was finished before" if outcome.already_finished else "finished"
    print(f"{outcome.folder}: {done}, {outcome.steps} steps")
    if outcome.skipped:
        print(f"{len(outcome.skipped)} clips could not be read and were skipped")
    print(f"evaluate it: tvseg-bench run --model file:{outcome.folder}")
