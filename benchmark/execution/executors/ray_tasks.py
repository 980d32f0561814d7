"""`ray`: tasks of a Ray cluster, a running one or one that is started on this machine.

Ray places tasks, waits for their inputs and starts them again where a worker or a node dies. What
passes between tasks is what became of them, a few words; features and results go through the
shared folders.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvseg_bench.benchmark.errors import MissingExtraError, UsageError
from tvseg_bench.benchmark.execution.run_record import RunRecord, load_registries
from tvseg_bench.benchmark.execution.worker import TaskOutcome, Worker

if TYPE_CHECKING:
    from tvseg_bench.benchmark.execution.executors.options import ExecutorOptions
    from tvseg_bench.benchmark.execution.executors.remote import Watch
    from tvseg_bench.benchmark.execution.tasks import Task

PASSED_ON = ("TVSEG_HOME", "TVSEG_DATA", "TVSEG_CACHE_LIMIT", "PYTHONPATH")
"""Variables of the environment that workers get from where the run is typed."""

REACHED_WITHIN_S = 5.0
"""A cluster that does not answer for so long is not there."""

_workers: dict[str, Worker] = {}


def check(options: ExecutorOptions) -> None:
    """Find out, before anything is written, whether there is Ray and the cluster that is meant.

    Raises:
        MissingExtraError: the package is not installed.
        UsageError: `RAY_ADDRESS` names a cluster that does not answer.
    """
    try:
        import ray  # noqa: F401
    except ImportError:
        raise MissingExtraError("ray", "ray", "--executor ray") from None
    address = str(options.engine.get("address") or os.environ.get("RAY_ADDRESS") or "")
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        try:
            socket.create_connection((host, int(port)), REACHED_WITHIN_S).close()
        except OSError as error:
            raise UsageError(
                f"no Ray cluster answers at {address} ({error.strerror or error}); start one with "
                "`ray start --head`, or unset RAY_ADDRESS to use this machine alone"
            ) from None


def execute(record: RunRecord, options: ExecutorOptions, watch: Watch) -> None:
    """Run all tasks and wait for them.

    Raises:
        UsageError: Ray cannot be started or reached.
    """
    import ray

    with _connected(options):
        perform = ray.remote(_perform)
        resources = _resources(record, options)
        refs: list[Any] = []
        for index, task in enumerate(record.tasks):
            needed = resources if task.kind != "reduce" else {**resources, "num_gpus": 0}
            wanted = [refs[i] for i in task.after]
            call = perform.options(
                name=task.label,
                max_retries=options.retries,
                scheduling_strategy="SPREAD",
                **needed,
            )
            refs.append(call.remote(str(record.directory), index, *wanted))
        position = {ref: i for i, ref in enumerate(refs)}
        pending = refs
        while pending:
            ready, pending = ray.wait(pending, num_returns=min(len(pending), 100), timeout=1.0)
            for ref in ready:
                watch.outcome(_outcome(ref, position[ref], record.tasks))


def _perform(directory: str, index: int, *after: TaskOutcome) -> TaskOutcome:
    """Do one task in a worker of Ray; the outcomes of those before it only make it wait."""
    try:
        if directory not in _workers:
            _workers.clear()
            record = RunRecord.read(Path(directory))
            load_registries(record.content.registries)
            _workers[directory] = Worker(record, f"ray-{os.getpid()}-{os.urandom(3).hex()}")
        return _workers[directory].run([index])[0]
    except Exception as error:  # the outcome must never hide those that wait for it
        return TaskOutcome(index, "failed", reason=f"{error}".replace("\n", " "))


def _outcome(ref: Any, index: int, tasks: list[Task]) -> TaskOutcome:
    """Return what became of a task, also where Ray gave up on it."""
    import ray

    try:
        found: TaskOutcome = ray.get(ref)
    except ray.exceptions.RayError as error:
        first = str(error).strip().splitlines()[0]
        return TaskOutcome(
            index,
            "failed",
            reason=f"Ray gave up on it ({type(error).__name__}: {first}); type the same command "
            "again to go on",
        )
    return found


def _resources(record: RunRecord, options: ExecutorOptions) -> dict[str, Any]:
    """Return what a task asks of the cluster.

    Raises:
        UsageError: no node has so much.
    """
    import ray

    offered: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    gpus = options.gpus
    if gpus is None:
        on_cpu = record.selection.device == "cpu"
        gpus = 0.0 if on_cpu or not offered.get("GPU") else 1.0
    cpus = options.cpus or 1
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    for name, asked in (("CPU", cpus), ("GPU", gpus)):
        most = max((node["Resources"].get(name, 0) for node in nodes), default=0)
        if asked > most:
            raise UsageError(
                f"--{name.lower()}s {asked:g} is more than any node of the Ray cluster has "
                f"({most:g}); ask for less"
            )
    found: dict[str, Any] = {"num_cpus": cpus, "num_gpus": gpus}
    if options.memory_bytes is not None:
        found["memory"] = options.memory_bytes
    return found


@contextmanager
def _connected(options: ExecutorOptions) -> Iterator[None]:
    """Be connected to a cluster; one that is there already, as in a notebook, is used and kept."""
    import ray

    if ray.is_initialized():
        yield
        return
    # A reduction asks for no GPU; what is missing it computes on the device of all others.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    variables = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    given = {"log_to_driver": False, "logging_level": logging.ERROR, **options.engine}
    try:
        ray.init(runtime_env={"env_vars": variables}, **given)
    except Exception as error:  # Ray raises many kinds
        first = str(error).strip().splitlines()[0]
        raise UsageError(f"Ray cannot be started or reached: {first}") from None
    try:
        yield
    finally:
        ray.shutdown()
