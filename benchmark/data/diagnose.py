"""`data check`: is a split complete, and is every file what its layout promises?

Nothing stops at the first finding, and nothing is changed or deleted.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np

from tvseg_bench.benchmark.data.file_datasets import FileDatasetEntry
from tvseg_bench.benchmark.data.files.clip_frames import (
    ClipFiles,
    Companions,
    FrameReader,
    Source,
    check_size,
)
from tvseg_bench.benchmark.data.files.findings import Finding, FindingKind, Findings
from tvseg_bench.benchmark.data.files.images import read_image
from tvseg_bench.benchmark.data.files.inventory import Inventory
from tvseg_bench.benchmark.data.files.masks import CUSTOMARY_MODES, LabelMap, StoredMask
from tvseg_bench.benchmark.errors import DataError
from tvseg_bench.benchmark.registry import datasets
from tvseg_bench.benchmark.types import VOID, Dataset, Labels

T = TypeVar("T")
Palette = dict[int, tuple[int, int, int]]
Progress = Callable[[int, int | None], None]
"""Called with the frames done and the frames in all, None where that is not known."""

WINDOW = 256
"""Frames in flight: bounds memory whatever the size of the data."""


@dataclass(kw_only=True)
class DataReport:
    """What a split holds and what is wrong with it."""

    dataset: str
    version: int
    split: str
    root: Path | None
    """The data set's folder; None where there are no files (generated data)."""
    clips: int
    frames: int = 0
    masks: int = 0
    """That could be read."""
    beside: dict[str, int] = field(default_factory=dict)
    """`flow`, `depth`, `points` -> frames of which these could be read, for those there are."""
    bytes: int
    manifest_sha256: str
    pixels: dict[int, int] = field(default_factory=dict)
    """Id -> pixels over all readable masks; 255 is void."""
    names: Mapping[int, str]
    """Id -> class, where the data set names them."""
    modes: dict[str, int] = field(default_factory=dict)
    """Storage mode -> mask files."""
    sizes: dict[str, int] = field(default_factory=dict)
    """WIDTHxHEIGHT -> frames."""
    palette: Palette = field(default_factory=dict)
    """Stored value -> colour in the first palette mask, for the values that occur."""
    findings: tuple[Finding, ...] = ()
    """At most a hundred of a kind."""
    counts: Mapping[FindingKind, int] = field(default_factory=dict)
    """How many of each kind there are."""

    @property
    def ok(self) -> bool:
        """Whether every frame and label can be read."""
        return all(finding.is_note for finding in self.findings)

    @property
    def void_share(self) -> float | None:
        """Fraction of the pixels that no score counts, None without masks."""
        total = sum(self.pixels.values())
        return self.pixels.get(VOID, 0) / total if total else None

    def add_image(self, shape: tuple[int, ...]) -> None:
        """Count the size of a frame."""
        _add(self.sizes, {f"{shape[1]}x{shape[0]}": 1})

    def add_labels(self, counts: Mapping[int, int]) -> None:
        """Count the labels of a mask."""
        self.masks += 1
        _add(self.pixels, counts)

    def finished(self, findings: Findings) -> DataReport:
        """Return the report with what is wrong, labels in ascending order."""
        pixels = dict(sorted(self.pixels.items()))
        return replace(self, pixels=pixels, findings=findings.listed, counts=findings.counts)


def _begin(dataset: Dataset | Inventory, root: Path | None, size: int) -> DataReport:
    return DataReport(
        dataset=dataset.card.name,
        version=dataset.card.version,
        split=dataset.split,
        root=root,
        clips=len(dataset.clips),
        bytes=size,
        manifest_sha256=dataset.manifest_sha256,
        names=dict(enumerate(dataset.classes or dataset.card.classes)),
    )


def _add(sums: dict[T, int], more: Mapping[T, int]) -> None:
    for key, count in more.items():
        sums[key] = sums.get(key, 0) + count


def check(
    name: str,
    split: str | None = None,
    root: Path | None = None,
    progress: Progress | None = None,
) -> DataReport:
    """Read every frame and mask of one split.

    Args:
        name: a data set of the registry, or `folder:PATH`.
        split: None = the customary one.
        root: the data root; None = `TVSEG_DATA`.

    Raises:
        DataError: the data set or its list is not there at all.
        UsageError: there is no such data set or split.
    """
    entry = datasets[name]
    if not isinstance(entry, FileDatasetEntry):
        return _check_clips(entry.open(root, split), None, 0, progress)
    listed = entry.listing(root, split)
    if isinstance(listed, Inventory):
        return _check_files(listed, progress)
    return _check_clips(listed.open(), listed.root, listed.bytes, progress)


# ------------------------------------------------------------------------------ files


@dataclass
class _Frame:
    """What reading one frame and its mask gave."""

    findings: list[Finding] = field(default_factory=list)
    shape: tuple[int, ...] | None = None
    mask: StoredMask | None = None
    stored: Collection[int] = ()
    counts: Mapping[int, int] = field(default_factory=dict)
    beside: dict[str, int] = field(default_factory=dict)


def _check_files(inventory: Inventory, progress: Progress | None) -> DataReport:
    report = _begin(inventory, inventory.root, inventory.bytes)
    findings, stored, palette = deepcopy(inventory.findings), set[int](), Palette()
    total = sum(len(files.frames) for files in inventory.clips)
    for seen in _in_order(_jobs(inventory)):
        report.frames += 1
        for found in seen.findings:
            findings.add(found.kind, found.file, found.text)
        _add(report.beside, seen.beside)
        if seen.shape is not None:
            report.add_image(seen.shape)
        if seen.mask is not None:
            _add(report.modes, {seen.mask.mode: 1})
            stored.update(seen.stored)
            palette = palette or seen.mask.palette
            report.add_labels(seen.counts)
        if progress is not None:
            progress(report.frames, total)
    report.palette = {key: palette[key] for key in sorted(stored) if key in palette}
    return report.finished(findings)


def _jobs(inventory: Inventory) -> Iterator[Callable[[], _Frame]]:
    """Yield one job per frame; the labels are those that score a frame."""
    kind = inventory.card.clip_labels
    for files in inventory.clips:
        labelling = inventory.labelling(files)
        ids = labelling.of(inventory.dataset_labels or kind) or labelling.of(kind)
        reader = FrameReader(inventory.source, files)
        beside = inventory.companions(reader) if inventory.companions else Companions()
        for frame in range(len(files.frames)):
            yield partial(_read_frame, inventory.source, files, frame, ids, beside)


def _in_order(jobs: Iterator[Callable[[], _Frame]]) -> Iterator[_Frame]:
    """Run jobs on a few threads (decoders release the interpreter), a window at a time."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        while window := list(islice(jobs, WINDOW)):
            yield from pool.map(lambda job: job(), window)


def _read_frame(
    source: Source, files: ClipFiles, frame: int, ids: LabelMap | None, beside: Companions
) -> _Frame:
    image, mask_path, seen = files.image_path(frame), files.mask_path(frame), _Frame()
    _read_beside(seen, beside, image, frame, len(files.frames))
    try:
        seen.shape = read_image(source.root / image, image).shape
    except DataError as error:
        seen.findings.append(Finding("image-unreadable", image, str(error)))
    if mask_path is None or ids is None:
        return seen
    try:
        mask = source.stored_mask(files, frame)
    except DataError as error:
        seen.findings.append(Finding("mask-unreadable", mask_path, str(error)))
        return seen
    labels, unknown = ids.apply(mask.values)
    seen.findings += _mask_findings(source, image, seen.shape, mask_path, mask, unknown)
    seen.stored, seen.counts = _count(mask.values).keys(), _count(labels)
    seen.mask = replace(mask, values=labels[:0, :0])  # the pixels are not needed any more
    return seen


def _read_beside(seen: _Frame, beside: Companions, image: str, frame: int, frames: int) -> None:
    """Read the motion, the depth and the points of a frame; count them, or note what is wrong."""
    for what, read in (
        ("flow", beside.flow if frame < frames - 1 else None),
        ("depth", beside.depth),
        ("points", beside.points),
    ):
        try:
            if read is not None:
                read(frame)
                seen.beside[what] = 1
        except DataError as error:
            seen.findings.append(Finding("file-unreadable", image, str(error)))


def _mask_findings(
    source: Source,
    image: str,
    shape: tuple[int, ...] | None,
    path: str,
    mask: StoredMask,
    unknown: tuple[int, ...],
) -> Iterator[Finding]:
    if mask.mode not in CUSTOMARY_MODES:
        text = f"{path} is stored in mode {mask.mode} instead of L or P; its ids are read anyway"
        yield Finding("mask-mode", path, text)
    if shape is not None:
        try:
            check_size(path, mask, image, (shape[0], shape[1]))
        except DataError as error:
            yield Finding("size-mismatch", path, str(error))
    if unknown:
        yield Finding("unknown-id", path, source.unknown_text(path, unknown))


def _count(labels: Labels) -> dict[int, int]:
    if labels.dtype == np.uint8:  # without sorting half a million pixels
        full = np.bincount(labels.ravel(), minlength=256)
        return {int(value): int(full[value]) for value in np.flatnonzero(full)}
    values, counts = np.unique(labels, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


# ------------------------------------------------------------------------------ clips


def _check_clips(
    dataset: Dataset, root: Path | None, size: int, progress: Progress | None
) -> DataReport:
    """Check data that are not image files (videos, generated, a plugin's) through their clips."""
    report, findings = _begin(dataset, root, size), Findings()
    for index in range(len(dataset.clips)):
        try:
            clip = dataset.clips[index]
        except DataError as error:
            findings.add("clip-empty", f"clip {index}", str(error))
            continue
        labels = clip.labels(dataset.card.clip_labels)
        for frame in range(clip.n_frames):
            try:
                report.add_image(clip.image(frame).shape)
                report.frames += 1
                if labels is not None:
                    report.add_labels(_count(labels(frame)))
            except DataError as error:
                findings.add("image-unreadable", f"{clip.name}, frame {frame}", str(error))
                break  # what follows a broken place in a stream is broken too
            if progress is not None:
                progress(report.frames, None)
    return report.finished(findings)
