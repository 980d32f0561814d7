"""Registry entries of data sets that are made of files, which can be listed without opening them.

A third party's `DatasetEntry` without a listing works as well: `data status` and `data check` then
look at its clips.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from tvseg_bench.benchmark.registry import DatasetEntry

if TYPE_CHECKING:
    from pathlib import Path

    from tvseg_bench.benchmark.data.files.inventory import Inventory
    from tvseg_bench.benchmark.data.folder.folder_dataset import VideoFiles
    from tvseg_bench.benchmark.types import DatasetCard

    Listing: TypeAlias = Inventory | VideoFiles
    Lister: TypeAlias = Callable[[Path | None, str | None], Listing]


@dataclass(frozen=True, kw_only=True)
class FileDatasetEntry(DatasetEntry):
    """A data set whose files can be listed, with everything that is wrong about them."""

    listing: Lister
    """Takes (data root, split) as `open` does; reads names and sizes, decodes nothing."""


def file_dataset(card: DatasetCard, listing: Lister) -> FileDatasetEntry:
    """Return the entry of a data set that is opened from the listing of its files."""
    return FileDatasetEntry(
        card=card, open=lambda root, split: listing(root, split).open(), listing=listing
    )
