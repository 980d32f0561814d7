"""`data check`: is a split complete, and is every file what its layout promises?

Nothing stops at the first finding, and nothing is changed or deleted.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from tvseg_bench.benchmark.data.file_datasets import FileDatasetEntry
from tvseg_bench.benchmark.data.files.clip_frames import ClipFiles, Source, check_size
from tvseg_bench.benchmark.data.files.findings import Finding, FindingKind, Findings
from tvseg_bench.benchmark.data.files.images import read_image
from tvseg_bench.benchmark.data.files.inventory import Inventory
from tvseg_bench.benchmark.data.files.masks import CUSTOMARY_MODES, LabelMap, StoredMask, read_mask
from tvseg_bench.benchmark.errors import DataError
from tvseg_bench.benchmark.registry import datasets
from tvseg_bench.benchmark.types import VOID, Dataset, Labels

Progress = Callable[[int, int | None], None]
"""Called with the frames done and the frames in all, None where that is not known."""

WINDOW = 256
"""Frames in flight: bounds memory whatever the size of the data."""


@dataclass(frozen=True, kw_only=True)
class DataReport:
    """What a split holds and what is wrong with it."""

    dataset: str
    version: int
    split: str
    root: Path | None
    """The data set's folder; None where there are no files (generated data)."""
    clips: int
    frames: int
    masks: int
    """That could be read."""
    bytes: int
    manifest_sha256: str
    pixels: Mapping[int, int]
    """Id -> pixels over all readable masks; 255 is void."""
    names: Mapping[int, str]
    """Id -> class, where the data set names them."""
    modes: Mapping[str, int]
    """Storage mode -> mask files."""
    sizes: Mapping[str, int]
    """WIDTHxHEIGHT -> frames."""
    palette: Mapping[int, tuple[int, int, int]]
    """Stored value -> colour in the first palette mask, for the values that occur."""
    findings: tuple[Finding, ...]
    """At most a hundred of a kind."""
    counts: Mapping[FindingKind, int]
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
        progress: called with how far it is.

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


@dataclass
class _Tally:
    """Sums over frames."""

    findings: Findings
    frames: int = 0
    masks: int = 0
    pixels: Counter[int] = field(default_factory=Counter)
    modes: Counter[str] = field(default_factory=Counter)
    sizes: Counter[str] = field(default_factory=Counter)
    stored: set[int] = field(default_factory=set)
    palette: Mapping[int, tuple[int, int, int]] = field(default_factory=dict)

    def add_image(self, shape: tuple[int, ...]) -> None:
        self.sizes[f"{shape[1]}x{shape[0]}"] += 1

    def add_labels(self, counts: Mapping[int, int]) -> None:
        self.masks += 1
        self.pixels.update(counts)

    def report(
        self, dataset: Dataset | Inventory, clips: int, root: Path | None, size: int
    ) -> DataReport:
        return DataReport(
            dataset=dataset.card.name,
            version=dataset.card.version,
            split=dataset.split,
            root=root,
            clips=clips,
            frames=self.frames,
            masks=self.masks,
            bytes=size,
            manifest_sha256=dataset.manifest_sha256,
            pixels=dict(sorted(self.pixels.items())),
            names=dict(enumerate(dataset.classes or dataset.card.classes)),
            modes=dict(self.modes),
            sizes=dict(self.sizes),
            palette={key: self.palette[key] for key in sorted(self.stored) if key in self.palette},
            findings=self.findings.listed,
            counts=self.findings.counts,
        )


# ------------------------------------------------------------------------------ files


@dataclass(frozen=True)
class _Frame:
    """What reading one frame and its mask gave."""

    image_shape: tuple[int, ...] | None = None
    mask: str | None = None
    mode: str = ""
    palette: Mapping[int, tuple[int, int, int]] = field(default_factory=dict)
    stored: frozenset[int] = frozenset()
    counts: Mapping[int, int] | None = None
    findings: tuple[Finding, ...] = ()


def _check_files(inventory: Inventory, progress: Progress | None) -> DataReport:
    tally = _Tally(inventory.findings.copy())
    total = sum(len(files.frames) for files in inventory.clips)
    for seen in _in_order(_jobs(inventory)):
        tally.frames += 1
        for found in seen.findings:
            tally.findings.add(found.kind, found.file, found.text)
        if seen.image_shape is not None:
            tally.add_image(seen.image_shape)
        if seen.mode:
            tally.modes[seen.mode] += 1
            tally.stored |= seen.stored
            tally.palette = tally.palette or seen.palette
        if seen.counts is not None:
            tally.add_labels(seen.counts)
        if progress is not None:
            progress(tally.frames, total)
    return tally.report(inventory, len(inventory.clips), inventory.source.root, inventory.bytes)


def _jobs(inventory: Inventory) -> Iterator[Callable[[], _Frame]]:
    """Yield one job per frame; the labels are those that score a frame."""
    kind = inventory.card.clip_labels
    for files in inventory.clips:
        labelling = inventory.labelling(files)
        ids = labelling.of(inventory.dataset_labels or kind) or labelling.of(kind)
        for frame in range(len(files.frames)):
            yield partial(_read_frame, inventory.source, files, frame, ids)


def _in_order(jobs: Iterator[Callable[[], _Frame]]) -> Iterator[_Frame]:
    """Run jobs on a few threads (decoders release the interpreter), a window at a time."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        while window := list(islice(jobs, WINDOW)):
            yield from pool.map(lambda job: job(), window)


def _read_frame(source: Source, files: ClipFiles, frame: int, ids: LabelMap | None) -> _Frame:
    image, mask_path = files.image_path(frame), files.mask_path(frame)
    findings = []
    shape = None
    try:
        shape = read_image(source.root / image, image).shape
    except DataError as error:
        findings.append(Finding("image-unreadable", image, str(error)))
    if mask_path is None or ids is None:
        return _Frame(shape, findings=tuple(findings))
    try:
        mask = read_mask(source.root / mask_path, mask_path)
    except DataError as error:
        findings.append(Finding("mask-unreadable", mask_path, str(error)))
        return _Frame(shape, findings=tuple(findings))
    labels, unknown = ids.apply(mask.values)
    findings += _mask_findings(source, image, shape, mask_path, mask, unknown)
    return _Frame(
        shape,
        mask_path,
        mask.mode,
        mask.palette,
        frozenset(_count(mask.values)),
        _count(labels),
        tuple(findings),
    )


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
    tally = _Tally(Findings())
    for index in range(len(dataset.clips)):
        try:
            clip = dataset.clips[index]
        except DataError as error:
            tally.findings.add("clip-empty", f"clip {index}", str(error))
            continue
        labels = clip.labels(dataset.card.clip_labels)
        for frame in range(clip.n_frames):
            try:
                tally.add_image(clip.image(frame).shape)
                tally.frames += 1
                if labels is not None:
                    tally.add_labels(_count(labels(frame)))
            except DataError as error:
                tally.findings.add("image-unreadable", f"{clip.name}, frame {frame}", str(error))
                break  # what follows a broken place in a stream is broken too
            if progress is not None:
                progress(tally.frames, None)
    return tally.report(dataset, len(dataset.clips), root, size)
