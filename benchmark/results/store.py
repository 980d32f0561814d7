"""The folder of a run: `results/<cell_id>.json`, with the rows in `samples/<cell_id>.jsonl`.

The result file is the commit mark of its cell: it is written last and in one move, so a killed
run has finished cells and cells that never were. Nothing finished is ever overwritten or deleted;
what has to make room is renamed to `<name>.<n>.old`, which no reader takes for a result.
"""

from __future__ import annotations

import hashlib
import os
from itertools import count
from pathlib import Path

from tvseg_bench.benchmark.results import result_file
from tvseg_bench.benchmark.results.samples import is_samples_of, read_samples, samples_text
from tvseg_bench.benchmark.results.schema import Result, Samples, comparable_fields
from tvseg_bench.benchmark.results.text import ResultError
from tvseg_bench.benchmark.types import Score, UnitScore


class ResultStore:
    """Results of one output folder; folders are made when something is written.

    Args:
        directory: the folder that `--output` names.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.results = directory / "results"
        self.samples = directory / "samples"

    def result_path(self, cell_id: str) -> Path:
        """Return where the result of a cell stands."""
        return self.results / f"{cell_id}.json"

    def samples_path(self, cell_id: str) -> Path:
        """Return where the rows of a cell stand."""
        return self.samples / f"{cell_id}.jsonl"

    def finished(self, cell_id: str) -> Result | None:
        """Return the result of a cell that needs no more work (`ok` or `skipped`), else None.

        A file that cannot be read as a result is not finished; it is kept when the cell is
        written again.

        Raises:
            NewerSchemaError: if a later version of the suite wrote it.
        """
        found = self._existing(cell_id)
        return None if found is None or found.status == "failed" else found

    def done(self, cell_id: str) -> bool:
        """Return whether a cell needs no more work."""
        return self.finished(cell_id) is not None

    def read(self, cell_id: str) -> Result:
        """Return a finished result.

        Raises:
            ResultError: if there is none, or naming file and field if it is damaged.
        """
        return result_file.read_result(self.result_path(cell_id)).result

    def read_samples(
        self, cell_id: str, *, frames: bool = True
    ) -> tuple[list[UnitScore], list[UnitScore]]:
        """Return the rows of clips and of frames of a cell.

        Raises:
            ResultError: naming file and line.
        """
        return read_samples(self.samples_path(cell_id), cell_id, frames=frames)

    def write(self, result: Result, score: Score | None = None, *, force: bool = False) -> Result:
        """Write a cell as it ends: rows first, then the result, which commits both.

        A failed cell is replaced. A finished one is kept if the numbers are the same, and a
        failure never takes its place; else `force` is needed, which renames the old files and
        writes the new ones.

        Returns:
            The result as it stands in the file, which also names its rows; the failure itself
            where it was not written.

        Raises:
            ResultError: if the cell is finished with other numbers, or nothing can be written.
        """
        cell = result.cell_id
        text = None if score is None else samples_text(cell, score).encode("utf-8")
        if text is not None and score is not None:
            result = result.model_copy(update={"samples": _samples(text, score)})
        in_the_way = os.path.lexists(self.result_path(cell))  # asked first: others may write now
        old = self._existing(cell)
        finished = old is not None and old.status != "failed"
        if finished and result.status == "failed":
            return result
        if old is not None and finished and not force:
            if comparable_fields(old) == comparable_fields(result):
                return old
            raise ResultError(
                f"{self.result_path(cell)} is finished with other numbers; "
                "type --force to keep both, the old file renamed"
            )
        if finished or (in_the_way and old is None):
            back_up(self.result_path(cell))
        if text is not None:
            rows = self.samples_path(cell)
            if os.path.lexists(rows) and (force or not is_samples_of(rows, cell)):
                back_up(rows)
            result_file.atomic_write(self.samples_path(cell), text)
        result_file.atomic_write(self.result_path(cell), result.to_json().encode("utf-8"))
        return result

    def load_all(self) -> tuple[list[result_file.ResultFile], list[result_file.Problem]]:
        """Return every result by name, and what is wrong with the files that are none."""
        found, problems = [], []
        for path in sorted(self.results.glob("*.json")):
            if path.name.startswith("."):
                continue
            try:
                found.append(result_file.read_result(path))
            except ResultError as error:
                problems.append(result_file.Problem(path.name, str(error)))
        return found, problems

    def _existing(self, cell_id: str) -> Result | None:
        """Return what stands in the place of a cell, None if it is not a result of the suite."""
        path = self.result_path(cell_id)
        if not path.is_file():
            return None
        try:
            result = result_file.read_result(path).result
        except result_file.NewerSchemaError:
            raise
        except ResultError:
            return None
        return result if result.cell_id == cell_id else None


def back_up(path: Path) -> Path | None:
    """Rename a file that is in the way to the first free `<name>.<n>.old`; None if none is."""
    if not path.is_symlink() and not path.exists():
        return None
    for n in count(1):
        aside = path.with_name(f"{path.name}.{n}.old")
        if not aside.is_symlink() and not aside.exists():
            return path.rename(aside)
    raise AssertionError("unreachable: count() does not end")


def _samples(text: bytes, score: Score) -> Samples:
    return Samples(
        sha256=hashlib.sha256(text).hexdigest(),
        n_clips=len(score.clips),
        n_frames=len(score.frames),
        resample=score.resample,
    )
