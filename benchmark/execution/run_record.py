"""What a run over several processes leaves beside its results: who does what, and how it goes.

    RUN/execution/<id>/run.json        what was asked for, by which suite, where it was submitted
                       tasks.jsonl     one task a line
                       events/*.jsonl  what became of them; every worker writes a file of its own
                       logs/           what the engine and the workers print

Nothing here is part of a result. The folder is what all machines share.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import secrets
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timezone
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.execution.plan import Plan, weights_for
from tvseg_bench.benchmark.execution.selection import Selection, expand
from tvseg_bench.benchmark.execution.tasks import Task
from tvseg_bench.benchmark.paths import PACKAGE
from tvseg_bench.benchmark.registry import models
from tvseg_bench.benchmark.results.result import format_validation_error
from tvseg_bench.benchmark.results.result_file import atomic_write
from tvseg_bench.benchmark.results.text import FilePart
from tvseg_bench.benchmark.version import __version__

FOLDER = "execution"
TaskState = Literal["started", "done", "kept", "failed"]
"""kept: what the task gives was there already."""

_REGISTERING = tuple(f"tvseg_bench.{name}" for name in ("benchmark.data", "models", "protocols"))
"""Modules that fill the registries when they are imported; whoever runs the suite has done so."""
_SELECTION = TypeAdapter(Selection)
_TASKS = TypeAdapter(Task)
_TASK_FIELDS = tuple(f.name for f in fields(Task))


class Suite(FilePart):
    """The code that planned a run."""

    version: str
    code_sha256: str
    """Over the source of the package."""


class Jobs(FilePart):
    """A stage of tasks as a job array of an engine."""

    stage: str
    job: str
    """The engine's id."""
    tasks: tuple[tuple[int, ...], ...]
    """Positions of the tasks of each member of the array."""


class RunFile(FilePart):
    """The content of run.json."""

    schema_: Literal["tvseg-bench/execution@1"] = Field(
        default="tvseg-bench/execution@1", alias="schema"
    )
    id: str
    created: str
    """ISO 8601, UTC."""
    executor: str
    suite: Suite
    folder: str
    """Where the run was typed: what paths in it are relative to."""
    selection: dict[str, Any]
    command: tuple[str, ...] | None = None
    registries: tuple[str, ...]
    """Modules that register what is built in."""
    revisions: dict[str, str]
    """Model -> revision, of those that were there."""
    manifests: dict[str, str]
    """Data set as typed -> manifest."""
    jobs: tuple[Jobs, ...] = ()


@dataclass(frozen=True)
class TaskEvent:
    """What a worker says of a task."""

    task: int
    state: TaskState
    at: str
    """ISO 8601, UTC."""
    worker: str
    cell_id: str = ""
    reason: str = ""


@dataclass(frozen=True)
class RunRecord:
    """A run over several processes, as any machine that sees its folder reads it."""

    directory: Path
    """RUN/execution/<id>."""
    content: RunFile

    @classmethod
    def create(
        cls,
        plan: Plan,
        tasks: Sequence[Task],
        command: Sequence[str] | None,
    ) -> RunRecord:
        """Write the record of a run below its output folder.

        Raises:
            ResultError: the folder cannot be written.
        """
        selection = _absolute(plan)
        now = datetime.now(timezone.utc)
        name = f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
        directory = selection.output / FOLDER / name
        content = RunFile(
            id=name,
            created=now.isoformat(timespec="seconds"),
            executor=selection.executor,
            suite=own_suite(),
            folder=str(Path.cwd()),
            selection=_SELECTION.dump_python(selection, mode="json"),
            command=None if command is None else tuple(command),
            registries=filled_registries(),
            revisions={c.model: c.card.revision for c in plan.cells},
            manifests={
                c.source: c.dataset.manifest_sha256 for c in (*plan.cells, *plan.elsewhere)
            },
        )
        lines = "".join(json.dumps(_plain(task), separators=(",", ":")) + "\n" for task in tasks)
        atomic_write(directory / "tasks.jsonl", lines.encode())
        record = cls(directory, content)
        record.write()
        return record

    @classmethod
    def read(cls, directory: Path) -> RunRecord:
        """Read a record.

        Raises:
            UsageError: there is none, or none of this version.
        """
        path = directory / "run.json"
        try:
            content = RunFile.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise UsageError(
                f"{directory} cannot be seen from here; a run over several machines needs a "
                "folder that all of them share: choose one with -o"
            ) from None
        except (OSError, ValidationError) as error:
            raise _unreadable(path, error) from None
        return cls(directory, content)

    def with_jobs(self, jobs: Sequence[Jobs]) -> RunRecord:
        """Write which jobs of the engine do the tasks."""
        record = RunRecord(self.directory, self.content.model_copy(update={"jobs": tuple(jobs)}))
        record.write()
        return record

    def write(self) -> None:
        """Write run.json, which makes the record readable."""
        text = self.content.model_dump_json(by_alias=True, indent=1) + "\n"
        atomic_write(self.directory / "run.json", text.encode())

    @cached_property
    def selection(self) -> Selection:
        """What was asked for, with absolute paths."""
        return _SELECTION.validate_json(json.dumps(self.content.selection))

    @cached_property
    def tasks(self) -> list[Task]:
        """The tasks, in order."""
        path = self.directory / "tasks.jsonl"
        try:
            with path.open("rb") as file:
                return [_TASKS.validate_json(line) for line in file]
        except (OSError, ValidationError) as error:
            raise _unreadable(path, error) from None

    @property
    def output(self) -> Path:
        """The folder of results."""
        return self.directory.parent.parent

    @property
    def logs(self) -> Path:
        """The folder of what the engine and the workers print."""
        return self.directory / "logs"

    @property
    def parts(self) -> Path:
        """The folder of parts: shared by all runs into a folder, but of a forced run its own."""
        return (self.directory if self.selection.force else self.output) / "parts"

    def latest(self) -> Mapping[int, TaskEvent]:
        """Return the last event of each task that has any; what is done stays done."""
        return EventReader(self).latest()

    def check_suite(self) -> None:
        """Refuse to go on with other code than the run was planned with.

        Raises:
            UsageError: naming both.
        """
        here, there = own_suite(), self.content.suite
        if here != there:
            differ = (
                f"version {here.version} here, {there.version} there"
                if here.version != there.version
                else f"version {here.version}, but its code differs"
            )
            raise UsageError(
                f"this machine has another tvseg-bench than the one that planned the run "
                f"{self.content.id} ({differ}); install one version everywhere, then type the "
                "same command again"
            )


def _unreadable(path: Path, error: OSError | ValidationError) -> UsageError:
    why = format_validation_error(error) if isinstance(error, ValidationError) else error
    return UsageError(
        f"{path} cannot be read as that of a run: {why}; move {path.parent} away and type the "
        "command of the run again, which goes on with what is not done"
    )


class EventLog:
    """Appends events to the file of one worker.

    Args:
        worker: a name that no other process uses at the same time.
    """

    def __init__(self, record: RunRecord, worker: str) -> None:
        self._path = record.directory / "events" / f"{worker}.jsonl"
        self._path.parent.mkdir(parents=True, exist_ok=True)

    def say(self, task: int, state: TaskState, cell_id: str = "", reason: str = "") -> None:
        """Append one event, in one write; where the disk is full it is lost, and no result is."""
        event = {"task": task, "state": state, "at": _now()}
        if cell_id:
            event["cell_id"] = cell_id
        if reason:
            event["reason"] = reason
        line = json.dumps(event, separators=(",", ":")) + "\n"
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        except OSError:
            return
        try:
            os.write(descriptor, line.encode())
        except OSError:
            pass
        finally:
            os.close(descriptor)


class EventReader:
    """Reads what all workers said; what was read once is not read again."""

    def __init__(self, record: RunRecord) -> None:
        self._folder = record.directory / "events"
        self._read: dict[Path, int] = {}
        """Bytes of each file, up to the end of a line."""
        self._latest: dict[int, TaskEvent] = {}

    def latest(self) -> Mapping[int, TaskEvent]:
        """Return the last event of each task that has any; what is done stays done."""
        for event in self.new():
            old = self._latest.get(event.task)
            if old is None or (old.state not in ("done", "kept") and old.at <= event.at):
                self._latest[event.task] = event
        return self._latest

    def new(self) -> Iterator[TaskEvent]:
        """Yield what came since the last look, file by file; a line in the making is left out."""
        for path in sorted(self._folder.glob("*.jsonl")):
            with path.open("rb") as file:
                file.seek(self._read.get(path, 0))
                for line in file:
                    if line.endswith(b"\n"):
                        self._read[path] = self._read.get(path, 0) + len(line)
                        try:
                            event = TaskEvent(worker=path.stem, **json.loads(line))
                        except (ValueError, TypeError):  # a torn line says nothing
                            continue
                        yield event


def filled_registries() -> tuple[str, ...]:
    """Return the modules that filled the registries of this process."""
    return tuple(name for name in _REGISTERING if name in sys.modules)


def load_registries(names: Iterable[str]) -> None:
    """Fill the registries of this process as those where a run was typed.

    Args:
        names: what `filled_registries` gave there.
    """
    for name in names:
        if name in _REGISTERING:
            importlib.import_module(name)


@cache
def own_suite() -> Suite:
    """Return version and code of the suite in this process."""
    digest = hashlib.sha256()
    for path in sorted(_sources()):
        digest.update(str(path.relative_to(PACKAGE)).encode() + b"\0" + path.read_bytes())
    return Suite(version=__version__, code_sha256=digest.hexdigest())


def _sources() -> Iterator[Path]:
    yield from PACKAGE.glob("*.py")
    for folder in ("benchmark", "protocols", "models", "leaderboards"):
        yield from (PACKAGE / folder).rglob("*.py")


def _absolute(plan: Plan) -> Selection:
    """Return the selection with paths that mean the same in every folder."""
    selection = plan.selection
    root, saved = selection.data_root, selection.save_predictions
    given = {model: weights_for(model, selection) for model in expand(selection.model, models)}
    return replace(
        selection,
        output=selection.output.absolute(),
        data_root=None if root is None else root.absolute(),
        save_predictions=None if saved is None else saved.absolute(),
        plugin=tuple(str(Path(file).absolute()) for file in selection.plugin),
        weights={m: path.absolute() for m, path in given.items() if path is not None},
    )


def _plain(task: Task) -> dict[str, Any]:
    """Return a task without the fields that hold their defaults."""
    values = ((name, getattr(task, name)) for name in _TASK_FIELDS)
    return {name: value for name, value in values if value}


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")
