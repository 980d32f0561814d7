"""`data status` and `data path`: which data sets are there, and which archive is wanted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tvseg_bench.benchmark.data.file_datasets import FileDatasetEntry
from tvseg_bench.benchmark.data.files.inventory import Inventory
from tvseg_bench.benchmark.errors import DataError, TvsegError
from tvseg_bench.benchmark.registry import datasets


@dataclass(frozen=True, kw_only=True)
class DatasetStatus:
    """Whether one data set can be used."""

    name: str
    found: bool
    root: Path | None = None
    """Its folder; None where it was not found, or has no files (generated data)."""
    split: str | None = None
    """The one that is opened when none is named."""
    splits: tuple[str, ...] = ()
    """Those whose lists are there."""
    clips: int = 0
    """Of `split`, as are the frames."""
    frames: int = 0
    problem: str = ""
    """Why it cannot be used as it is, empty where it can."""
    archive: str = ""
    """What is wanted."""


def status(root: Path | None = None) -> list[DatasetStatus]:
    """Return one row per registered data set; lists files, opens none.

    Args:
        root: the data root; None = `TVSEG_DATA`.
    """
    return [_status(name, root) for name in datasets]


def _status(name: str, root: Path | None) -> DatasetStatus:
    archive = ""
    try:
        entry = datasets[name]
        archive = entry.card.archive
        listed = entry.listing(root, None) if isinstance(entry, FileDatasetEntry) else None
        if isinstance(listed, Inventory):
            return _of_files(name, listed)
        dataset = entry.open(root, None) if listed is None else listed.open()
        return DatasetStatus(
            name=name,
            found=True,
            split=dataset.split,
            splits=dataset.card.splits,
            clips=len(dataset.clips),
            frames=sum(clip.n_frames for clip in dataset.clips),
            archive=archive,
        )
    except TvsegError as error:  # a broken plugin takes no other row down
        return DatasetStatus(name=name, found=False, problem=str(error), archive=archive)


def _of_files(name: str, listed: Inventory) -> DatasetStatus:
    blocking = listed.findings.blocking()
    return DatasetStatus(
        name=name,
        found=True,
        root=listed.root,
        split=listed.split,
        splits=listed.splits,
        clips=len(listed.clips),
        frames=sum(len(files.frames) for files in listed.clips),
        problem=blocking.text if blocking else "",
        archive=listed.card.archive,
    )


def path(name: str, root: Path | None = None) -> Path:
    """Return the folder in which a data set was found.

    Raises:
        DataError: it is not there, or has no files.
        UsageError: there is no such data set.
    """
    entry = datasets[name]
    if isinstance(entry, FileDatasetEntry):
        return entry.listing(root, None).root
    raise DataError(f"{entry.card.name} has no folder of image files: {entry.card.archive}")
