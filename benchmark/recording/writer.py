"""Records while a run scores: maps of clusters or labels, frames, and features as colours.

Of each cell a run records some clips evenly spread over the data set, the same for every model,
and the best, the median and the worst by score. `reader` describes the files, `part` what is
handed on where ranges of clips are scored apart.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.evaluation import Recorder, UnitOutcome, UnitScope
from tvseg_bench.benchmark.metrics.contingency import Contingency, contingency, merge
from tvseg_bench.benchmark.metrics.iou import class_counts, mean_iou
from tvseg_bench.benchmark.metrics.matching import Match
from tvseg_bench.benchmark.recording import images, parts, reader
from tvseg_bench.benchmark.recording.colours import pca_colours
from tvseg_bench.benchmark.results.result_file import atomic_write
from tvseg_bench.benchmark.results.store import back_up
from tvseg_bench.benchmark.results.text import short_hash
from tvseg_bench.benchmark.types import Clip, ClipFeatures, Dataset, LabelKind

CANDIDATES = 200
"""Clips at most whose maps are held until it is known which are the best and the worst."""


@dataclass
class _Clip:
    """What is known of a clip so far; maps are held compressed."""

    clip: Clip
    frames: tuple[int, ...]
    """Those that were looked at."""
    positions: tuple[int, ...]
    size: tuple[int, int] = (0, 0)
    grid: tuple[int, int] = (1, 1)
    maps: dict[int, bytes] = field(default_factory=dict)
    truth: dict[int, bytes] = field(default_factory=dict)
    tables: dict[int, Contingency] = field(default_factory=dict)
    """Of frames whose unit has not been matched yet."""
    units: list[reader.RecordedUnit] = field(default_factory=list)
    series: dict[int, float | None] = field(default_factory=dict)
    scores: list[float] = field(default_factory=list)
    pca: NDArray[np.uint8] | None = None

    @property
    def score(self) -> float | None:
        return float(np.mean(self.scores)) if self.scores else None


@dataclass
class MediaRecorder(Recorder):
    """Records what a protocol finds, and writes some of the clips.

    Args:
        clips: how many are written, evenly spread, besides the best, the median and the worst.
        replace: whether an earlier recording of the cell is backed up and replaced.
    """

    active: ClassVar[bool] = True

    directory: Path
    cell_id: str
    dataset: Dataset
    clips: int
    replace: bool = False
    scope: UnitScope = "clip"
    labels: LabelKind = "semantic"
    metric: str = "mIoU"
    of_frames: str = "mIoU"
    _held: dict[int, _Clip] = field(default_factory=dict)

    def __post_init__(self) -> None:
        total = len(self.dataset.clips)
        # a protocol may see parts of the data set, in which clips have other indices
        self._places = {clip.name: i for i, clip in enumerate(self.dataset.clips)}
        self._fixed = set(spread(total, self.clips))
        self._candidates = self._fixed | set(spread(total, CANDIDATES))

    def on_begin(
        self, scope: UnitScope, labels: LabelKind, metric: str = "mIoU", of_frames: str = "mIoU"
    ) -> None:
        """Note what the units are, which labels score them, and what scores are called."""
        self.scope, self.labels = scope, labels
        self.metric, self.of_frames = metric, of_frames

    def on_features(self, clip: ClipFeatures, tokens: NDArray[np.floating[Any]]) -> None:
        """Record features as colours."""
        held = self._clip(clip)
        if held is not None:
            held.pca = pca_colours(tokens, held.positions)

    def on_frame(
        self,
        clip: ClipFeatures,
        position: int,
        labels: NDArray[np.integer[Any]],
        truth: NDArray[np.integer[Any]],
        grid: tuple[int, int],
        table: Contingency | None = None,
    ) -> None:
        """Record the maps of a frame, reduced, and hold its table until it is matched."""
        held = self._clip(clip)
        if held is None:
            return
        held.tables[position] = contingency(truth, labels) if table is None else table
        if position not in held.positions:
            return
        held.size, held.grid = images.reduced_size(labels.shape), grid
        held.maps[position] = images.packed(labels, held.size, np.uint16)
        held.truth[position] = images.packed(truth, held.size, np.uint8)

    def on_unit(
        self,
        clip: ClipFeatures,
        positions: range,
        match: Match | None,
        counted: Callable[[Contingency], Contingency] | None = None,
        outcome: UnitOutcome | None = None,
    ) -> None:
        """Record the matching of a unit and what it gives in each of its frames."""
        held = self._clip(clip)
        if held is None:
            return
        tables = [held.tables.pop(t) for t in positions]
        if match is None:
            return
        if counted is not None:
            tables = [counted(table) for table in tables]
        whole = merge(tables)
        score = mean_iou(class_counts(whole, match)) if outcome is None else outcome.score
        if score is not None:
            held.scores.append(score)
        series = None if outcome is None else outcome.series
        if series is None:
            series = [mean_iou(class_counts(table, match)) for table in tables]
        held.series.update(zip(positions, series, strict=True))
        if self.scope != "frame" or positions.start in held.positions:
            held.units.append(_unit(positions.start, whole, match))

    def part(self) -> bytes:
        """Return what was recorded of a range of clips, to be handed to `add_part`."""
        return parts.written(
            parts.RecordedPart(
                cell_id=self.cell_id,
                scope=self.scope,
                labels=self.labels,
                metric=self.metric,
                of_frames=self.of_frames,
                clips=tuple(_held_clip(self._held[place]) for place in sorted(self._held)),
            )
        )

    def add_part(self, data: bytes) -> None:
        """Take over what another recorder of this cell recorded of a range of clips.

        Once the parts of all ranges are here, in any order, `write` writes what it would have
        written after one run over all clips.

        Raises:
            ResultError: the part is damaged, another cell's, or holds a clip that is here already.
        """
        part = parts.read(data, self.cell_id)
        added: dict[int, _Clip] = {}
        for held in part.clips:
            place = self._places.get(held.clip)
            if place is None or not held.fits(self.dataset.clips[place]):
                raise parts.damaged(
                    self.cell_id, f"the data set has no clip {held.clip!r} with these frames"
                )
            if place in self._held or place in added:
                raise parts.damaged(self.cell_id, f"the clip {held.clip!r} was recorded before")
            added[place] = _clip_held(held, self.dataset.clips[place])
        self._held |= added
        self.on_begin(part.scope, part.labels, part.metric, part.of_frames)

    def write(self) -> None:
        """Write the chosen clips; nothing where no unit has a score.

        Raises:
            ResultError: the folder cannot be written.
        """
        scored = {i: clip for i, clip in self._held.items() if clip.scores and clip.maps}
        if not scored:
            return
        folder = reader.media_folder(self.directory, self.cell_id)
        if self.replace:
            back_up(folder)
        chosen = self._chosen(scored)
        kept = reader.Recording(
            cell_id=self.cell_id,
            scope=self.scope,
            labels=self.labels,
            metric=self.metric,
            of_frames=self.of_frames,
            classes=self.dataset.classes if self.labels == "semantic" else (),
            background=self.dataset.card.background,
            candidates=len(scored),
            clips=tuple(self._write(folder, n, scored[i]) for n, i in enumerate(chosen)),
        )
        atomic_write(folder / "kept.json", (kept.model_dump_json(by_alias=True) + "\n").encode())

    def _chosen(self, scored: dict[int, _Clip]) -> list[int]:
        order = sorted(scored, key=lambda i: (scored[i].score or 0.0, i))
        extremes = {order[0], order[len(order) // 2], order[-1]}
        return sorted(self._fixed & scored.keys() | extremes)

    def _clip(self, clip: ClipFeatures) -> _Clip | None:
        place = self._places[clip.clip.name]
        if place not in self._candidates:
            return None
        if place not in self._held:
            positions = tuple(spread(len(clip.frames), reader.FRAMES))
            self._held[place] = _Clip(clip.clip, clip.frames, positions)
        return self._held[place]

    def _write(self, folder: Path, number: int, held: _Clip) -> reader.RecordedClip:
        shape = (len(held.positions), *held.size)
        maps = images.unpacked(held.maps, held.positions, held.size, np.uint16, 65535)
        small = maps[maps != 65535].max(initial=0) < 255
        data = np.where(maps == 65535, 255, maps).astype(np.uint8) if small else maps
        name = f"{number:03d}"
        atomic_write(folder / f"{name}.png", images.png_bytes(data.reshape(-1, shape[2])))
        if held.pca is not None:
            rows = held.pca.reshape(-1, *held.pca.shape[2:])
            atomic_write(folder / f"{name}-pca.png", images.png_bytes(rows))
        image, truth = self._shared(held)
        return reader.RecordedClip(
            clip=held.clip.name,
            positions=held.positions,
            frames=tuple(held.frames[p] for p in held.positions),
            size=held.size,
            score=held.score,
            series=tuple(held.series.get(t) for t in range(len(held.frames))),
            units=tuple(held.units),
            maps=f"{name}.png",
            image=image,
            truth=truth,
            pca=None if held.pca is None else f"{name}-pca.png",
            grid=held.grid,
        )

    def _shared(self, held: _Clip) -> tuple[str, str]:
        """Write frames and truth where no other cell has; return the names of the files."""
        clip, data = held.clip, self.dataset
        chosen = [held.frames[p] for p in held.positions]
        truth = images.unpacked(held.truth, held.positions, held.size, np.uint8, 255)
        digest = zlib.crc32(truth.tobytes())
        what = [data.card.name, data.split, data.manifest_sha256, clip.name, chosen]
        stem = f"{self._places[clip.name]:05d}-{short_hash([*what, held.size])[:12]}"
        image, mask = f"{stem}.jpg", f"{stem}-{digest:08x}.png"
        folder = reader.data_folder(self.directory)
        if not (folder / image).exists():
            atomic_write(folder / image, images.jpeg_strip(clip, chosen, held.size))
        if not (folder / mask).exists():
            atomic_write(folder / mask, images.png_bytes(truth.reshape(-1, held.size[1])))
        return image, mask


def spread(total: int, count: int) -> list[int]:
    """Return at most `count` positions evenly spread over `total`, the first and last among them.

    Example:
        >>> spread(10, 4), spread(3, 12), spread(5, 0), spread(5, 1)
        ([0, 3, 6, 9], [0, 1, 2], [], [0])
    """
    if count >= total:
        return list(range(total))
    if count < 2:
        return [0][:count]
    return [round(i * (total - 1) / (count - 1)) for i in range(count)]


def _held_clip(held: _Clip) -> parts.HeldClip:
    """Return what is known of a clip as plain values; every unit of it was matched."""
    pca = held.pca
    return parts.HeldClip(
        clip=held.clip.name,
        frames=tuple(int(t) for t in held.frames),
        positions=held.positions,
        size=held.size,
        grid=held.grid,
        maps=held.maps,
        truth=held.truth,
        units=tuple(held.units),
        series=held.series,
        scores=tuple(held.scores),
        pca=None
        if pca is None
        else parts.Colours(shape=pca.shape, data=zlib.compress(pca.tobytes(), 1)),
    )


def _clip_held(held: parts.HeldClip, clip: Clip) -> _Clip:
    return _Clip(
        clip=clip,
        frames=held.frames,
        positions=held.positions,
        size=held.size,
        grid=held.grid,
        maps=dict(held.maps),
        truth=dict(held.truth),
        units=list(held.units),
        series=dict(held.series),
        scores=list(held.scores),
        pca=None if held.pca is None else held.pca.array(),
    )


def _unit(start: int, table: Contingency, match: Match) -> reader.RecordedUnit:
    at = np.searchsorted(match.clusters, table.clusters)
    return reader.RecordedUnit(
        start=start,
        clusters=tuple(table.clusters.tolist()),
        assigned=tuple(match.assigned[at].tolist()),
        labels=tuple(table.labels.tolist()),
        table=tuple(map(tuple, table.table.tolist())),
    )
