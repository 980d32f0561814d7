"""Kill workers of every executor at random moments: nothing may be lost, changed or done twice.

    python scripts/kill_workers.py --executor slurm --kills 20

A small grid is run by one process, then by an executor while its workers are ended with SIGKILL.
The same command is typed until everything is done. The numbers, the rows and the recorded images
have to be those of the one process, byte for byte, and no task may have been done twice.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tvseg_bench.benchmark.execution.run_record import FOLDER, EventReader, RunRecord
from tvseg_bench.benchmark.results.result import comparable_fields
from tvseg_bench.benchmark.results.result_file import read_result
from tvseg_bench.scripts.kill_runs import make_data
from tvseg_bench.scripts.local_slurm import local_slurm

EXECUTORS = ("submitit", "ray", "slurm")
"""submitit: its own processes on this machine, without Slurm."""

RAY_TASKS = (b"ray::extract", b"ray::evaluate", b"ray::reduce")
"""How Ray calls a process that does a task."""

PLUGIN = '''
"""A model that gives the mean colour of patches, and takes its time."""

import os
import time

import torch

from tvseg_bench.benchmark.registry import ModelEntry, models
from tvseg_bench.benchmark.types import ModelCard, PatchFeatures


class Slow:
    def __init__(self):
        self.card = ModelCard(name="toy/slow", revision="1", patch_size=16, embed_dim=3)

    def extract(self, images):
        time.sleep(float(os.environ.get("TOY_SLEEP", "0")))
        pooled = torch.nn.functional.avg_pool2d(images, 16)
        rows, cols = pooled.shape[-2:]
        return PatchFeatures(pooled.flatten(2).transpose(1, 2), (int(rows), int(cols)))


models.register("toy/slow", ModelEntry(card=None, build=Slow), "the trial")
'''

SELECTION = (
    *("--model", "toy/slow,baseline/pixels", "--keep", "2"),
    *("--protocol", "kmeans-frame,kmeans-clip:timet,kmeans-dataset,segmenter"),
    *("protocol.kmeans-frame.size=96", "protocol.kmeans-frame.n_init=2"),
    "protocol.kmeans-dataset.size=96",
)
"""Clip by clip, in batches of clips, over the data set, skipped: every kind of task."""


def command(
    root: Path, output: Path, executor: str | None, options: Sequence[str] = ()
) -> list[str]:
    """Return the command that runs the grid.

    Args:
        root: that holds `data` and `plugin.py`; see `prepare`.
        executor: None = this process alone.
    """
    data = f"folder:{root / 'data.yaml'}"
    typed = [sys.executable, "-m", "tvseg_bench", "run", "--dataset", data]
    typed += ["--plugin", str(root / "plugin.py"), "-o", str(output), *SELECTION]
    if executor is not None:
        engine = "slurm" if executor == "submitit" else executor
        typed += ["--executor", engine, "--range-frames", "10", "--wait", *options]
    if executor == "submitit":
        typed += ["--executor-option", "cluster=local", "--array-parallelism", "2"]
    if executor == "slurm":
        typed += ["--jobs", "2"]
    return typed


def prepare(root: Path, clips: int = 5) -> None:
    """Write the data and the model."""
    make_data(root / "data", clips)
    keys = "root: data\nframes: JPEGImages\nmasks: Annotations\nlabel_kind: semantic\n"
    (root / "data.yaml").write_text(keys, encoding="utf-8")
    (root / "plugin.py").write_text(PLUGIN, encoding="utf-8")


def run(
    typed: Sequence[str], environment: Mapping[str, str], code: int | None = 0
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; stop the script where it ends with another code."""
    done = subprocess.run(
        typed, env=dict(environment), capture_output=True, text=True, check=False, timeout=600
    )
    if code is not None and done.returncode != code:
        raise SystemExit(
            f"{' '.join(typed)}\nended with {done.returncode}:\n{done.stderr[-4000:]}"
        )
    return done


@contextmanager
def engine(executor: str, root: Path) -> Iterator[dict[str, str]]:
    """Start what an executor needs, two nodes where it has nodes; give the environment."""
    environment = {
        **os.environ,
        "TVSEG_HOME": str(root / f"home-{executor}"),
        "OMP_NUM_THREADS": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    if executor == "ray":
        from ray.cluster_utils import Cluster

        os.environ["OMP_NUM_THREADS"] = "1"
        store = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
        cluster = Cluster(
            initialize_head=True, head_node_args={**store, "include_dashboard": False}
        )
        try:
            cluster.add_node(**store)
            yield {**environment, "RAY_ADDRESS": cluster.address}
        finally:
            cluster.shutdown()
    elif executor == "slurm":
        with local_slurm(root / "slurm", nodes=2) as slurm:
            yield {**environment, **slurm.environment}
    else:
        yield environment


def differences(one: Path, other: Path) -> list[str]:
    """Return what two runs do not have in common, but for where and when they were made."""
    found = []
    for folder in ("results", "samples", "media"):
        files = {p.relative_to(one) for p in (one / folder).rglob("*") if p.is_file()}
        others = {p.relative_to(other) for p in (other / folder).rglob("*") if p.is_file()}
        found += [f"only in one run: {path}" for path in sorted(files ^ others)]
        found += [
            f"differs: {p}" for p in sorted(files & others) if _read(one, p) != _read(other, p)
        ]
    return found


def _read(root: Path, path: Path) -> object:
    if path.parts[0] == "results":
        return comparable_fields(read_result(root / path).result)
    return (root / path).read_bytes()


def done_twice(output: Path) -> list[str]:
    """Return the tasks that more than one worker did; extraction takes what is there."""
    counted: Counter[str] = Counter()
    for directory in (output / FOLDER).iterdir():
        record = RunRecord.read(directory)
        for event in EventReader(record).new():
            task = record.tasks[event.task]
            if event.state == "done" and task.kind != "extract":
                counted[task.label] += 1
    return [label for label, n in counted.items() if n > 1]


def workers(root: Path) -> list[int]:
    """Return the processes that do a task of a run of `root` right now."""
    found = []
    parents = {int(_stat(p)[3]) for p in Path("/proc").glob("[0-9]*") if _stat(p)}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes()
            ours = f"TVSEG_HOME={root}".encode() in (process / "environ").read_bytes()
        except OSError:
            continue
        is_worker = line.startswith(RAY_TASKS) or b"submitit.core._submit" in line
        if ours and is_worker and int(process.name) not in parents:
            found.append(int(process.name))
    return found


def _stat(process: Path) -> list[str]:
    try:
        text = (process / "stat").read_text()
    except OSError:
        return []
    name, _, rest = text.partition(") ")
    return [*name.split(" (", 1), *rest.split()]


def trial(
    root: Path, executor: str, kills: int, rng: random.Random, pause_s: float
) -> tuple[int, int]:
    """Run the grid again and again while workers are killed, until enough were; check each run.

    Returns:
        How many runs there were, and how often the command was typed for them.
    """
    killed = runs = typed = 0
    with engine(executor, root) as environment:
        while runs == 0 or killed < kills:
            output = root / f"{executor}-{runs}"
            runs += 1
            code = 1
            while code:
                typed += 1
                if typed > kills + 5 * runs:
                    raise SystemExit(f"{executor}: not done after {typed} times")
                left = kills - killed
                dead, code = disturbed(root, output, executor, environment, left, pause_s, rng)
                killed += dead
            wrong = [*differences(root / "local", output), *done_twice(output)]
            if wrong:
                raise SystemExit(f"{executor}: {json.dumps(wrong, indent=1)}")
    return runs, typed


def disturbed(
    root: Path,
    output: Path,
    executor: str,
    environment: Mapping[str, str],
    kills: int,
    pause_s: float,
    rng: random.Random,
) -> tuple[int, int]:
    """Run the command while workers are killed; return how many were, and the exit code."""
    killed = 0
    with subprocess.Popen(
        command(root, output, executor),
        env={**environment, "TOY_SLEEP": "0.2"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while process.poll() is None:
            time.sleep(rng.uniform(0, pause_s))
            at_work = workers(root)
            if killed < kills and at_work and process.poll() is None:
                os.kill(rng.choice(at_work), signal.SIGKILL)
                killed += 1
        said = process.stderr.read() if process.stderr else ""
    if process.returncode not in (0, 1):
        raise SystemExit(f"{executor} ended with {process.returncode}:\n{said[-4000:]}")
    return killed, process.returncode


def main() -> None:
    """Run the trials and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--executor", choices=[*EXECUTORS, "all"], default="all")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clips", type=int, default=7, help="more clips, more to kill")
    parser.add_argument("--pause", type=float, default=4.0, help="seconds between kills at most")
    arguments = parser.parse_args()
    chosen = EXECUTORS if arguments.executor == "all" else (arguments.executor,)
    rng = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        prepare(root, arguments.clips)
        with engine("submitit", root) as environment:
            run(command(root, root / "local", None), environment)
        for executor in chosen:
            runs, typed = trial(root, executor, arguments.kills, rng, arguments.pause)
            print(
                f"{executor}: {arguments.kills} workers killed in {runs} runs, typed {typed} "
                "times: the same bytes as of one process, nothing done twice",
                flush=True,
            )


if __name__ == "__main__":
    main()
