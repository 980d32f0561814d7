"""What a report shows: tables of results, the images that the runs recorded, and which clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.errors import UsageError, did_you_mean
from tvseg_bench.benchmark.recording.reader import RecordedCell, RecordedClip, Recording
from tvseg_bench.benchmark.results.result_file import Problem, read_result
from tvseg_bench.benchmark.results.samples import read_samples
from tvseg_bench.benchmark.results.schema import Result
from tvseg_bench.benchmark.results.text import ResultError
from tvseg_bench.benchmark.types import UnitScore
from tvseg_bench.leaderboards.board import Board, BoardTable, make_board
from tvseg_bench.leaderboards.board_keys import RowKey
from tvseg_bench.leaderboards.load import LoadedResults, Measurement, load
from tvseg_bench.leaderboards.rows import BoardRow, run_folder, samples_path
from tvseg_bench.leaderboards.summary import ordered

_WITHOUT = "No images were recorded of these cells; run them again with --keep 12 --force."
MOST_MODELS = 6
"""Models whose images stand below each other; the best ones."""


@dataclass(frozen=True)
class ReportedModel:
    """One model in one table: its row, its first result, and what was recorded of it."""

    row: BoardRow
    result: Result
    path: Path
    cell: RecordedCell
    recording: Recording | None
    family: list[ReportedModel] = field(default_factory=list, repr=False, compare=False)
    """The same model, shown the same pixels of the same data, under every protocol."""

    @property
    def name(self) -> str:
        """Return the model's name."""
        return self.row.key.model

    @cached_property
    def rows(self) -> list[UnitScore]:
        """Return the rows of the clips and of the frames, none where they are not at hand."""
        path = samples_path(self.path, self.result.cell_id)
        if self.result.samples is None or path is None:
            return []
        try:
            clips, frames = read_samples(path, self.result.cell_id, frames=True)
        except ResultError:
            return []  # the board has named it
        return [*clips, *frames]

    @property
    def clip_rows(self) -> list[UnitScore]:
        """Return the rows of the clips."""
        return [row for row in self.rows if row.frame is None]

    def clip(self, name: str) -> RecordedClip | None:
        """Return what was recorded of a clip."""
        clips = self.recording.clips if self.recording is not None else ()
        return next((clip for clip in clips if clip.clip == name), None)

    def colours(self, clip: RecordedClip) -> NDArray[np.uint8] | None:
        """Return the features of a clip as colours [T, rows, cols, 3], None without a recording.

        Clusterings of single frames have no basis that serves the clip; that of another protocol
        which was shown the same is theirs too.
        """
        for shown in (self, *self.family):
            own = shown.clip(clip.clip)
            if own is None or (own.frames, own.grid) != (clip.frames, clip.grid):
                continue
            try:
                found = shown.cell.pca(own)
            except ResultError:
                if shown is self:
                    raise
                continue  # where it belongs it is named
            if found is not None:
                return found
        return None


@dataclass(frozen=True)
class SelectedClip:
    """A clip that is shown, and why."""

    name: str
    why: str


@dataclass(frozen=True)
class Section:
    """One table of the board, with its models and the clips that are shown."""

    table: BoardTable
    models: tuple[ReportedModel, ...]
    """All of them, best first."""
    illustrated: tuple[ReportedModel, ...] = ()
    clips: tuple[SelectedClip, ...] = ()
    without: str = ""
    """Why there are no drawing."""


@dataclass
class ReportContent:
    """Everything that a page is made of."""

    board: Board
    sections: list[Section] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    partial: bool = False
    compare: tuple[str, str] | None = None


def gather(folders: Sequence[Path], compare: tuple[str, str] | None = None) -> ReportContent:
    """Read results and recorded images below the folders.

    Where there are results of the first clips only (`--limit`) and no others, those are shown.

    Args:
        compare: two models, where only they are shown.

    Raises:
        UsageError: no result, a model that is in none, or a pair with no table in common.
    """
    loaded = load(folders)
    partial = not loaded.measurements
    if partial:
        loaded = load(folders, partial=True)
    if not loaded.measurements:
        problems = f" ({loaded.problems[0]})" if loaded.problems else ""
        why = f": {loaded.left_out[0]}" if loaded.left_out else problems
        raise UsageError(
            f"{', '.join(map(str, folders))} holds no results to show{why}; "
            f"type: tvseg-bench run --output {folders[0]}"
        )
    if compare is not None:
        _only_pair(loaded, compare)
    board = make_board(loaded)
    material = ReportContent(
        board, problems=list(board.problems), partial=partial, compare=compare
    )
    measured: dict[tuple[object, RowKey], Measurement] = {}
    families: dict[tuple[RowKey, str, str, str], list[ReportedModel]] = {}
    for m in loaded.measurements:
        measured.setdefault((m.table, m.row), m)
    for table in ordered(board.tables):
        rows = next(iter(table.metrics.values())).rows
        if compare is not None and len({row.key.model for row in rows}) < 2:
            continue
        found = []
        for row in rows:
            m = measured[table.key, row.key]
            seen = (row.key, m.table.dataset_label, m.table.manifest_sha256, m.table.resolution)
            found.append(_shown(row, m, material.problems, families.setdefault(seen, [])))
        material.sections.append(_section(table, found, compare))
    if not material.sections:
        raise UsageError(
            f"{' and '.join(compare or ())} have no table in common; evaluate both by the same "
            "protocol on the same data"
        )
    return material


def _only_pair(loaded: LoadedResults, pair: tuple[str, str]) -> None:
    names = sorted({m.row.model for m in loaded.measurements})
    for name in pair:
        if name not in names:
            raise UsageError(did_you_mean("model of these runs", name, names))
    if pair[0] == pair[1]:
        raise UsageError(f"--compare needs two models, and both are {pair[0]}")
    loaded.measurements = [m for m in loaded.measurements if m.row.model in pair]


def _shown(
    row: BoardRow, measured: Measurement, problems: list[Problem], family: list[ReportedModel]
) -> ReportedModel:
    cell = RecordedCell(run_folder(measured.path), measured.cell_id)
    recording = None
    if cell.exists:
        try:
            recording = cell.read()
        except ResultError as error:
            problems.append(Problem(measured.file, f"its images are not shown: {error}"))
    result = read_result(measured.path).result
    shown = ReportedModel(row, result, measured.path, cell, recording, family)
    family.append(shown)
    return shown


def _section(
    table: BoardTable, models: Sequence[ReportedModel], compare: tuple[str, str] | None
) -> Section:
    recorded = [m for m in models if m.recording is not None]
    if not recorded:
        return Section(table, tuple(models), without=_WITHOUT)
    if compare is not None:
        recorded.sort(key=lambda m: compare.index(m.name))
    illustrated = recorded[:MOST_MODELS]
    scores = _scores(illustrated)
    if not scores:
        why = "No clip was recorded of every model; run them with a larger --keep."
        return Section(table, tuple(models), without=why)
    clips = (
        _extremes(scores) if compare is None or len(illustrated) != 2 else _apart(scores, compare)
    )
    return Section(table, tuple(models), tuple(illustrated), tuple(clips))


def _scores(models: Sequence[ReportedModel]) -> dict[str, list[float]]:
    """Return, for each clip that was recorded of all models, their scores."""
    found: dict[str, list[float]] = {}
    for clip in models[0].recording.clips if models[0].recording is not None else ():
        same = [m.clip(clip.clip) for m in models]
        values = [c.score for c in same if c is not None and c.score is not None]
        if len(values) == len(models):
            found[clip.clip] = values
    return found


def _extremes(scores: Mapping[str, Sequence[float]]) -> list[SelectedClip]:
    """Return the best, the median and the worst clip by the mean over the models."""
    order = sorted(scores, key=lambda name: (-sum(scores[name]), name))
    places = {0: "best", len(order) // 2: "median", len(order) - 1: "worst"}
    if len(order) == 1:
        places = {0: "only"}
    return [SelectedClip(order[i], f"{why} clip") for i, why in sorted(places.items())]


def _apart(scores: Mapping[str, Sequence[float]], pair: tuple[str, str]) -> list[SelectedClip]:
    """Return the clips where A is furthest ahead, where the median is, and where B is."""
    order = sorted(scores, key=lambda name: (scores[name][1] - scores[name][0], name))
    places = {
        0: f"{pair[0]} furthest ahead",
        len(order) // 2: "median difference",
        len(order) - 1: f"{pair[1]} furthest ahead",
    }
    if len(order) == 1:
        places = {0: "only clip"}
    chosen = []
    for i, why in sorted(places.items()):
        gap = scores[order[i]][0] - scores[order[i]][1]
        ahead = "the two are even" if abs(gap) < 5e-4 else why
        wrong = (i == 0 and gap < 0) or (i == len(order) - 1 and gap > 0 and len(order) > 1)
        least = f"{pair[0] if i else pair[1]} least ahead"
        chosen.append(SelectedClip(order[i], least if wrong else ahead))
    return chosen
