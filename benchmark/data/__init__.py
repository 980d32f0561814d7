"""Data sets: one reader each, all giving the same lazy Clip.

Importing this module registers every built-in data set and loads neither numpy nor a decoder; a
reader is imported when its data set is opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from tvseg_bench.benchmark.data import cards
from tvseg_bench.benchmark.registry import DatasetEntry, datasets

if TYPE_CHECKING:
    from pathlib import Path

    from tvseg_bench.benchmark.data.files.inventory import Inventory
    from tvseg_bench.benchmark.types import Dataset


@dataclass(frozen=True)
class FileReader:
    """Opens a data set made of files through the module that knows its layout."""

    module: str
    function: str = "inventory"
    """`inventory(root, split)` of that module lists the files of one split."""

    def __call__(self, root: Path | None, split: str | None) -> Dataset:
        """Open one split; nothing is decoded."""
        return self.inventory(root, split).open()

    def inventory(self, root: Path | None, split: str | None) -> Inventory:
        """List the files of one split, with everything that is wrong about them."""
        listed: Inventory = getattr(import_module(self.module), self.function)(root, split)
        return listed


def _open_moving_shapes(root: Path | None, split: str | None) -> Dataset:
    from tvseg_bench.benchmark.data.moving_shapes.generator import open_dataset

    return open_dataset(root, split)


def _resolve_folder(path: str) -> DatasetEntry:
    from tvseg_bench.benchmark.data.folder.tree import resolve

    return resolve(path)


for _card, _reader in (
    (cards.CAMVID, FileReader(f"{__name__}.readers.camvid")),
    (cards.DAVIS_2016, FileReader(f"{__name__}.readers.davis", "inventory_2016")),
    (cards.DAVIS_2017, FileReader(f"{__name__}.readers.davis", "inventory_2017")),
    (cards.PASCAL_VOC_2012, FileReader(f"{__name__}.readers.pascal_voc")),
    (cards.YOUTUBE_VOS_2019, FileReader(f"{__name__}.readers.youtube_vos")),
):
    datasets.register(_card.name, DatasetEntry(card=_card, open=_reader))
datasets.register(
    cards.MOVING_SHAPES.name, DatasetEntry(card=cards.MOVING_SHAPES, open=_open_moving_shapes)
)
datasets.scheme("folder", _resolve_folder)
