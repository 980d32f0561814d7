"""What a task costs beside its work, how well workers are used, how long a large plan takes.

    python scripts/bench_scale.py                    in short, two minutes on two cores
    python scripts/bench_scale.py --plan             the large plan alone
    python scripts/bench_scale.py --engine ray --workers 16 --seconds 30 --rounds 3
    python scripts/bench_scale.py --engine threads --workers 64 --seconds 30

The model sleeps instead of computing (`scale_plugin.py`), so that few cores can keep many workers
busy; everything else is done as in any run: tasks are read, cells planned, frames decoded and
resized, parts and results written and synced to the disk.

    process        tasks in a row in this process, which sleep 0 s: what is the suite's own
    threads        workers that are threads of this process, each with files of its own
    ray            worker processes of a Ray that is started here, warm; each takes 0.25 GB
    slurm-local    jobs of submitit on this machine, without Slurm
    slurm          jobs of a real Slurm on loopback, where its programs are installed

"engine" is the time of a task of the engine that does nothing. Efficiency is the time slept over
workers times duration: of the whole run, start of the processes included, and from the end of
each worker's first task on, as it is in a run that is long. Aims: under 50 ms a task beside the
engine's own; efficiency of 0.9 with 64 workers and tasks of 30 s; 100 000 tasks planned within
10 s and 1 GiB.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import os
import queue
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
sys.path.insert(0, str(Path(__file__).parent))

import local_slurm

import tvseg_bench.benchmark.data
import tvseg_bench.models
import tvseg_bench.protocols  # noqa: F401
from tvseg_bench.benchmark.execution.executors.options import parse_options
from tvseg_bench.benchmark.execution.executors.remote import Watch
from tvseg_bench.benchmark.execution.plan import make_plan
from tvseg_bench.benchmark.execution.run_record import RunRecord
from tvseg_bench.benchmark.execution.selection import make_selection
from tvseg_bench.benchmark.execution.tasks import make_tasks
from tvseg_bench.benchmark.execution.worker import Worker

PLUGIN = Path(__file__).with_name("scale_plugin.py")
GRID_PROTOCOLS = (
    *("kmeans-frame", "kmeans-clip", "kmeans-dataset", "overcluster-frame", "overcluster-clip"),
    *("temporal", "propagation", "linear", "retrieval", "foreground"),
)
ENGINES = ("process", "threads", "ray", "slurm-local", "slurm")
AIM_TASK_MS = 50.0
AIM_EFFICIENCY = 0.9
AIM_PLAN_S = 10.0
AIM_PLAN_MIB = 1024
NOTHINGS = 200
"""Tasks by which the engine's own time is measured."""


class Nowhere:
    """Takes results and shows them to nobody."""

    def add(self, cell: Any, result: Any, computed: bool) -> None:
        """Take the result of a cell."""

    def cannot(self, part: Any) -> None:
        """Say that a cell failed; no number would mean anything then."""
        raise SystemExit(f"a task failed: {part.reason}")


@dataclass(frozen=True)
class Prepared:
    """A recorded run of idle tasks."""

    record: RunRecord
    watch: Watch


def prepared(folder: Path, seconds: float, tasks: int, **changes: Any) -> Prepared:
    """Record a run of so many tasks that sleep so long, and one that puts their parts together."""
    values = {
        "model": [f"sleep:{seconds:g}"],
        "protocol": ["idle-clip"],
        "dataset": ["idle-frames"],
        "limit": tasks,
        "plugin": [str(PLUGIN)],
        "output": folder,
        "device": "cpu",
        "executor": "slurm",
        **changes,
    }
    plan = make_plan(make_selection(values))
    record = RunRecord.create(plan, make_tasks(plan, range_frames=1), None)
    return Prepared(record, Watch(record, plan.cells, Nowhere()))


# ------------------------------------------------------------------------- what was measured


@dataclass(frozen=True)
class Usage:
    """How workers spent their time."""

    workers: int
    """Those that did a task."""
    whole: float
    """Seconds slept over workers times duration, from hand-over to the end."""
    later: float
    """The same from the end of each worker's first task on."""
    task_ms: float
    """From the end of a task to the end of the next one of a worker, less the sleep; median."""


def usage(record: RunRecord, seconds: float, workers: int, wall: float) -> Usage:
    """Return how workers spent their time, by what they said of their tasks."""
    ends = [_ends(path) for path in (record.directory / "events").glob("*.jsonl")]
    slept = seconds * sum(len(one) for one in ends)
    gaps = [later - first for one in ends for first, later in pairwise(one)]
    spans = sum(one[-1] - one[0] for one in ends if one)
    return Usage(
        workers=sum(bool(one) for one in ends),
        whole=slept / (workers * wall),
        later=seconds * len(gaps) / spans if spans else 0.0,
        task_ms=1000 * (statistics.median(gaps) - seconds) if gaps else float("nan"),
    )


def _ends(path: Path) -> list[float]:
    """Return when the tasks of a worker ended, the one that puts parts together left out."""
    events = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    found = [(event["task"], event["state"], event["at"]) for event in events]
    if any(state == "failed" for _, state, _ in found):
        raise SystemExit(f"a task failed: {events[-1].get('reason')}")
    tasks = path.parent.parent / "tasks.jsonl"
    last = sum(1 for _ in tasks.open("rb")) - 1
    return [
        datetime.fromisoformat(at).timestamp()
        for task, state, at in found
        if state == "done" and task != last
    ]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Let workers of this process say nothing."""
    with contextlib.redirect_stderr(io.StringIO()):
        yield


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that something takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


# ------------------------------------------------------------------------------- this process


def in_process(folder: Path, tasks: int) -> None:
    """Print what tasks cost that sleep 0 s, one after the other."""
    kinds: dict[str, dict[str, Any]] = {
        "a range of clips": {},
        "a cell": {"protocol": ["idle-dataset"], "limit": 1, "seeds": f"0-{tasks - 1}"},
        "a range of an extraction": {"protocol": ["idle-dataset", "idle-clip"]},
    }
    for number, (what, changes) in enumerate(kinds.items()):
        run = prepared(folder / f"process{number}", 0, tasks, **changes)
        worker = Worker(run.record, "process")
        wall, own = [], []
        with quiet():
            for index in range(tasks):
                begin, processor = time.perf_counter(), time.process_time()
                worker.perform(index)
                wall.append(time.perf_counter() - begin)
                own.append(time.process_time() - processor)
        later = slice(1, None)
        print(
            f"process: {what}: {1000 * statistics.median(wall[later]):.1f} ms a task, of which "
            f"{1000 * statistics.median(own[later]):.1f} ms of processor (aim: under "
            f"{AIM_TASK_MS:.0f} ms); the first one of a process {wall[0]:.1f} s",
            flush=True,
        )


def threads(folder: Path, seconds: float, workers: int, rounds: int) -> None:
    """Print how well workers are used that are threads of this process."""
    run = prepared(folder / f"threads{workers}", seconds, workers * rounds)
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for index in range(workers * rounds):
        waiting.put(index)

    def work(name: str) -> None:
        # a record of its own, as every process reads it
        worker = Worker(RunRecord.read(run.record.directory), name)
        with contextlib.suppress(queue.Empty):
            while True:
                worker.perform(waiting.get_nowait())

    started = [threading.Thread(target=work, args=(f"thread-{i}",)) for i in range(workers)]

    def all_of_them() -> None:
        for thread in started:
            thread.start()
        for thread in started:
            thread.join()

    with quiet():
        wall = timed(all_of_them)
    show("threads", run.record, seconds, workers, wall)


# ------------------------------------------------------------------------------- the engines


def nothing(*_: object) -> None:
    """Do nothing."""


def ray(folder: Path, seconds: float, workers: int, rounds: int) -> None:
    """Print what tasks cost on a Ray of this machine."""
    import ray as engine

    from tvseg_bench.benchmark.execution.executors import ray_tasks

    options = parse_options("ray", {"gpus": 0})
    begin = time.perf_counter()
    engine.init(
        address="local",
        num_cpus=workers,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        object_store_memory=80 * 2**20,
    )
    up = time.perf_counter() - begin
    try:
        # every worker imports what it needs, and does a task
        warm = prepared(folder / "ray-warm", 0.5, 2 * workers, executor="ray")
        warming = timed(lambda: ray_tasks.execute(warm.record, options, warm.watch))
        idle = engine.remote(nothing)
        engine.get([idle.remote() for _ in range(NOTHINGS)])
        own = timed(lambda: engine.get([idle.remote() for _ in range(NOTHINGS)])) / NOTHINGS
        print(
            f"ray: started in {up:.1f} s, {workers} worker processes ready in {warming:.1f} s; "
            f"a task that does nothing {1000 * own:.2f} ms",
            flush=True,
        )
        run = prepared(folder / "ray", seconds, workers * rounds, executor="ray")
        wall = timed(lambda: ray_tasks.execute(run.record, options, run.watch))
        show("ray", run.record, seconds, workers, wall)
    finally:
        engine.shutdown()


def slurm(folder: Path, seconds: float, workers: int, rounds: int, cluster: str) -> None:
    """Print what tasks cost as jobs of submitit; each does several, one after the other."""
    import submitit

    from tvseg_bench.benchmark.execution.executors import slurm_arrays

    name = "slurm" if cluster == "slurm" else "slurm-local"
    given = {"cluster": cluster, "array_parallelism": workers, "jobs": workers, "time": "1h"}
    options = parse_options("slurm", given)
    executor = submitit.AutoExecutor(folder=folder / f"{name}-nothing", cluster=cluster)
    executor.update_parameters(timeout_min=5)

    def nothings() -> None:
        jobs = executor.map_array(nothing, range(workers))
        while not all(job.paths.result_pickle.exists() for job in jobs):
            time.sleep(0.05)

    own = timed(nothings)
    print(f"{name}: {workers} jobs that do nothing {own:.1f} s", flush=True)
    run = prepared(folder / name, seconds, workers * rounds, executor_options={"cluster": cluster})

    def all_of_them() -> None:
        record = slurm_arrays.submit(run.record, options)
        slurm_arrays.follow(record, run.watch, pause_s=0.1)

    wall = timed(all_of_them)
    show(name, run.record, seconds, workers, wall)


def show(name: str, record: RunRecord, seconds: float, workers: int, wall: float) -> None:
    """Print how well the workers were used."""
    found = usage(record, seconds, workers, wall)
    print(
        f"{name}: {workers} workers ({found.workers} had work), tasks of {seconds:g} s: "
        f"{wall:.1f} s, speed-up {found.whole * workers:.1f}, efficiency {found.whole:.3f}; "
        f"from each worker's second task on {found.later:.3f}, "
        f"{found.task_ms:.0f} ms a task beside the sleep; at that, tasks of 30 s have "
        f"{30 / (30 + max(found.task_ms, 0) / 1000):.3f} (aim {AIM_EFFICIENCY})",
        flush=True,
    )


# --------------------------------------------------------------------------------- the plan


def large_plan(folder: Path) -> None:
    """Print how long a large plan takes, and how much memory; in this process."""
    chosen = make_selection(
        {
            "model": [f"grid-model/{i:02d}" for i in range(30)],
            "protocol": list(GRID_PROTOCOLS),
            "dataset": [f"grid-data-{i}" for i in range(6)],
            "seeds": "0-4",
            "plugin": [str(PLUGIN)],
            "output": folder / "plan",
            "executor": "slurm",
        }
    )
    clock = [(time.perf_counter(), time.process_time())]
    plan = make_plan(chosen)
    clock.append((time.perf_counter(), time.process_time()))
    tasks = make_tasks(plan)
    clock.append((time.perf_counter(), time.process_time()))
    record = RunRecord.create(plan, tasks, None)
    clock.append((time.perf_counter(), time.process_time()))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    again = timed(lambda: RunRecord.read(record.directory).tasks)
    wall, own = (clock[-1][i] - clock[0][i] for i in (0, 1))
    steps = ", ".join(
        f"{what} {later[1] - first[1]:.1f} s"
        for what, first, later in zip(
            ("plan, torch imported before,", "tasks", "record"), clock, clock[1:], strict=False
        )
    )
    size = (record.directory / "tasks.jsonl").stat().st_size / 2**20
    print(
        f"plan: {len(plan.cells)} cells, {len(tasks)} tasks: {wall:.1f} s, {own:.1f} s of "
        f"processor ({steps}; aim {AIM_PLAN_S:g} s), peak {peak:.0f} MiB (aim {AIM_PLAN_MIB}); "
        f"the list of {size:.0f} MiB read by a worker in {again:.1f} s",
        flush=True,
    )


# ------------------------------------------------------------------------------------- main


@contextlib.contextmanager
def _slurm_for(workers: int, folder: Path) -> Iterator[bool]:
    """Start a Slurm of two nodes that hold so many workers; False where it is not installed."""
    if message := local_slurm.missing_programs():
        print(f"slurm: left out: {message}")
        yield False
        return
    with local_slurm.local_slurm(folder, nodes=2, cpus=-(-workers // 2)) as cluster:
        before = dict(os.environ)
        os.environ.update(cluster.environment)
        try:
            yield True
        finally:
            os.environ.clear()
            os.environ.update(before)


def measured(engine: str, folder: Path, arguments: argparse.Namespace) -> None:
    """Measure one engine with every number of workers."""
    if engine == "process":
        in_process(folder, arguments.tasks)
        return
    for workers in arguments.workers:
        place = folder / f"{engine}-{workers}"
        given = (place, arguments.seconds, workers, arguments.rounds)
        if engine == "threads":
            threads(*given)
        elif engine == "ray":
            ray(*given)
        elif engine == "slurm-local":
            slurm(*given, cluster="local")
        else:
            with _slurm_for(workers, folder / "s") as there:
                if there:
                    slurm(*given, cluster="slurm")


def _installed(engine: str) -> bool:
    """Return whether an engine's package is there, and say so where it is not."""
    package = {"ray": "ray", "slurm": "submitit", "slurm-local": "submitit"}.get(engine)
    try:
        if package is not None:
            __import__(package)
    except ImportError:
        print(f"{engine}: left out: there is no package {package}")
        return False
    return True


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--plan", action="store_true", help="the large plan alone")
    parser.add_argument(
        "--engine", nargs="+", choices=ENGINES, help="these alone; default: all, and the plan"
    )
    parser.add_argument("--workers", type=int, nargs="+", default=[2])
    parser.add_argument("--seconds", type=float, default=1.0, help="a task sleeps so long")
    parser.add_argument("--rounds", type=int, default=4, help="tasks of each worker")
    parser.add_argument("--tasks", type=int, default=200, help="tasks in this process")
    chosen = parser.parse_args(arguments)
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    # a short path: the names of Slurm's sockets are bounded
    with tempfile.TemporaryDirectory(prefix="scale") as scratch:
        os.environ["TVSEG_HOME"] = str(Path(scratch) / "home")
        if chosen.plan:
            large_plan(Path(scratch))
            return
        for engine in chosen.engine or ENGINES:
            if _installed(engine):
                measured(engine, Path(scratch), chosen)
        if not chosen.engine:  # in a process of its own: the peak is that of the process
            subprocess.run([sys.executable, __file__, "--plan"], check=True)


if __name__ == "__main__":
    main()
