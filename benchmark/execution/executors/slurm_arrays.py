"""`slurm`: job arrays through submitit, one array a stage, each after the one before.

A job does several tasks one after the other. Where it runs out of time or is preempted it is
queued again and goes on with what is not done; where it fails, the next stage starts all the same
and computes what is missing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvseg_bench.benchmark.errors import MissingExtraError, UsageError
from tvseg_bench.benchmark.execution.executors.slurm_queue import (
    JobState,
    explained,
    job_states,
    most_members,
    slurm_prints,
)
from tvseg_bench.benchmark.execution.run_record import (
    EventReader,
    Jobs,
    RunRecord,
    load_registries,
)
from tvseg_bench.benchmark.execution.tasks import STAGES, Task
from tvseg_bench.benchmark.execution.worker import TaskOutcome, Worker
from tvseg_bench.benchmark.results.text import ResultError

if TYPE_CHECKING:
    import submitit

    from tvseg_bench.benchmark.execution.executors.options import ExecutorOptions
    from tvseg_bench.benchmark.execution.executors.remote import Watch

POLL_S = 5.0
"""Between two looks at a run that is followed."""


@dataclass(frozen=True)
class ArrayJob:
    """What a member of an array does; can be queued again at any time."""

    directory: str

    def __call__(self, tasks: tuple[int, ...]) -> list[TaskOutcome]:
        """Do tasks; those that are done are passed over."""
        record = RunRecord.read(Path(self.directory))
        load_registries(record.content.registries)
        job = os.environ.get("SLURM_ARRAY_JOB_ID") or os.environ.get("SLURM_JOB_ID")
        member = os.environ.get("SLURM_ARRAY_TASK_ID", "0")
        name = f"slurm-{job}_{member}" if job else f"local-{os.getpid()}-{os.urandom(3).hex()}"
        return Worker(record, name).run(tasks)

    def checkpoint(self, tasks: tuple[int, ...]) -> submitit.helpers.DelayedSubmission:
        """Return what is queued again: the same tasks."""
        import submitit

        return submitit.helpers.DelayedSubmission(self, tasks)


def check(options: ExecutorOptions) -> None:
    """Find out, before anything is written, whether jobs can be submitted from here.

    Raises:
        MissingExtraError: the package is not installed.
        UsageError: there is no Slurm here.
    """
    try:
        import submitit  # noqa: F401
    except ImportError:
        raise MissingExtraError("submitit", "slurm", "--executor slurm") from None
    if cluster_of(options) == "slurm" and slurm_prints(["sinfo", "--version"]) is None:
        raise UsageError(
            "--executor slurm: there is no `sbatch` here; type it on a login node of a cluster, "
            "or try the same without one by --executor-option cluster=local"
        )


def submit(record: RunRecord, options: ExecutorOptions) -> RunRecord:
    """Submit all tasks and return the record with the ids of the jobs.

    Raises:
        UsageError: Slurm refuses them, with its reason.
    """
    cluster, done = cluster_of(options), list[Jobs]()
    if cluster == "slurm":
        most = min(options.jobs, most_members())
    else:  # submitit starts all of them at once
        most = options.array_parallelism or os.cpu_count() or 1
    for stage in STAGES:
        chosen = [i for i, task in enumerate(record.tasks) if task.kind == stage]
        if not chosen:
            continue
        members = divided(chosen, record.tasks, most)
        after = done[-1].job if done else None
        jobs = _submit_array(record, options, stage, members, after)
        done.append(Jobs(stage=stage, job=jobs[0].job_id.partition("_")[0], tasks=tuple(members)))
        record = record.with_jobs(done)
        if cluster != "slurm":
            for job in jobs:
                job.wait()
    return record


def divided(chosen: Sequence[int], tasks: Sequence[Task], most: int) -> list[tuple[int, ...]]:
    """Divide tasks in a row into at most so many jobs of about equally many frames."""
    if len(chosen) <= most:
        return [(i,) for i in chosen]
    weights = [1 + tasks[i].frames for i in chosen]
    share = sum(weights) / most
    jobs: list[list[int]] = [[]]
    held = 0.0
    for i, weight in zip(chosen, weights, strict=True):
        if jobs[-1] and held + weight / 2 > share * len(jobs) and len(jobs) < most:
            jobs.append([])
        jobs[-1].append(i)
        held += weight
    return [tuple(job) for job in jobs]


def _submit_array(
    record: RunRecord,
    options: ExecutorOptions,
    stage: str,
    members: Sequence[tuple[int, ...]],
    after: str | None,
) -> list[submitit.Job[Any]]:
    gpus = 0 if stage == "reduce" else options.gpus
    executor = job_executor(
        record.logs,
        options,
        name=f"tvseg-{stage}",
        gpus_per_node=None if gpus is None else int(gpus),
        slurm_array_parallelism=options.array_parallelism or len(members),
        dependency=None if after is None else f"afterany:{after}",
    )
    try:
        return executor.map_array(ArrayJob(str(record.directory)), members)
    except OSError as error:
        raise ResultError(f"{record.logs} cannot be written: {error.strerror}") from None
    except Exception as error:
        raise UsageError(
            f"Slurm refuses the jobs of the stage {stage!r}: {refusal(error)}; what is done stays "
            "done, and the same command goes on"
        ) from None


def job_executor(
    folder: Path, options: ExecutorOptions, dependency: str | None = None, **wanted: Any
) -> submitit.AutoExecutor:
    """Return what submits jobs with the resources of the options.

    Args:
        folder: of scripts and logs.
        dependency: what a job waits for, as `sbatch` has it.
        wanted: further parameters of submitit, and those that differ from the options; None =
            left to Slurm.
    """
    import submitit

    executor = submitit.AutoExecutor(
        folder=folder, cluster=cluster_of(options), slurm_max_num_timeout=options.retries
    )
    extra = {key: value for key, value in options.engine.items() if key not in _OURS}
    if dependency is not None:
        typed = extra.get("dependency")
        extra["dependency"] = f"{typed},{dependency}" if typed else dependency
    parameters = {
        "timeout_min": options.minutes,
        "cpus_per_task": options.cpus,
        "mem_gb": None if options.memory_bytes is None else options.memory_bytes / 2**30,
        "slurm_partition": options.partition,
        "slurm_additional_parameters": extra,
        "slurm_setup": list(options.engine.get("setup", ())) or None,
        **wanted,
    }
    executor.update_parameters(**{k: v for k, v in parameters.items() if v is not None})
    return executor


_OURS = ("cluster", "setup")
"""Options that no `sbatch` sees."""


def cluster_of(options: ExecutorOptions) -> str:
    """Return submitit's name of the cluster: `slurm`, or `local` for processes of this machine."""
    return str(options.engine.get("cluster", "slurm"))


def refusal(error: Exception) -> str:
    """Return what sbatch says, on one line."""
    text = str(error)
    said = [line for line in text.splitlines() if "error:" in line]
    return (said[-1].partition("error:")[2] if said else text).strip().replace("\n", " ")


def follow(record: RunRecord, watch: Watch, pause_s: float = POLL_S) -> None:
    """Stay until Slurm does nothing more with the jobs of a run; pass on what becomes of it."""
    ids = {jobs.job for jobs in record.content.jobs}
    events = EventReader(record)
    on_slurm = record.selection.executor_options.get("cluster", "slurm") == "slurm"
    while True:
        states = job_states() if on_slurm else {}  # asked first: what ends now is seen below
        for index, event in sorted(events.latest().items()):
            if event.state != "started":
                watch.outcome(TaskOutcome(index, event.state, event.cell_id, event.reason))
        going_on = states is None or any(
            job in ids and not state.ended for (job, _), state in states.items()
        )
        if not watch.waiting:
            return
        if not going_on:
            _give_up(record, watch, states or {})
            return
        time.sleep(pause_s)


def _give_up(record: RunRecord, watch: Watch, states: Mapping[tuple[str, int], JobState]) -> None:
    """Pass on that tasks were not done although their jobs have ended."""
    for jobs in record.content.jobs:
        for member, tasks in enumerate(jobs.tasks):
            state = states.get((jobs.job, member))
            why = "" if state is None else f" ({state.state}, {explained(state)})"
            reason = (
                f"its job {jobs.job}_{member} has ended without doing it{why}; the logs are in "
                f"{record.logs}; the same command goes on"
            )
            for index in tasks:
                watch.outcome(TaskOutcome(index, "failed", reason=reason))
