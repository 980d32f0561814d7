"""ADE20K as the scene parsing benchmark gives it: still images, each a clip of one frame.

Layout: images/{training,validation}/*.jpg and annotations/{training,validation}/*.png, stored
values 1 to 150, 0 for other objects, which are not evaluated (README of
github.com/CSAILVision/sceneparsing).
"""

from __future__ import annotations

from pathlib import Path

from tvseg_bench.benchmark.data.cards import ADE20K, ADE20K_151
from tvseg_bench.benchmark.data.files import layout
from tvseg_bench.benchmark.data.files.inventory import Collector, Inventory, Labelling
from tvseg_bench.benchmark.data.files.masks import LabelMap
from tvseg_bench.benchmark.types import VOID, DatasetCard

ROOTS = (
    *("ADEChallengeData2016", "ade20k/ADEChallengeData2016", "ade/ADEChallengeData2016"),
    *("ADE20K/ADEChallengeData2016", "ade20k", "ADE20K"),
)
FOLDERS = {"val": "validation", "train": "training"}
N_CLASSES = 150


def inventory_150(root: Path | None, split: str | None) -> Inventory:
    """List one split with the ids 0 to 149; what is stored as 0 is void.

    Raises:
        DataError: the data set or the folders of the split are not there.
        UsageError: there is no such split.
    """
    stored = {value: value - 1 for value in range(1, N_CLASSES + 1)}
    return _inventory(ADE20K, root, split, stored)


def inventory_151(root: Path | None, split: str | None) -> Inventory:
    """List one split with the ids as they are stored; 0 is a class, and void.

    Raises:
        DataError: the data set or the folders of the split are not there.
        UsageError: there is no such split.
    """
    stored = {value: value for value in range(1, N_CLASSES + 1)}
    return _inventory(ADE20K_151, root, split, stored)


def _inventory(
    card: DatasetCard, root: Path | None, split: str | None, stored: dict[int, int]
) -> Inventory:
    folder = layout.find_root(card, root, ROOTS, _mismatch)
    there = layout.folders_there(folder, {s: f"images/{name}" for s, name in FOLDERS.items()})
    split = layout.choose_split(card, split, there, "the folder images")
    masks = f"annotations/{FOLDERS[split]}"
    found = Collector(folder)
    found.add_stills(f"images/{FOLDERS[split]}", masks)
    classes = LabelMap({**stored, 0: VOID})
    return found.finish(
        card,
        split,
        lambda _: Labelling(semantic=classes),
        splits=there,
        no_mask=f"{masks} has no mask",
        unknown="masks of the scene parsing benchmark hold 0 to 150 (the full ADE20K, whose "
        "masks are coloured, is another archive)",
    )


def _mismatch(folder: Path) -> str | None:
    if (folder / "images/ADE").is_dir() or (folder / "index_ade20k.pkl").exists():
        return "is the full ADE20K, not the archive of the scene parsing benchmark"
    return layout.missing_part(
        folder,
        [f"images/{name}" for name in FOLDERS.values()],
        [f"annotations/{name}" for name in FOLDERS.values()],
    )
