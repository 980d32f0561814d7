"""Data sets: one reader each, all giving the same lazy Clip.

Importing this module registers every built-in data set and loads neither numpy nor a decoder; a
reader is imported when its data set is opened.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from tvseg_bench.benchmark.data import cards, video_cards
from tvseg_bench.benchmark.data.file_datasets import file_dataset
from tvseg_bench.benchmark.registry import DatasetEntry, datasets

if TYPE_CHECKING:
    from pathlib import Path

    from tvseg_bench.benchmark.data.file_datasets import Lister
    from tvseg_bench.benchmark.data.files.inventory import Inventory
    from tvseg_bench.benchmark.types import Dataset


def _lister(reader: str, function: str = "inventory") -> Lister:
    def listing(root: Path | None, split: str | None) -> Inventory:
        module = import_module(f"{__name__}.readers.{reader}")
        listed: Inventory = vars(module)[function](root, split)
        return listed

    return listing


def _moving_shapes(version: int, root: Path | None, split: str | None) -> Dataset:
    from tvseg_bench.benchmark.data.moving_shapes.generator import open_dataset

    return open_dataset(root, split, version)


def _folder(path: str) -> DatasetEntry:
    from tvseg_bench.benchmark.data.folder.folder_dataset import resolve

    return resolve(path)


for _entry in (
    file_dataset(cards.ADE20K, _lister("ade20k", "inventory_150")),
    file_dataset(cards.ADE20K_151, _lister("ade20k", "inventory_151")),
    file_dataset(cards.CAMVID, _lister("camvid")),
    file_dataset(cards.CITYSCAPES, _lister("cityscapes", "inventory_19")),
    file_dataset(cards.CITYSCAPES_27, _lister("cityscapes", "inventory_27")),
    file_dataset(cards.COCOSTUFF_15, _lister("coco_stuff", "inventory_15")),
    file_dataset(cards.COCOSTUFF_27, _lister("coco_stuff", "inventory_27")),
    file_dataset(cards.COCOSTUFF_171, _lister("coco_stuff", "inventory_171")),
    file_dataset(cards.COCOTHINGS_12, _lister("coco_stuff", "inventory_things")),
    file_dataset(cards.DAVIS_2016, _lister("davis", "inventory_2016")),
    file_dataset(cards.DAVIS_2017, _lister("davis", "inventory_2017")),
    file_dataset(cards.JHMDB, _lister("jhmdb")),
    file_dataset(cards.NYUV2, _lister("nyuv2")),
    file_dataset(cards.PASCAL_VOC_2012, _lister("pascal_voc")),
    file_dataset(cards.VIP, _lister("vip")),
    file_dataset(cards.YOUTUBE_VOS_2019, _lister("youtube_vos")),
    file_dataset(video_cards.MOSE, _lister("mose")),
    file_dataset(video_cards.MOVI_C, _lister("movi", "inventory_c")),
    file_dataset(video_cards.MOVI_E, _lister("movi", "inventory_e")),
    file_dataset(video_cards.VIPSEG, _lister("vipseg")),
    file_dataset(video_cards.VSPW, _lister("vspw")),
    file_dataset(video_cards.YOUTUBE_VIS_2021, _lister("youtube_vis")),
):
    datasets.register(_entry.card.name, _entry)
for _card in (cards.MOVING_SHAPES_1, cards.MOVING_SHAPES_2):
    datasets.register(
        _card.name if _card is cards.MOVING_SHAPES else f"{_card.name}@{_card.version}",
        DatasetEntry(card=_card, open=partial(_moving_shapes, _card.version)),
    )
datasets.scheme("folder", _folder)
